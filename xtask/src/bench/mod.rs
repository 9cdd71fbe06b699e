//! `cargo xtask bench`: transfers, checks and the making of torrents measured beside other clients, in one run, in alternating
//! rounds.

mod clients;
mod hashing;
mod libtorrent;
mod report;
mod swarm;
mod transfer;
mod usage;

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use clap::ValueEnum;
use tempfile::TempDir;

use clients::Programs;
use hashing::{Checker, Contender, Hashing, Maker};
use report::Row;
use transfer::Transfers;

use crate::interop::clients::{Installed, Program};

/// What a transfer moves, and what is hashed, in MiB.
const TRANSFER_MIB: u64 = 1024;
const HASHING_MIB: u64 = 4096;
const SWARM_MIB: u64 = 64;

const WHAT_A_ROW_IS: &str = "Every row has the median (least-most) of all rounds. Processor seconds are user and system time. \
    Programs count from their start to their end; libtorrent counts from after the start of the Python interpreter in which it \
    runs; Transmission's daemon, which runs already, counts from being given the torrent until it seeds. Ratios are to the best \
    of the other clients in each column. In the swarm, seconds are those of the last leech, and processor seconds the seed's; each \
    peer may send 2 MiB a second, headers of packets counted (libtorrent counts them itself; for headwater they are estimated as \
    40 bytes for each 1460 and taken off).";

#[derive(clap::Args)]
#[command(after_help = WHAT_A_ROW_IS)]
pub(crate) struct Args {
    /// What to measure; everything if none is named
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Job>,
    /// Bytes of the large file, in MiB [default: 1024 for transfers, 64 in the swarm, 4096 for create and check]
    #[arg(long)]
    mib: Option<u64>,
    /// How often each client does each job
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where the files go; memory (/dev/shm) where there is such a place
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Fail if a client is not installed, instead of leaving out its rows
    #[arg(long)]
    require_all: bool,
    /// The headwater program to use, instead of building it
    #[arg(long, value_name = "PATH")]
    headwater: Option<PathBuf>,
    /// One JSON object a row instead of the table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Job {
    /// 1 MiB from one seed: how long from starting the program to its end
    Start,
    /// The large transfer from a libtorrent seed
    Download,
    /// The same with a Headwater seed and a libtorrent client: what the seed takes
    Seed,
    /// Ten libtorrent leeches and one seed, all with a limit on what they send: Headwater, libtorrent as it is, and libtorrent with
    /// the settings that are best for a lone seed (super-seeding, a slot for everybody)
    Swarm,
    /// A v1 torrent of one large file in the page cache, with pieces of 1 MiB, by as many threads as there are processors where
    /// that can be told
    Create,
    /// The hash check of that file: `headwater verify`, libtorrent with its own number of hashing threads and with one,
    /// Transmission's daemon, `aria2c --hash-check-only`
    Check,
}

impl Job {
    /// What it takes beside our own program.
    fn programs(self) -> Vec<Program> {
        match self {
            Self::Start | Self::Download | Self::Seed | Self::Swarm => vec![Program::Python],
            Self::Create => Maker::ALL.iter().map(|it| it.program()).collect(),
            Self::Check => Checker::ALL.iter().map(|it| it.program()).collect(),
        }
    }
}

impl Args {
    fn wants(&self, job: Job) -> bool {
        self.only.is_empty() || self.only.contains(&job)
    }

    /// A folder for large files, gone when it is dropped.
    fn folder(&self) -> io::Result<TempDir> {
        let parent = self.dir.clone().unwrap_or_else(crate::files::memory_folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix("headwater-bench-").tempdir_in(parent)
    }

    /// Looks for all that is needed, and says what is not there.
    fn find_programs(&self) -> anyhow::Result<Installed> {
        let jobs = Job::value_variants().iter().copied();
        let wanted = jobs.filter(|job| self.wants(*job));
        let mut programs = Vec::new();
        for program in wanted.flat_map(Job::programs) {
            if program != Program::Headwater && !programs.contains(&program) {
                programs.push(program);
            }
        }
        let installed = Installed::among(&programs);
        let missing = installed.missing();
        if self.require_all && !missing.is_empty() {
            bail!("not everything is installed: {}", missing.join("; "));
        }
        for missing in missing {
            eprintln!("left out, not installed: {missing}");
        }
        installed.and_headwater(self.headwater.clone())
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.rounds > 0 && args.mib != Some(0), "nothing to measure");
    let installed = args.find_programs()?;
    let mut rows = transfers(args, &installed, args.folder()?.path())?;
    rows.extend(hashing(args, &installed, args.folder()?.path())?);
    ensure!(!rows.is_empty(), "nothing was measured");
    report::print(&rows, args.json);
    Ok(())
}

/// Without libtorrent there is nobody at the other end.
fn transfers(args: &Args, installed: &Installed, folder: &Path) -> anyhow::Result<Vec<Row>> {
    let Some(python) = installed.program(Program::Python) else {
        return Ok(Vec::new());
    };
    let transfers = Transfers {
        programs: Programs {
            headwater: installed.require(Program::Headwater)?,
            python,
        },
        folder: folder.to_owned(),
        rounds: args.rounds,
    };
    let mib = args.mib.unwrap_or(TRANSFER_MIB);
    let mut rows = Vec::new();
    if args.wants(Job::Start) {
        rows.extend(transfers.downloads("start", 1)?);
    }
    if args.wants(Job::Download) {
        rows.extend(transfers.downloads("download", mib)?);
    }
    if args.wants(Job::Seed) {
        rows.extend(transfers.seeds(mib)?);
    }
    if args.wants(Job::Swarm) {
        rows.extend(swarm::rows(&transfers, args.mib.unwrap_or(SWARM_MIB))?);
    }
    Ok(rows)
}

fn hashing(args: &Args, installed: &Installed, folder: &Path) -> anyhow::Result<Vec<Row>> {
    if !args.wants(Job::Create) && !args.wants(Job::Check) {
        return Ok(Vec::new());
    }
    let mib = args.mib.unwrap_or(HASHING_MIB);
    let bench = Hashing::prepare(installed, folder, mib, args.rounds)?;
    let mut rows = Vec::new();
    if args.wants(Job::Create) {
        rows.extend(bench.rows::<Maker>()?);
    }
    if args.wants(Job::Check) {
        rows.extend(bench.rows::<Checker>()?);
    }
    Ok(rows)
}

//! `cargo xtask bench`: transfers measured beside libtorrent, in one run, in alternating rounds.

mod clients;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::ValueEnum;

use clients::{Client, Seed};
use report::Row;

use crate::files::{same_bytes, write_noise};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure; everything if none is named
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Job>,
    /// Bytes of the large transfer, in MiB
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// How often each client does each job
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where the files go; memory (/dev/shm) where there is such a place
    #[arg(long)]
    dir: Option<PathBuf>,
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
}

impl Job {
    fn is_wanted(self, args: &Args) -> bool {
        args.only.is_empty() || args.only.contains(&self)
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.rounds > 0 && args.mib > 0, "nothing to measure");
    let program = clients::build_headwater()?;
    clients::check_libtorrent()?;
    let parent = args.dir.clone().unwrap_or_else(memory_folder);
    let folder = tempfile::Builder::new()
        .prefix("headwater-bench-")
        .tempdir_in(parent)?;
    let bench = Bench {
        program,
        folder: folder.path().to_owned(),
        rounds: args.rounds,
    };
    let mut rows = Vec::new();
    if Job::Start.is_wanted(args) {
        rows.extend(bench.downloads("start", 1)?);
    }
    if Job::Download.is_wanted(args) {
        rows.extend(bench.downloads("download", args.mib)?);
    }
    if Job::Seed.is_wanted(args) {
        rows.extend(bench.seeds(args.mib)?);
    }
    report::print(&rows, args.json);
    Ok(())
}

fn memory_folder() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() {
        shared
    } else {
        std::env::temp_dir()
    }
}

struct Bench {
    program: PathBuf,
    folder: PathBuf,
    rounds: usize,
}

impl Bench {
    /// `mib` from a libtorrent seed, to each client in turn.
    fn downloads(&self, job: &'static str, mib: u64) -> anyhow::Result<Vec<Row>> {
        let torrent = self.make_torrent(job, mib)?;
        let mut rows =
            [Client::Headwater, Client::Libtorrent].map(|client| Row::new(job, client, mib));
        for _ in 0..self.rounds {
            for row in &mut rows {
                let seed = Seed::start(Client::Libtorrent, &self.program, &torrent, &self.folder)?;
                row.add(self.download(row.client(), &torrent, &seed)?);
            }
        }
        Ok(rows.into())
    }

    /// `mib` to a libtorrent client, from each seed in turn; the seed is what is measured.
    fn seeds(&self, mib: u64) -> anyhow::Result<Vec<Row>> {
        let torrent = self.make_torrent("seed", mib)?;
        let mut rows =
            [Client::Headwater, Client::Libtorrent].map(|client| Row::new("seed", client, mib));
        for _ in 0..self.rounds {
            for row in &mut rows {
                let seed = Seed::start(row.client(), &self.program, &torrent, &self.folder)?;
                let before = seed.processor_time()?;
                let mut usage = self.download(Client::Libtorrent, &torrent, &seed)?;
                usage.processor = seed.processor_time()?.saturating_sub(before);
                row.add(usage);
            }
        }
        Ok(rows.into())
    }

    fn download(
        &self,
        client: Client,
        torrent: &Path,
        seed: &Seed,
    ) -> anyhow::Result<report::Usage> {
        let target = self.folder.join("target");
        std::fs::create_dir_all(&target)?;
        let usage = clients::download(client, &self.program, torrent, &target, seed.address())?;
        let name = torrent.file_stem().context("the torrent has a name")?;
        ensure!(
            same_bytes(&self.folder.join(name), &target.join(name))?,
            "what came is not what was sent"
        );
        std::fs::remove_dir_all(&target)?;
        Ok(usage)
    }

    /// A file of noise and its torrent.
    fn make_torrent(&self, name: &str, mib: u64) -> anyhow::Result<PathBuf> {
        let data = self.folder.join(name);
        write_noise(&data, mib << 20, mib)?;
        let torrent = self.folder.join(format!("{name}.torrent"));
        clients::create(&self.program, &data, &torrent)?;
        Ok(torrent)
    }
}

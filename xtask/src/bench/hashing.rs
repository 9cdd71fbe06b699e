//! Making a torrent of a large file, and checking the file against it.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use headwater_metainfo::{Metainfo, PieceIndex};

use super::libtorrent;
use super::report::{OURS, Row};
use super::usage::{DEADLINE, Usage, measured};
use crate::files::write_noise;
use crate::interop::clients::transmission::Transmission;
use crate::interop::clients::{Client as _, Installed, Job, Program};
use crate::interop::ports;
use crate::interop::process::wait_until;
use crate::processor;

/// The size of a piece, for programs that take it as a power of two.
const PIECE_BITS: u32 = 20;
/// How often a daemon is asked whether it is done.
const POLL: Duration = Duration::from_millis(10);

/// Who makes torrents.
#[derive(Clone, Copy)]
pub(super) enum Maker {
    Headwater,
    Mktorrent,
    Transmission,
    Libtorrent,
}

/// Who checks data.
#[derive(Clone, Copy)]
pub(super) enum Checker {
    Headwater,
    Libtorrent,
    /// The same with one thread that hashes.
    LibtorrentAlone,
    Transmission,
    Aria2,
}

/// Someone who is measured at a job.
pub(super) trait Contender: Copy + 'static {
    const JOB: &'static str;
    const ALL: &'static [Self];

    fn name(self) -> &'static str;
    fn program(self) -> Program;
    /// Does the job once.
    fn run(self, bench: &Hashing<'_>, program: &Path) -> anyhow::Result<Usage>;
}

/// A large file, on which the contenders work in turn.
pub(super) struct Hashing<'a> {
    installed: &'a Installed,
    folder: PathBuf,
    mib: u64,
    rounds: usize,
}

impl<'a> Hashing<'a> {
    /// Writes the file, and makes the torrent that others are compared with.
    pub(super) fn prepare(
        installed: &'a Installed,
        folder: &Path,
        mib: u64,
        rounds: usize,
    ) -> anyhow::Result<Self> {
        let bench = Self {
            installed,
            folder: folder.to_owned(),
            mib,
            rounds,
        };
        write_noise(&bench.data(), mib << 20, mib).with_context(|| {
            format!(
                "cannot write {mib} MiB to {}; see --mib and --dir",
                folder.display()
            )
        })?;
        create(
            installed.require(Program::Headwater)?,
            &bench.data(),
            &bench.torrent(),
            1 << PIECE_BITS,
        )?;
        Ok(bench)
    }

    /// All rounds of one job, with those contenders that are installed.
    pub(super) fn rows<C: Contender>(&self) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for &contender in C::ALL {
            if let Some(program) = self.installed.program(contender.program()) {
                rows.push((
                    contender,
                    program,
                    Row::new(C::JOB, contender.name(), self.mib),
                ));
            }
        }
        for _ in 0..self.rounds {
            for (contender, program, row) in &mut rows {
                self.warm()?;
                let usage = contender.run(self, program);
                row.add(usage.with_context(|| format!("{} by {}", C::JOB, contender.name()))?);
            }
        }
        Ok(rows.into_iter().map(|(_, _, row)| row).collect())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("hashed")
    }

    fn torrent(&self) -> PathBuf {
        self.folder.join("hashed.torrent")
    }

    /// Brings the file into the page cache, from which a client may have dropped it.
    fn warm(&self) -> io::Result<()> {
        io::copy(&mut File::open(self.data())?, &mut io::sink()).map(|_| ())
    }

    /// An error unless the torrent at `path` has the same pieces as ours.
    fn require_same_pieces(&self, path: &Path) -> anyhow::Result<()> {
        let load = |path: &Path| -> anyhow::Result<Metainfo> {
            Ok(Metainfo::from_bytes(&fs::read(path)?)?)
        };
        let (theirs, ours) = (load(path)?, load(&self.torrent())?);
        let (theirs, ours) = (theirs.info(), ours.info());
        ensure!(
            theirs.geometry() == ours.geometry(),
            "other pieces were made"
        );
        let mut pieces = (0..ours.geometry().piece_count()).map(PieceIndex);
        ensure!(
            pieces.all(|piece| theirs.piece_hash(piece) == ours.piece_hash(piece)),
            "other hashes were made"
        );
        Ok(())
    }

    fn check_by_transmission(&self, program: &Path) -> anyhow::Result<Usage> {
        let state = tempfile::tempdir_in(&self.folder)?;
        let job = Job::seeding(state.path().to_owned(), self.folder.clone());
        fs::copy(self.torrent(), job.torrent())?;
        let mut daemon = Transmission::start(job, program)?;
        let deadline = Instant::now() + DEADLINE;
        wait_until("transmission answers", deadline, || daemon.answers())?;
        let (start, before) = (Instant::now(), processor::time_of(daemon.process_id())?);
        while !daemon.is_ready()? {
            ensure!(Instant::now() < deadline, "it has not checked everything");
            thread::sleep(POLL);
        }
        Ok(Usage {
            wall: start.elapsed(),
            processor: processor::time_of(daemon.process_id())?.saturating_sub(before),
        })
    }
}

impl Contender for Maker {
    const JOB: &'static str = "create";
    const ALL: &'static [Self] = &[
        Self::Headwater,
        Self::Mktorrent,
        Self::Transmission,
        Self::Libtorrent,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Headwater => OURS,
            Self::Mktorrent => "mktorrent",
            Self::Transmission => "transmission-create",
            Self::Libtorrent => "libtorrent",
        }
    }

    fn program(self) -> Program {
        match self {
            Self::Headwater => Program::Headwater,
            Self::Mktorrent => Program::Mktorrent,
            Self::Transmission => Program::TransmissionCreate,
            Self::Libtorrent => Program::Python,
        }
    }

    fn run(self, bench: &Hashing<'_>, program: &Path) -> anyhow::Result<Usage> {
        let (data, torrent) = (bench.data(), bench.folder.join("made.torrent"));
        let mut command = Command::new(program);
        let usage = match self {
            Self::Headwater => create(program, &data, &torrent, 1 << PIECE_BITS)?,
            Self::Mktorrent => {
                let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
                command.args(["-t", &threads.to_string(), "-l", &PIECE_BITS.to_string()]);
                measured(command.arg("-o").arg(&torrent).arg(data))?
            }
            Self::Transmission => {
                command.args(["-s", &(1 << (PIECE_BITS - 10)).to_string()]);
                measured(command.arg("-o").arg(&torrent).arg(data))?
            }
            Self::Libtorrent => {
                let mut command = libtorrent::command(program, "create");
                libtorrent::measured(command.arg(data).arg(&torrent))?
            }
        };
        bench.require_same_pieces(&torrent)?;
        fs::remove_file(torrent)?;
        Ok(usage)
    }
}

impl Contender for Checker {
    const JOB: &'static str = "check";
    const ALL: &'static [Self] = &[
        Self::Headwater,
        Self::Libtorrent,
        Self::LibtorrentAlone,
        Self::Transmission,
        Self::Aria2,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Headwater => OURS,
            Self::Libtorrent => "libtorrent",
            Self::LibtorrentAlone => "libtorrent, 1 hasher",
            Self::Transmission => "transmission-daemon",
            Self::Aria2 => "aria2",
        }
    }

    fn program(self) -> Program {
        match self {
            Self::Headwater => Program::Headwater,
            Self::Libtorrent | Self::LibtorrentAlone => Program::Python,
            Self::Transmission => Program::Transmission,
            Self::Aria2 => Program::Aria2,
        }
    }

    fn run(self, bench: &Hashing<'_>, program: &Path) -> anyhow::Result<Usage> {
        let by_libtorrent = |hashers| {
            let mut command = libtorrent::command(program, "check");
            let command = command.arg(bench.torrent()).arg(&bench.folder);
            libtorrent::measured(command.arg(hashers))
        };
        let mut command = Command::new(program);
        match self {
            Self::Headwater => {
                command.args(["-q", "verify"]).arg(bench.torrent());
                measured(command.arg("-d").arg(&bench.folder))
            }
            Self::Libtorrent => by_libtorrent("0"),
            Self::LibtorrentAlone => by_libtorrent("1"),
            Self::Transmission => bench.check_by_transmission(program),
            Self::Aria2 => {
                command.args(ARIA2_CHECKS);
                command.arg(format!("--listen-port={}", ports::free()?));
                command.arg("--dir").arg(&bench.folder);
                measured(command.arg(bench.torrent()))
            }
        }
    }
}

/// It ends when the data is checked, and connects to nobody.
const ARIA2_CHECKS: &[&str] = &[
    "--no-conf=true",
    "--quiet=true",
    "--hash-check-only=true",
    "--check-integrity=true",
    "--file-allocation=none",
    "--follow-torrent=mem",
    "--interface=127.0.0.1",
    "--disable-ipv6=true",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--enable-peer-exchange=false",
    "--bt-enable-lpd=false",
];

/// Makes a torrent with our own program.
pub(super) fn create(
    program: &Path,
    data: &Path,
    torrent: &Path,
    piece_length: u32,
) -> anyhow::Result<Usage> {
    let mut command = Command::new(program);
    command
        .args(["-q", "create"])
        .arg(data)
        .arg("-o")
        .arg(torrent);
    command.args(["--piece-length", &piece_length.to_string()]);
    measured(&mut command)
}

//! The real program, killed again and again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use headwater_store::{FileOptions, FileStorage, ResumeData};
use rand::RngExt;
use rand::rngs::SmallRng;

use super::claims::{self, Findings};
use super::sample::Sample;
use super::tally::Tally;
use crate::interop::process::{LOCAL, Process, event};

/// How long a run may take that nobody kills.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked whether a run has ended.
const POLL: Duration = Duration::from_millis(2);

/// Kills downloads `rounds` times, and lets the last one come to its end.
pub(super) fn run(
    program: &Path,
    rounds: u32,
    noise: &mut SmallRng,
    folder: &Path,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut number = 0;
    while tally.kills() < rounds {
        let folder = folder.join(number.to_string());
        let download = Download::prepare(program, noise, folder)?;
        download.run(rounds, noise, tally)?;
        number += 1;
    }
    Ok(())
}

/// One torrent on its way from a seed.
struct Download {
    sample: Sample,
    folder: PathBuf,
    /// The file that is not wanted.
    skipped: Option<usize>,
    arguments: Vec<String>,
    program: PathBuf,
    /// Kept alive until the download is through.
    _seed: Process,
}

impl Download {
    fn prepare(program: &Path, noise: &mut SmallRng, folder: PathBuf) -> anyhow::Result<Self> {
        let sample = Sample::draw(noise)?;
        sample.write(&folder.join("seed"))?;
        fs::write(folder.join("crash.torrent"), &sample.torrent)?;
        let (seed, port) = start_seed(program, &folder)?;
        let files = sample.files().len();
        let skipped = (files > 1 && noise.random()).then(|| noise.random_range(0..files));
        let rate = noise.random_range(2..=6) << 20;
        let interval = noise.random_range(5..100);
        let mut arguments = vec![
            format!("--peer=127.0.0.1:{port}"),
            format!("--max-down={rate}"),
            format!("--save-interval=0.{interval:03}"),
        ];
        if let Some(skipped) = skipped {
            let wanted = (0..files).filter(|&file| file != skipped);
            let wanted: Vec<_> = wanted.map(|file| (file + 1).to_string()).collect();
            arguments.push(format!("--select={}", wanted.join(",")));
        }
        if noise.random() && has_sparse(program)? {
            arguments.push("--sparse".to_owned());
        }
        Ok(Self {
            sample,
            folder,
            skipped,
            arguments,
            program: program.to_owned(),
            _seed: seed,
        })
    }

    /// Starts and kills it until it gets through, or there have been enough kills.
    fn run(self, rounds: u32, noise: &mut SmallRng, tally: &mut Tally) -> anyhow::Result<()> {
        loop {
            let patience = if tally.kills() < rounds {
                Duration::from_millis(noise.random_range(40..400))
            } else {
                PATIENCE
            };
            let mut process = self.start()?;
            if let Some(status) = wait(&mut process, patience)? {
                ensure!(status.success(), "{status}: {}", process.output());
                tally.finished(self.sample.differences(&self.target(), self.skipped));
                return Ok(fs::remove_dir_all(&self.folder)?);
            }
            ensure!(patience < PATIENCE, "no end: {}", process.output());
            // Dropping it sends SIGKILL, and waits until nothing of it runs any more.
            drop(process);
            tally.killed(self.look()?);
        }
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn start(&self) -> anyhow::Result<Process> {
        let mut command = Command::new(&self.program);
        command
            .args(["download", "crash.torrent", "--dir", "target"])
            .args(LOCAL)
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env("XDG_STATE_HOME", self.folder.join("state"));
        Process::start(&mut command, self.folder.join("download.log"))
    }

    /// What the kept resume data claims, if there is any, beside what is in the files.
    fn look(&self) -> anyhow::Result<Option<Findings>> {
        let Some(path) = kept_resume_data(&self.folder.join("state/headwater"))? else {
            return Ok(None);
        };
        let resume = ResumeData::load(path).context("resume data is damaged")?;
        let options = FileOptions {
            read_only: true,
            wanted: resume.priorities.iter().map(|&each| each > 0).collect(),
            ..FileOptions::default()
        };
        let info = self.sample.metainfo.info().clone();
        let storage = FileStorage::new(info, self.target(), options)?;
        claims::check(&self.sample, &resume, &storage).map(Some)
    }
}

/// A seed that is ready, and its port.
fn start_seed(program: &Path, folder: &Path) -> anyhow::Result<(Process, u64)> {
    let mut command = Command::new(program);
    command
        .args(["seed", "--json", "crash.torrent", "--dir", "seed"])
        .args(LOCAL)
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("seed-state"));
    let mut seed = Process::start(&mut command, folder.join("seed.log"))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let output = seed.output();
        if event(&output, "checked").is_some() {
            let listening = event(&output, "listening");
            let port = listening.and_then(|event| event["port"].as_u64());
            return Ok((seed, port.context("the seed tells no port")?));
        }
        seed.must_run()?;
        ensure!(Instant::now() < deadline, "the seed is not ready");
        thread::sleep(POLL);
    }
}

fn has_sparse(program: &Path) -> anyhow::Result<bool> {
    let arguments = ["download", "--help"];
    let help = crate::interop::process::printed(program, &arguments).map_err(anyhow::Error::msg)?;
    Ok(help.contains("--sparse"))
}

fn wait(process: &mut Process, patience: Duration) -> anyhow::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + patience;
    loop {
        let ended = process.ended()?;
        if ended.is_some() || Instant::now() >= deadline {
            return Ok(ended);
        }
        thread::sleep(POLL);
    }
}

/// The one file there that is not a save cut off by a kill.
fn kept_resume_data(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "resume")
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

//! The program under limits, watched while it runs.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::interop::process::{LOCAL, Process, event};
use crate::processor;

/// How long any one step may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(5);

/// The peer that asks for what it likes would be refused by a seed that finds itself alone and hides what it has.
const SEED: [&str; 3] = ["seed", "--super-seeding", "off"];

/// The program, and how many descriptors it gets.
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) descriptors: usize,
}

/// What a process took, at most.
#[derive(Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) wall: Duration,
    pub(super) processor: Duration,
    /// Bytes that belong to no file.
    pub(super) anonymous: u64,
    /// All bytes, those of mapped files included.
    pub(super) resident: u64,
    pub(super) descriptors: usize,
}

/// The program at work.
pub(super) struct Running {
    process: Process,
    start: Instant,
    usage: Usage,
}

impl Program {
    /// Starts it in `folder`.
    pub(super) fn start(&self, folder: &Path, arguments: &[&str]) -> anyhow::Result<Running> {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {} && exec \"$0\" \"$@\"", self.descriptors);
        command
            .args(["-c", &script])
            .arg(&self.path)
            .arg("--json")
            .args(arguments)
            .current_dir(folder)
            .env("XDG_STATE_HOME", folder.join("state"));
        let log = folder.join(format!("{}.log", arguments.first().unwrap_or(&"program")));
        Ok(Running {
            process: Process::start(&mut command, log)?,
            start: Instant::now(),
            usage: Usage::default(),
        })
    }

    /// Starts it as a seed of a torrent in `folder`, and waits until it has checked the data.
    pub(super) fn seed(
        &self,
        folder: &Path,
        torrent: &str,
    ) -> anyhow::Result<(Running, SocketAddr)> {
        let mut seed = self.start(folder, &[&SEED[..], &[torrent], &LOCAL[..]].concat())?;
        let port = seed.event("listening")?["port"].as_u64();
        let port = u16::try_from(port.context("a port")?)?;
        seed.event("checked")?;
        Ok((seed, (Ipv4Addr::LOCALHOST, port).into()))
    }

    /// Runs it to its end, which must be a good one.
    pub(super) fn run(&self, folder: &Path, arguments: &[&str]) -> anyhow::Result<Usage> {
        self.start(folder, arguments)?.finish()
    }
}

impl Running {
    /// Waits for its end.
    pub(super) fn finish(mut self) -> anyhow::Result<Usage> {
        self.until("the end", |process| {
            process.has_succeeded().map(|done| done.then_some(()))
        })?;
        Ok(self.usage())
    }

    /// Waits until it has told an event of this name.
    pub(super) fn event(&mut self, name: &str) -> anyhow::Result<Value> {
        self.until(name, |process| {
            process.must_run()?;
            Ok(event(&process.output(), name))
        })
    }

    /// What it has taken until now.
    pub(super) fn usage(&mut self) -> Usage {
        self.look();
        self.usage.wall = self.start.elapsed();
        self.usage
    }

    fn until<T>(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&mut Process) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        loop {
            self.look();
            let outcome = condition(&mut self.process);
            if let Some(outcome) = outcome.with_context(|| self.process.output())? {
                return Ok(outcome);
            }
            ensure!(self.start.elapsed() < PATIENCE, "no {what} in time");
            thread::sleep(POLL);
        }
    }

    /// Takes what the system says of it into account, if it still runs.
    fn look(&mut self) {
        let folder = PathBuf::from(format!("/proc/{}", self.process.id()));
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
            kib.unwrap_or(0) << 10
        };
        let usage = &mut self.usage;
        usage.anonymous = usage.anonymous.max(field("RssAnon:"));
        usage.resident = usage.resident.max(field("VmHWM:"));
        let descriptors = fs::read_dir(folder.join("fd")).map_or(0, Iterator::count);
        usage.descriptors = usage.descriptors.max(descriptors);
        usage.processor = usage
            .processor
            .max(processor::time_of(self.process.id()).unwrap_or_default());
    }
}

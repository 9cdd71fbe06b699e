//! Child processes that never outlive their case.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

/// How often something is asked for whose coming nobody tells.
const POLL: Duration = Duration::from_millis(50);

/// The network that our program may use: loopback only, any port, no trackers, no DHT.
pub(crate) const LOCAL: [&str; 6] = [
    "--bind",
    "127.0.0.1",
    "--port",
    "0",
    "--no-trackers",
    "--no-dht",
];

/// A running program with its output in a file. It is killed when dropped; its standard input is a pipe that ends then at the latest.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, its output in `log`.
    pub(crate) fn start(command: &mut Command, log: PathBuf) -> anyhow::Result<Self> {
        let output = File::create(&log)?;
        let child = command
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("can't start {}", command.get_program().display()))?;
        Ok(Self { child, log })
    }

    /// The system's number for it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has printed.
    pub(crate) fn output(&self) -> String {
        fs::read(&self.log).map_or_else(
            |_| String::new(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// An error if it has ended, however.
    pub(crate) fn must_run(&mut self) -> anyhow::Result<()> {
        match self.ended()? {
            Some(status) => bail!("it has ended, {status}"),
            None => Ok(()),
        }
    }

    /// Whether it has ended well; an error if it has ended otherwise.
    pub(crate) fn has_succeeded(&mut self) -> anyhow::Result<bool> {
        match self.ended()? {
            Some(status) if status.success() => Ok(true),
            Some(status) => bail!("it has failed, {status}"),
            None => Ok(false),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `condition` holds; an error names `what` was waited for.
pub(crate) fn wait_until(
    what: &str,
    deadline: Instant,
    mut condition: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    while !condition().with_context(|| format!("waiting until {what}"))? {
        if Instant::now() >= deadline {
            bail!("timed out waiting until {what}");
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// What a program prints until it ends well, or why it does not.
pub(crate) fn printed(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let last = text.trim().lines().last().unwrap_or_default();
    Err(format!("{}: {last}", program.display()))
}

/// The first event of this name in what `headwater --json` has printed.
pub(crate) fn event(output: &str, name: &str) -> Option<Value> {
    let mut events = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.find(|event| event["event"] == name)
}

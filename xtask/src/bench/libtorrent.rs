//! libtorrent, through the small Python program beside this file.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::usage::{Guard, Usage};

const PROGRAM: &str = include_str!("libtorrent_peer.py");

/// The Python program, told to do `job`; further arguments are the caller's to add.
pub(super) fn command(python: &Path, job: &str) -> Command {
    let mut command = Command::new(python);
    // What later versions call old is what the versions before them know.
    command.args(["-W", "ignore::DeprecationWarning", "-c", PROGRAM, job]);
    command
}

/// Runs the program to its end and reads what it says that it took, the interpreter's own start left out.
pub(super) fn measured(command: &mut Command) -> anyhow::Result<Usage> {
    usage(&told(command)?)
}

/// Runs the program to its end and reads what it says.
pub(super) fn told(command: &mut Command) -> anyhow::Result<Value> {
    let mut child = Guard(command.stdout(Stdio::piped()).spawn()?);
    child.wait().context("libtorrent")?;
    let mut line = String::new();
    let mut stdout = child.0.stdout.take().context("stdout is piped")?;
    stdout.read_to_string(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// What it says that it took.
pub(super) fn usage(said: &Value) -> anyhow::Result<Usage> {
    let seconds = |key: &str| -> anyhow::Result<Duration> {
        let seconds = said[key].as_f64().context("a number of seconds")?;
        Ok(Duration::try_from_secs_f64(seconds)?)
    };
    Ok(Usage {
        wall: seconds("wall")?,
        processor: seconds("cpu")?,
    })
}

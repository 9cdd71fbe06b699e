//! What programs take: seconds that pass, and seconds of processors.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// Longest that any one job may take.
pub(super) const DEADLINE: Duration = Duration::from_mins(5);

/// What one job took.
#[derive(Clone, Copy)]
pub(super) struct Usage {
    pub(super) wall: Duration,
    pub(super) processor: Duration,
}

/// A child that does not outlive its owner.
pub(super) struct Guard(pub(super) Child);

impl Guard {
    /// Waits until it has ended well.
    pub(super) fn wait(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "a client ended with {status}");
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "a client did not end within {DEADLINE:?}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program takes from its start to its end. What it prints is not looked at, unless it fails.
pub(super) fn measured(command: &mut Command) -> anyhow::Result<Usage> {
    let name = Path::new(command.get_program()).display().to_string();
    let (start, before) = (Instant::now(), children_time()?);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let waited = Guard(child.with_context(|| format!("can't start {name}"))?).wait();
    waited.with_context(|| name)?;
    Ok(Usage {
        wall: start.elapsed(),
        processor: children_time()?.saturating_sub(before),
    })
}

/// Processor time of all children that have ended.
fn children_time() -> anyhow::Result<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(
            value.tv_sec().unsigned_abs(),
            value.tv_usec().unsigned_abs() as u32 * 1000,
        )
    };
    Ok(time(usage.user_time()) + time(usage.system_time()))
}

//! What a running program takes of the processors.

use std::time::Duration;

use anyhow::Context;

/// Processor time that a running program has used so far.
pub(crate) fn time_of(process: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The fields behind the program's name, which may hold spaces; user and system time are the 14th and 15th of all.
    let fields = stat
        .rsplit_once(')')
        .context("a name in /proc")?
        .1
        .split_whitespace()
        .skip(11)
        .take(2);
    let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.context("a clock")?;
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

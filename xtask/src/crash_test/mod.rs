//! `cargo xtask crash-test`: downloads that are killed at random moments, and what their resume data claims then.
//!
//! A round is one kill. After it, before the restart, every piece and block that the kept resume data claims is compared with
//! what it should be; in the end every file is. With `--lost-writes` the machine crashes instead of the process: writes that were
//! not synced are lost, or torn.

mod claims;
mod download;
mod lost_writes;
mod sample;
mod tally;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use tally::Tally;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Kills
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// What torrents and moments are drawn from; a random one is shown
    #[arg(long, visible_alias = "seed", value_name = "N")]
    rng: Option<u64>,
    /// Crash the machine instead of the process: what was not synced is lost, or torn
    #[arg(long)]
    lost_writes: bool,
    /// Where the files go; memory (/dev/shm) where there is such a place, since a save that waits for a disk is over too late
    /// for most kills
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The headwater program to use, instead of building it
    #[arg(long, value_name = "PATH", conflicts_with = "lost_writes")]
    headwater: Option<PathBuf>,
    /// One JSON object instead of the table
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let rng = args.rng.unwrap_or_else(rand::random);
    let mut noise = SmallRng::seed_from_u64(rng);
    let parent = args.dir.clone().unwrap_or_else(crate::files::memory_folder);
    let folder = tempfile::Builder::new()
        .prefix("headwater-crash-")
        .tempdir_in(parent)?;
    let mut tally = Tally::new(rng);
    let outcome = if args.lost_writes {
        lost_writes::run(args.rounds, &mut noise, folder.path(), &mut tally)
    } else {
        let program = match &args.headwater {
            Some(path) => std::path::absolute(path)?,
            None => crate::program::build()?,
        };
        download::run(&program, args.rounds, &mut noise, folder.path(), &mut tally)
    };
    // Lies first: a run that fails may have failed because of one.
    tally.print(args.json);
    tally.verdict()?;
    outcome
}

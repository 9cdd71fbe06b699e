//! One seed and ten libtorrent leeches, all of which may send only so much.

use std::path::Path;

use anyhow::{Context, ensure};

use super::clients::{Client, Seed, Settings};
use super::libtorrent;
use super::report::Row;
use super::transfer::Transfers;
use super::usage::Usage;
use crate::files::same_bytes;
use crate::fluid;
use crate::rate::Rate;

const JOB: &str = "swarm";
const LEECHES: u64 = 10;
/// What the seed and each leech may send, the headers of packets included.
const RATE: Rate = Rate::new(2 << 20);
const PIECE_LENGTH: u32 = 256 << 10;

/// A seed, what its row is called, and whether it is set as is best for it.
const SEEDS: [(Client, &str, bool); 3] = [
    (Client::Headwater, "headwater", false),
    (Client::Libtorrent, "libtorrent", false),
    (Client::Libtorrent, "libtorrent, best set", true),
];

/// `mib` from each seed in turn to the same leeches.
pub(super) fn rows(transfers: &Transfers<'_>, mib: u64) -> anyhow::Result<Vec<Row>> {
    let torrent = transfers.make_torrent(JOB, mib, PIECE_LENGTH)?;
    let swarm = fluid::Swarm {
        size: mib << 20,
        seeds: 1,
        leeches: LEECHES,
        up: Some(RATE),
        down: None,
    };
    let bound = swarm.bound().context("a limited swarm")?;
    let mut rows = SEEDS.map(|(client, name, best)| {
        let max_up = Some(RATE);
        let row = Row::new(JOB, name, mib).with_bound(bound);
        (client, Settings { max_up, best }, row)
    });
    for _ in 0..transfers.rounds {
        for (client, settings, row) in &mut rows {
            let (usage, from_seed) = round(transfers, &torrent, *client, *settings)?;
            row.add_swarm(usage, from_seed / swarm.size as f64);
        }
    }
    Ok(rows.map(|(_, _, row)| row).into())
}

/// What the seed took until the last leech was done, and the bytes that it sent.
fn round(
    transfers: &Transfers<'_>,
    torrent: &Path,
    client: Client,
    settings: Settings,
) -> anyhow::Result<(Usage, f64)> {
    let programs = &transfers.programs;
    let target = tempfile::tempdir_in(&transfers.folder)?;
    let seed = Seed::start(client, programs, torrent, &transfers.folder, settings)?;
    let before = seed.processor_time()?;
    let mut command = libtorrent::command(programs.python, JOB);
    command.arg(torrent).arg(target.path());
    command.arg(seed.address().to_string());
    command.args([LEECHES, RATE.bytes_per_second()].map(|it| it.to_string()));
    let said = libtorrent::told(&mut command)?;
    let mut usage = libtorrent::usage(&said)?;
    usage.processor = seed.processor_time()?.saturating_sub(before);
    let from_seed = said["from_seed"].as_f64().context("a number of bytes")?;
    for leech in 0..LEECHES {
        let got = target.path().join(format!("leech-{leech}")).join(JOB);
        ensure!(
            same_bytes(&transfers.folder.join(JOB), &got)?,
            "what came to leech {leech} is not what was sent"
        );
    }
    Ok((usage, from_seed))
}

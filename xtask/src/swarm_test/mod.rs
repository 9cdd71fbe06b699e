//! `cargo xtask swarm-test`: real sessions on loopback, an embedded tracker, and every byte compared.

mod corrupt;
mod data;
mod peer;
mod report;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use bytesize::ByteSize;
use clap::ValueEnum;
use headwater_tracker_server::{Config, Server};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use data::Data;
use peer::{Peer, Role};
use report::Report;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Peers that start with nothing
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    peers: u16,
    /// Peers that start with everything
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=200))]
    seeds: u16,
    /// Seeds beside them that send bad blocks
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=200))]
    corrupt: u16,
    /// Bytes of the torrent
    #[arg(long, default_value = "16MiB")]
    size: ByteSize,
    /// Files of the torrent
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    files: u16,
    /// Bytes of a piece
    #[arg(long, default_value = "256KiB")]
    piece_length: ByteSize,
    /// How peers find each other
    #[arg(long, value_enum, default_value_t = TrackerKind::Http)]
    tracker: TrackerKind,
    /// What the data and the times of leaving are drawn from; a random one is shown
    #[arg(long, value_name = "RNG")]
    seed: Option<u64>,
    /// Half of the peers leave on the way and come back
    #[arg(long)]
    churn: bool,
    /// Seconds until it is given up
    #[arg(long, default_value_t = 180)]
    timeout: u64,
    /// One JSON object a peer, and one for the whole, instead of the table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum TrackerKind {
    Http,
    Udp,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(
        args.size.as_u64() >= u64::from(args.files),
        "fewer bytes than files"
    );
    let rng = args.seed.unwrap_or_else(rand::random);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(swarm(args, rng))?;
    report.print(args.json);
    let failures = report.failures();
    if !failures.is_empty() {
        bail!("{} (again with --seed {rng})", failures.join("; "));
    }
    Ok(())
}

async fn swarm(args: &Args, rng: u64) -> anyhow::Result<Report> {
    let mut noise = SmallRng::seed_from_u64(rng);
    let loopback = (Ipv4Addr::LOCALHOST, 0).into();
    let tracker = Server::bind(match args.tracker {
        TrackerKind::Http => Config {
            http: vec![loopback],
            ..Config::default()
        },
        TrackerKind::Udp => Config {
            udp: vec![loopback],
            ..Config::default()
        },
    })
    .await?;
    let url = match args.tracker {
        TrackerKind::Http => format!("http://{}/announce", tracker.http_addrs()[0]),
        TrackerKind::Udp => format!("udp://{}/announce", tracker.udp_addrs()[0]),
    };
    let data = Data::make(args, &url, noise.random())?;
    let mut sources = Vec::new();
    for (role, count) in [(Role::Seed, args.seeds), (Role::Corrupt, args.corrupt)] {
        for number in 0..count {
            sources.push(Peer::start(role, number, &data).await?);
        }
    }
    let start = Instant::now();
    let leeches: Vec<_> = (0..args.peers)
        .map(|number| {
            let leaves = (args.churn && number % 2 == 0).then(|| noise.random_range(0.1..0.9));
            tokio::spawn(peer::leech(number, data.clone(), leaves))
        })
        .collect();
    let limit = Duration::from_secs(args.timeout);
    let report = report::gather(leeches, start, limit, rng, &data).await;
    for source in sources {
        source.session.shutdown().await;
    }
    tracker.shutdown().await;
    Ok(report)
}

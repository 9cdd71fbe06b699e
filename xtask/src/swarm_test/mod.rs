//! `cargo xtask swarm-test`: real sessions on loopback, an embedded tracker, and every byte compared; with `--sim` simulated
//! swarms.

mod corrupt;
mod data;
mod peer;
mod report;
mod rounds;
mod sim;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use bytesize::ByteSize;
use clap::ValueEnum;
use clap::builder::ArgPredicate;
use headwater_tracker_server::{Config, Server};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use data::Data;
use peer::{Limits, Peer, Role};
use report::Report;
use rounds::Rounds;

use crate::fluid;
use crate::rate::Rate;

const WHAT_THE_BOUND_IS: &str = "With limits, the time of the last peer is compared with what the swarm could do at best if data \
    flowed like water: every byte leaves the seeds once, reaches the slowest peer, and is sent once for every leech. Limits are \
    those of the session: they count the whole stream of a connection, handshakes and messages included, but not the headers of \
    packets. How the ratio would be if these counted too, as they do in libtorrent's limits, is an estimate: 40 bytes for each \
    1460 of the stream.\n\n\
    With --sim, each scenario must come out as it says: nobody is stuck, no innocent is banned, and with its own peers, pieces and \
    rates the last peer is done within a certain number of times the bound. With others, only the former is looked at. --max-ratio \
    takes the place of every scenario's own number. Complaints come with the options that make the same happen again, to the byte.";

/// Sessions at most in one process.
const MAX_PEERS: u16 = 1_000;
const MAX_SEEDS: u16 = 200;

#[derive(clap::Args)]
#[command(after_help = WHAT_THE_BOUND_IS)]
pub(crate) struct Args {
    /// Peers that start with nothing [default: 10; with --sim the scenario's own number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    peers: Option<u16>,
    /// Peers that start with everything [default: 1; with --sim the scenario's own number]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    seeds: Option<u16>,
    /// Seeds beside them that send bad blocks
    #[arg(long, conflicts_with = "sim", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=200))]
    corrupt: u16,
    /// Bytes of the torrent [default: 16MiB; 64MiB with --max-up]
    #[arg(
        long,
        conflicts_with = "sim",
        default_value = "16MiB",
        default_value_if("max_up", ArgPredicate::IsPresent, "64MiB"),
        hide_default_value = true
    )]
    size: ByteSize,
    /// Files of the torrent
    #[arg(long, conflicts_with = "sim", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    files: u16,
    /// Bytes of a piece [default: 256KiB; with --sim the scenario's own length]
    #[arg(long, value_name = "BYTES")]
    piece_length: Option<ByteSize>,
    /// How peers find each other
    #[arg(long, conflicts_with = "sim", value_enum, default_value_t = TrackerKind::Http)]
    tracker: TrackerKind,
    /// What every peer and seed may send, such as 2MiB/s or 500K
    #[arg(long, conflicts_with = "sim", value_name = "RATE")]
    max_up: Option<Rate>,
    /// What every peer may receive
    #[arg(long, conflicts_with = "sim", value_name = "RATE")]
    max_down: Option<Rate>,
    /// How often it is done [default: 1; 5 with --max-up]
    #[arg(long, value_name = "K", default_value = "1", default_value_if("max_up", ArgPredicate::IsPresent, "5"), hide_default_value = true, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Fail if the time of the last peer is more than so many times the bound, in the median of all rounds
    #[arg(long, value_name = "R")]
    max_ratio: Option<f64>,
    /// What the data and the times of leaving are drawn from; a random one is shown. With --sim what everything is drawn from [default: 1].
    /// Later rounds have the numbers that follow
    #[arg(long, visible_alias = "seed", value_name = "N")]
    rng: Option<u64>,
    /// Half of the peers leave on the way and come back
    #[arg(long, conflicts_with = "sim")]
    churn: bool,
    /// Seconds until a round is given up
    #[arg(long, conflicts_with = "sim", default_value_t = 180)]
    timeout: u64,
    /// One JSON object a peer, and one for the whole, instead of the table; with --sim one a scenario and round
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sim: sim::Options,
}

#[derive(Clone, Copy, ValueEnum)]
enum TrackerKind {
    Http,
    Udp,
}

impl Args {
    fn peers(&self) -> u16 {
        self.peers.unwrap_or(10)
    }

    fn seeds(&self) -> u16 {
        self.seeds.unwrap_or(1)
    }

    fn piece_length(&self) -> ByteSize {
        self.piece_length.unwrap_or(ByteSize::kib(256))
    }

    fn limits(&self) -> Limits {
        Limits {
            up: self.max_up,
            down: self.max_down,
        }
    }

    fn fluid(&self) -> fluid::Swarm {
        fluid::Swarm {
            size: self.size.as_u64(),
            seeds: self.seeds().into(),
            leeches: self.peers().into(),
            up: self.max_up,
            down: self.max_down,
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.peers() <= MAX_PEERS && self.seeds() <= MAX_SEEDS,
            "more than {MAX_PEERS} peers or {MAX_SEEDS} seeds of real sessions; see --sim"
        );
        ensure!(
            self.size.as_u64() >= u64::from(self.files),
            "fewer bytes than files"
        );
        ensure!(
            self.max_ratio.is_none() || self.fluid().bound().is_some(),
            "without --max-up or --max-down there is no bound for --max-ratio"
        );
        Ok(())
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.sim.sim {
        return sim::run(args);
    }
    args.check()?;
    let rng = args.rng.unwrap_or_else(rand::random);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut rounds = Rounds::default();
    for round in 0..args.rounds {
        // The numbers of later rounds do the same again as those of a first one.
        let rng = rng.wrapping_add(round.into());
        let report = runtime.block_on(swarm(args, rng))?;
        report.print(args.json);
        let failures = report.failures();
        if !failures.is_empty() {
            bail!("{} (again with --rng {rng})", failures.join("; "));
        }
        rounds.add(&report);
    }
    rounds.print(args.json);
    rounds.verdict(args.max_ratio)
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
    for (role, count) in [(Role::Seed, args.seeds()), (Role::Corrupt, args.corrupt)] {
        for number in 0..count {
            sources.push(Peer::start(role, number, &data, args.limits()).await?);
        }
    }
    let start = Instant::now();
    let leeches: Vec<_> = (0..args.peers())
        .map(|number| {
            let leaves = (args.churn && number % 2 == 0).then(|| noise.random_range(0.1..0.9));
            tokio::spawn(peer::leech(number, data.clone(), args.limits(), leaves))
        })
        .collect();
    let limit = Duration::from_secs(args.timeout);
    let (ends, elapsed) = report::gather(leeches, start, limit).await;
    let mut seeded = 0;
    for source in sources {
        seeded += source.torrent.stats().uploaded;
        source.session.shutdown().await;
    }
    let rows = report::close(ends, &data).await;
    tracker.shutdown().await;
    Ok(Report {
        rng,
        elapsed,
        swarm: args.fluid(),
        seeded,
        rows,
    })
}

//! What can be chosen about simulated swarms.

use std::fmt::Write;

use anyhow::ensure;
use bytesize::ByteSize;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use headwater_sim::Rate as Bandwidth;
use headwater_sim::scenario::{self, Parameters, Scenario};

use crate::rate::Rate;
use crate::swarm_test::Args;

/// Peers and seeds at most.
const MAX_NODES: u16 = 10_000;

#[derive(clap::Args)]
#[command(next_help_heading = "Swarms in virtual time")]
pub(crate) struct Options {
    /// Simulate swarms in virtual time instead, one scenario after the other, and fail if one does not come out as it must
    #[arg(long)]
    pub(in crate::swarm_test) sim: bool,
    /// Which scenarios; all if none is named
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "sim", value_parser = scenarios())]
    scenario: Vec<&'static Scenario>,
    /// Pieces of the torrent, instead of the scenario's own number
    #[arg(long, value_name = "N", requires = "sim", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pieces: Option<u32>,
    /// Uplink of an ordinary peer, instead of the scenario's own
    #[arg(long, value_name = "RATE", requires = "sim")]
    up: Option<Rate>,
    /// Downlink of an ordinary peer, instead of the scenario's own
    #[arg(long, value_name = "RATE", requires = "sim")]
    down: Option<Rate>,
}

fn scenarios() -> impl TypedValueParser<Value = &'static Scenario> {
    let values = scenario::ALL.iter();
    let values = values.map(|scenario| PossibleValue::new(scenario.name).help(scenario.about));
    PossibleValuesParser::new(values).try_map(|name| scenario::find(&name).ok_or("no scenario"))
}

impl Options {
    pub(super) fn scenarios(&self) -> Vec<&'static Scenario> {
        if self.scenario.is_empty() {
            scenario::ALL.iter().collect()
        } else {
            self.scenario.clone()
        }
    }
}

/// What differs from a scenario's own parameters, beside the random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Overrides {
    peers: Option<u32>,
    seeds: Option<u32>,
    pieces: Option<u32>,
    piece_length: Option<u32>,
    up: Option<Rate>,
    down: Option<Rate>,
}

impl Overrides {
    pub(super) fn of(args: &Args) -> anyhow::Result<Self> {
        let nodes = args.peers.unwrap_or_default() + args.seeds.unwrap_or_default();
        ensure!(nodes <= MAX_NODES, "more than {MAX_NODES} peers and seeds");
        let length = args.piece_length.map(|length| length.as_u64());
        ensure!(
            length.is_none_or(|length| (1..=64 << 20).contains(&length)),
            "a piece has 1 byte to 64 MiB"
        );
        Ok(Self {
            peers: args.peers.map(u32::from),
            seeds: args.seeds.map(u32::from),
            pieces: args.sim.pieces,
            piece_length: length.map(|length| length as u32),
            up: args.sim.up,
            down: args.sim.down,
        })
    }

    /// A scenario's own parameters where nothing else was said.
    pub(super) fn apply(&self, scenario: &Scenario, rng: Option<u64>) -> Parameters {
        let own = scenario.defaults();
        let bandwidth = |rate: Rate| Bandwidth(rate.bytes_per_second());
        Parameters {
            peers: self.peers.unwrap_or(own.peers),
            seeds: self.seeds.unwrap_or(own.seeds),
            pieces: self.pieces.unwrap_or(own.pieces),
            piece_length: self.piece_length.unwrap_or(own.piece_length),
            up: self.up.map_or(own.up, bandwidth),
            down: self.down.map_or(own.down, bandwidth),
            rng: rng.unwrap_or(own.rng),
        }
    }

    /// Whether every scenario is as it is meant to be.
    pub(super) fn is_empty(&self) -> bool {
        self.options().is_empty()
    }

    /// The options that ask for the same again.
    pub(super) fn options(&self) -> String {
        let numbers = [
            ("peers", self.peers),
            ("seeds", self.seeds),
            ("pieces", self.pieces),
        ];
        let rates = [("up", self.up), ("down", self.down)];
        let mut options = String::new();
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                _ = write!(options, " --{name} {value}");
            }
        };
        for (name, number) in numbers {
            add(name, number.map(|number| number.to_string()));
        }
        let length = self.piece_length.map(|length| ByteSize(length.into()));
        add(
            "piece-length",
            length.map(|length| length.as_u64().to_string()),
        );
        for (name, rate) in rates {
            add(name, rate.map(|rate| rate.bytes_per_second().to_string()));
        }
        options
    }
}

//! One simulated swarm, and what is told of it.

use std::time::{Duration, Instant};

use headwater_sim::scenario::{Parameters, Scenario};
use headwater_sim::{Outcome, Playback};
use serde_json::{Value, json};

use crate::memory;

/// What is looked at when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// By all that the scenario asks for.
    Whole,
    /// Not by its speed: that is judged otherwise, or not known for swarms of this size.
    Faults,
}

/// How one swarm fared.
pub(super) struct Run {
    pub(super) scenario: &'static Scenario,
    pub(super) parameters: Parameters,
    pub(super) outcome: Outcome,
    pub(super) wall: Duration,
    /// Memory at its peak, less what was there before, for each peer.
    pub(super) bytes_per_peer: usize,
    pub(super) complaints: Vec<String>,
}

impl Run {
    pub(super) fn of(scenario: &'static Scenario, parameters: Parameters, judged: Judged) -> Self {
        let spec = scenario.spec(&parameters);
        let start = Instant::now();
        let (outcome, peak) = memory::peak_of(|| spec.clone().run());
        let wall = start.elapsed();
        let complaints = match judged {
            Judged::Whole => scenario.complaints(&spec, &outcome),
            Judged::Faults => scenario.faults(&spec, &outcome),
        };
        Self {
            scenario,
            parameters,
            bytes_per_peer: peak / spec.nodes.len().max(1),
            outcome,
            wall,
            complaints,
        }
    }

    /// How playing went for those who did.
    pub(super) fn playbacks(&self) -> impl Iterator<Item = Playback> + '_ {
        self.outcome.peers.iter().filter_map(|peer| peer.playback)
    }

    pub(super) fn object(&self) -> Value {
        let outcome = &self.outcome;
        json!({
            "scenario": self.scenario.name,
            "peers": self.parameters.peers,
            "seeds": self.parameters.seeds,
            "pieces": self.parameters.pieces,
            "piece_length": self.parameters.piece_length,
            "last_s": outcome.last().as_secs_f64(),
            "bound_s": outcome.bound().as_secs_f64(),
            "ratio": outcome.ratio(),
            "seed_copies": outcome.seed_copies(),
            "seed_share": outcome.seed_share(),
            "up_used": outcome.up_used(),
            "wasted_bytes": outcome.wasted_bytes(),
            "packets": outcome.packets,
            "viewers": self.playbacks().map(viewer).collect::<Vec<_>>(),
            "complaints": self.complaints,
            "rng": self.parameters.rng,
            "wall_ms": self.wall.as_millis() as u64,
            "bytes_per_peer": self.bytes_per_peer,
        })
    }
}

fn viewer(playback: Playback) -> Value {
    json!({
        "startup_s": playback.startup.as_secs_f64(),
        "stalls": playback.stalls,
        "stalled_s": playback.stalled.as_secs_f64(),
    })
}

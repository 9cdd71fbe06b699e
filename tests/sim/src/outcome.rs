//! How a swarm fared.

use std::time::Duration;

use headwater_swarm::Stats;

use crate::fluid::fluid_bound;
use crate::reader::Playback;
use crate::spec::{NodeSpec, SwarmSpec};
use crate::time::Time;

/// How one peer fared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeerOutcome {
    /// When it came.
    pub arrived: Time,
    /// When it had everything that it wanted, if it began with less.
    pub done: Option<Time>,
    /// What it sent, received and wasted, over restarts.
    pub stats: Stats,
    /// Peers that banned it.
    pub banned_by: Vec<u32>,
    /// Pieces at most that failed at one and the same peer after it had sent bad blocks of them.
    pub most_spoilt: u32,
    /// How playing went.
    pub playback: Option<Playback>,
}

impl PeerOutcome {
    /// From its arrival until it was done.
    pub fn elapsed(&self) -> Option<Duration> {
        self.done.map(|done| done.since(self.arrived))
    }
}

/// How a swarm fared.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What it was.
    pub(crate) spec: Box<SwarmSpecOf>,
    /// Peers, in the order of the spec.
    pub peers: Vec<PeerOutcome>,
    /// Virtual time at the end.
    pub ended: Time,
    /// Packets that were delivered.
    pub packets: u64,
    /// For each second, block bytes that left any uplink.
    pub sent: Vec<u64>,
}

/// What of a spec is needed afterwards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SwarmSpecOf {
    bound: Duration,
    size: u64,
    /// Bytes a second that those who give can send together.
    capacity: f64,
    expected: Vec<bool>,
    seeds: Vec<bool>,
}

impl From<&SwarmSpec> for SwarmSpecOf {
    fn from(spec: &SwarmSpec) -> Self {
        let givers = spec.nodes.iter().filter(|node| node.contributes());
        Self {
            bound: fluid_bound(spec),
            size: spec.geometry.total_size(),
            capacity: givers.map(|node| node.up.0 as f64).sum(),
            expected: spec.nodes.iter().map(NodeSpec::must_finish).collect(),
            seeds: spec
                .nodes
                .iter()
                .map(|node| node.is_seed() && node.contributes())
                .collect(),
        }
    }
}

impl Outcome {
    /// Peers that should have finished and have not.
    pub fn stuck(&self) -> Vec<usize> {
        let peers = self.peers.iter().zip(&self.spec.expected).enumerate();
        peers
            .filter(|(_, (peer, expected))| **expected && peer.done.is_none())
            .map(|(index, _)| index)
            .collect()
    }

    /// The longest time that a peer took from its arrival.
    pub fn last(&self) -> Duration {
        let elapsed = self.peers.iter().filter_map(PeerOutcome::elapsed);
        elapsed.max().unwrap_or_default()
    }

    /// The fluid bound: see [`fluid_bound`].
    pub fn bound(&self) -> Duration {
        self.spec.bound
    }

    /// [`last`](Self::last) over [`bound`](Self::bound).
    pub fn ratio(&self) -> f64 {
        self.last().as_secs_f64() / self.bound().as_secs_f64()
    }

    /// How often the seeds sent the whole torrent, all together.
    pub fn seed_copies(&self) -> f64 {
        let seeds = self.peers.iter().zip(&self.spec.seeds);
        let sent: u64 = seeds
            .filter(|(_, is_seed)| **is_seed)
            .map(|(peer, _)| peer.stats.uploaded)
            .sum();
        sent as f64 / self.spec.size as f64
    }

    /// Share of all that was sent that came from the seeds: 0 to 1.
    pub fn seed_share(&self) -> f64 {
        let all: u64 = self.peers.iter().map(|peer| peer.stats.uploaded).sum();
        self.seed_copies() * self.spec.size as f64 / all.max(1) as f64
    }

    /// Share that was sent of what the uplinks of those who give could have sent, had they all been there until the end: 0 to 1.
    pub fn up_used(&self) -> f64 {
        let sent: u64 = self.sent.iter().sum();
        sent as f64 / (self.spec.capacity * self.ended.as_secs_f64())
    }

    /// [`wasted_bytes`](Self::wasted_bytes) over all that peers received: 0 to 1.
    pub fn wasted_share(&self) -> f64 {
        let received: u64 = self.peers.iter().map(|peer| peer.stats.downloaded).sum();
        self.wasted_bytes() as f64 / received.max(1) as f64
    }

    /// Bytes that peers received for nothing: twice, or with wrong contents.
    pub fn wasted_bytes(&self) -> u64 {
        let wasted =
            |stats: &Stats| stats.wasted_duplicate + stats.wasted_failed + stats.wasted_unrequested;
        self.peers.iter().map(|peer| wasted(&peer.stats)).sum()
    }
}

//! What a node is made from.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::storage::{PeerLimits, SampleOptions};
use crate::throttle::ThrottleOptions;
use crate::{Family, NodeId, State};

/// Bounds of what a node asks, answers and keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Queries of ours that wait for an answer at a time.
    pub max_transactions: usize,
    /// Queries of ours a second, in the long run; twice as many at once.
    pub queries_per_second: u32,
    /// Lookups at a time.
    pub max_lookups: usize,
    /// Lookups that wait for others to come to an end.
    pub max_waiting_lookups: usize,
    /// Queries in one lookup and family, without those that store something.
    pub max_queries_per_lookup: u32,
    /// Time after which at the latest a lookup asks somebody else while it still waits. Where answers come sooner, so does it.
    pub late_after: Duration,
    /// Time after which no answer is expected any more.
    pub timeout: Duration,
    /// Queries of others that are answered.
    pub throttle: ThrottleOptions,
    /// Peers that are kept for others.
    pub peers: PeerLimits,
    /// Items that are kept for others.
    pub max_items: usize,
    /// How samples of info-hashes are given.
    pub samples: SampleOptions,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_transactions: 512,
            queries_per_second: 200,
            max_lookups: 16,
            max_waiting_lookups: 4_000,
            max_queries_per_lookup: 200,
            late_after: Duration::from_secs(1),
            timeout: Duration::from_secs(8),
            throttle: ThrottleOptions::default(),
            peers: PeerLimits::default(),
            max_items: 700,
            samples: SampleOptions::default(),
        }
    }
}

/// What a [`Dht`](crate::Dht) is made from.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where all randomness comes from. Whoever knows it can forge answers and tokens: take it from the system.
    pub seed: [u8; 32],
    /// Our id. Without one it comes from `state`, or fits our external address, or is random.
    pub id: Option<NodeId>,
    /// What an earlier node left.
    pub state: State,
    /// Whether there is a socket for IPv4.
    pub ipv4: bool,
    /// Whether there is a socket for IPv6.
    pub ipv6: bool,
    /// Our IPv4 address on the outside, if known. Otherwise other nodes tell (BEP 42).
    pub external_v4: Option<Ipv4Addr>,
    /// Our IPv6 address on the outside, if known.
    pub external_v6: Option<Ipv6Addr>,
    /// Asks, but does not answer (BEP 43): for who cannot be reached or must not be.
    pub read_only: bool,
    /// Believes in one node at each IP address and few of each range (/24, /64), and limits what each address may ask. Not for
    /// many nodes on one machine.
    pub restrict_addresses: bool,
    /// Stores only with nodes whose id goes with their address (BEP 42), and looks for those only.
    pub enforce_ids: bool,
    /// Our program, as other nodes see it: two letters, two bytes for its version.
    pub version: Option<[u8; 4]>,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// A node for both families that answers, with default limits.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            id: None,
            state: State::default(),
            ipv4: true,
            ipv6: true,
            external_v4: None,
            external_v6: None,
            read_only: false,
            restrict_addresses: true,
            enforce_ids: false,
            version: None,
            limits: Limits::default(),
        }
    }

    /// Those for which there is a socket.
    pub(super) fn families(&self) -> impl Iterator<Item = Family> + use<> {
        let v4 = self.ipv4.then_some(Family::V4);
        let v6 = self.ipv6.then_some(Family::V6);
        v4.into_iter().chain(v6)
    }
}

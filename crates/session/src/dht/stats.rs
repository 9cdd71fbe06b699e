//! How the node is.

use std::net::IpAddr;

use headwater_dht::{NodeId, PerFamily, Stats};

/// Whether there is a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DhtStatus {
    /// Not wanted, or not possible without listening.
    #[default]
    Off,
    /// It would be there if another program had not the UDP port beside the listener.
    PortInUse,
    /// Nothing was done yet since nobody needed anything.
    Idle,
    /// It is part of the DHT, or tries to become one.
    Running,
}

/// The node's figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DhtStats {
    /// Whether there is one.
    pub status: DhtStatus,
    /// Its id in each family in which it has a socket, once it runs.
    pub ids: PerFamily<Option<NodeId>>,
    /// Our addresses on the outside, once enough other nodes agree (BEP 42).
    pub external: PerFamily<Option<IpAddr>>,
    /// Datagrams that could not be sent at once, and were given up.
    pub unsent: u64,
    /// What it did, whom it knows, and what it keeps for others.
    pub node: Stats,
}

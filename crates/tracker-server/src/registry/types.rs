//! What the registry is asked and what it answers.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_metainfo::{InfoHash, PeerId};

/// Why a peer announces itself (BEP 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Event {
    /// A regular announce.
    #[default]
    None,
    /// The first one.
    Started,
    /// The peer leaves.
    Stopped,
    /// The peer has just got everything.
    Completed,
}

/// Which peers an answer can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Families {
    /// IPv4 and IPv6 (HTTP).
    #[default]
    Both,
    /// Only those of the requester's own family (UDP).
    Own,
}

/// One announce, whichever way it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// How the peer names itself.
    pub peer_id: PeerId,
    /// The address from which the announce came, with the port on which the peer says that it listens.
    /// A peer with port 0 is counted but never given to others.
    pub address: SocketAddr,
    /// What proves that a peer at a new address is the same one (BEP 7), if it was sent.
    pub key: Option<u32>,
    /// Whether the peer has everything.
    pub is_seed: bool,
    /// Why it announces.
    pub event: Event,
    /// How many peers it wants; `None` leaves it to the tracker.
    pub num_want: Option<u32>,
    /// Which addresses fit into the answer.
    pub families: Families,
}

/// The answer to an announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// When to announce again.
    pub interval: Duration,
    /// When to announce again at the earliest.
    pub min_interval: Duration,
    /// The swarm's figures, this peer counted in.
    pub counts: Counts,
    /// Other peers, a random choice of at most as many as were wanted. One with an IPv4 and an IPv6 address comes twice.
    pub peers: Vec<ListedPeer>,
}

/// A peer as it is given to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListedPeer {
    /// Its name.
    pub id: PeerId,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A swarm's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Counts {
    /// Peers that have everything.
    pub complete: u32,
    /// Peers that do not.
    pub incomplete: u32,
    /// How often a peer said that it completed the torrent, since the torrent became known.
    pub downloaded: u32,
}

/// Why an announce is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No more torrents are taken.
    #[error("the tracker is full")]
    Full,
    /// A peer with this id is known under another address, and the key does not prove that it is this one.
    #[error("this peer id is in use at another address")]
    PeerIdInUse,
}

/// Figures of a whole registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Torrents that are known, those without peers included.
    pub torrents: usize,
    /// Peers that have everything.
    pub seeds: usize,
    /// Peers that do not.
    pub leeches: usize,
    /// Announces that were answered.
    pub announces: u64,
    /// Scrapes that were answered.
    pub scrapes: u64,
    /// Announces that were refused.
    pub refused: u64,
}

//! What a node may be asked.

use std::net::SocketAddr;

use headwater_metainfo::InfoHash;

use super::{Method, Token};
use crate::NodeId;
use crate::item::Item;

/// A question, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The id of the node that asks.
    pub id: NodeId,
    /// Of which families it wants to hear of nodes (BEP 32).
    pub want: Want,
    /// What it asks.
    pub kind: QueryKind,
}

/// Of which families nodes are wanted (`want`, BEP 32). None of both: of the family over which the query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Want {
    /// `n4`: nodes with IPv4 addresses.
    pub v4: bool,
    /// `n6`: nodes with IPv6 addresses.
    pub v6: bool,
}

impl Want {
    /// What a query from there means by it.
    pub fn resolved(self, from: SocketAddr) -> Self {
        if self.v4 || self.v6 {
            return self;
        }
        let v4 = from.ip().to_canonical().is_ipv4();
        Self { v4, v6: !v4 }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryKind {
    /// Whether there is a node (BEP 5).
    Ping,
    /// Which nodes are closest to a point (BEP 5).
    FindNode {
        /// The point.
        target: NodeId,
    },
    /// Which peers a torrent has, and which nodes may know more (BEP 5).
    GetPeers {
        /// The torrent.
        info_hash: InfoHash,
        /// Peers that are no seeds are preferred (BEP 33).
        noseed: bool,
        /// The bloom filters are wanted too (BEP 33).
        scrape: bool,
    },
    /// That whoever asks is a peer of a torrent (BEP 5).
    AnnouncePeer {
        /// The torrent.
        info_hash: InfoHash,
        /// Where it listens; 0 only if the port is implied.
        port: u16,
        /// It listens where the query came from, whatever `port` says.
        implied_port: bool,
        /// From this node's answer to an earlier [`QueryKind::GetPeers`].
        token: Token,
        /// It is a seed (BEP 33).
        seed: bool,
    },
    /// An item (BEP 44).
    Get {
        /// Where it is stored.
        target: NodeId,
        /// Of a mutable item, only one newer than this is wanted.
        seq: Option<i64>,
    },
    /// That an item be stored (BEP 44).
    Put(Box<PutArgs>),
    /// Some of the info-hashes that are stored here (BEP 51).
    SampleInfohashes {
        /// Nodes closest to it are wanted too.
        target: NodeId,
    },
    /// A query of another kind that names a point. It is answered as [`QueryKind::FindNode`] would be, so that newer
    /// nodes find their way through older ones.
    Unknown {
        /// Its name.
        method: Method,
        /// Its `target` or `info_hash`.
        target: NodeId,
    },
}

impl QueryKind {
    /// The port on which the peer listens, if it is an announce that came from there; 0 is refused in decoding.
    pub fn announced_port(&self, from: SocketAddr) -> Option<u16> {
        match self {
            Self::AnnouncePeer {
                implied_port: true, ..
            } => Some(from.port()),
            Self::AnnouncePeer { port, .. } => Some(*port),
            _ => None,
        }
    }
}

/// An item to be stored (BEP 44).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutArgs {
    /// From this node's answer to an earlier [`QueryKind::Get`].
    pub token: Token,
    /// What is to be stored; whether a mutable one is genuine was not looked at.
    pub item: Item,
    /// Of a mutable item: the version that is to be replaced. If another one is stored, nothing is.
    pub cas: Option<i64>,
}

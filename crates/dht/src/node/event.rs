//! What a node tells its user.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::item::Item;
use crate::krpc::{KrpcError, Samples};
use crate::lookup::{LookupId, LookupStats, SwarmSize};
use crate::{Contact, Family, NodeId};

/// Something that the user of a [`Dht`](crate::Dht) may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Peers of a torrent, none of them told before in this lookup. They are what a node said, and may be anybody.
    Peers {
        /// The lookup.
        lookup: LookupId,
        /// The node that knew them.
        from: Contact,
        /// Where they listen.
        peers: Vec<SocketAddr>,
    },
    /// A sample of the info-hashes that a node stores (BEP 51).
    Samples {
        /// The lookup.
        lookup: LookupId,
        /// The node.
        from: Contact,
        /// The sample.
        samples: Samples,
    },
    /// An item that is what it claims to be (BEP 44). Of a mutable one, newer versions may follow.
    Item {
        /// The lookup.
        lookup: LookupId,
        /// The node that had it.
        from: Contact,
        /// The item.
        item: Item,
    },
    /// How many peers a torrent has (BEP 33).
    Scraped {
        /// The lookup.
        lookup: LookupId,
        /// How many.
        size: SwarmSize,
    },
    /// The nodes nearest to a point, nearest first, those with IPv4 addresses before the others.
    Nodes {
        /// The lookup.
        lookup: LookupId,
        /// The nodes.
        nodes: Vec<Contact>,
    },
    /// A node answered a ping.
    Pong {
        /// The ping.
        lookup: LookupId,
        /// The node.
        from: Contact,
        /// The time from query to answer.
        after: Duration,
    },
    /// A node refused what was to be stored, or was asked of it alone.
    Refused {
        /// The lookup.
        lookup: LookupId,
        /// Its address.
        from: SocketAddr,
        /// Why.
        error: KrpcError,
    },
    /// A lookup came to its end. Nothing more will be told of it.
    Done {
        /// The lookup.
        lookup: LookupId,
        /// What it took.
        stats: LookupStats,
    },
    /// Other nodes agree that this is our address on the outside (BEP 42). It may have led to another id.
    ExternalAddress {
        /// The address.
        ip: IpAddr,
        /// Our id in that family now.
        id: NodeId,
    },
    /// There are enough nodes in the table of a family for lookups to work well. Told again after they were lost.
    Ready {
        /// The family.
        family: Family,
    },
}

//! The session's node of the DHT (BEP 5): where peers are found without trackers, and small items are kept.
//!
//! [`Session::dht`](crate::Session::dht) gives a [`DhtHandle`]. Torrents use the same node by themselves, unless they are private or
//! were told not to.
//!
//! The node does nothing before it is needed: by a torrent, by the handle, or by another node that asks something. From then on it keeps
//! itself in the network, and at the end its nodes in a file, where [`SessionBuilder::dht_state`](crate::SessionBuilder::dht_state)
//! says so.

mod bootstrap;
mod error;
mod handle;
mod keep;
mod node;
mod search;
mod stats;
mod task;

use std::net::SocketAddr;
use std::sync::Arc;

use headwater_metainfo::HostPort;
use tokio::net::UdpSocket;

use crate::udp::Receivers;

pub(crate) use bootstrap::{Beginning, resolve};
pub use error::DhtError;
pub use handle::{Announced, DhtHandle, Pong, Sampled, Stored};
pub use headwater_dht::item::{Item, KeyPair, MutableItem, PublicKey, Value, ValueError};
pub use headwater_dht::krpc::{KrpcError, Salt};
pub use headwater_dht::{Announce, Contact, Family, LookupStats, NodeId, PerFamily, SwarmSize};
pub(crate) use keep::{Keeper, Place};
pub(crate) use node::Node;
pub use search::PeerSearch;
pub use stats::{DhtStats, DhtStatus};
pub(crate) use task::Task;

/// Nodes that help others to find their first nodes.
pub const DEFAULT_ROUTERS: [(&str, u16); 4] = [
    ("router.bittorrent.com", 6881),
    ("router.utorrent.com", 6881),
    ("dht.transmissionbt.com", 6881),
    ("dht.libtorrent.org", 25401),
];

/// [`DEFAULT_ROUTERS`], to be resolved.
pub(crate) fn default_routers() -> Vec<HostPort> {
    let routers = DEFAULT_ROUTERS.iter();
    routers
        .filter_map(|(host, port)| HostPort::new(host, *port))
        .collect()
}

/// A session's node, or why there is none.
#[derive(Debug, Clone)]
pub(crate) enum Dht {
    /// Not wanted, or no use without listening.
    Off,
    /// Somebody else has the UDP port.
    PortInUse(SocketAddr),
    On(Arc<Node>),
}

impl Dht {
    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        match self {
            Self::On(node) => Some(node),
            Self::Off | Self::PortInUse(_) => None,
        }
    }

    /// The node, or an error that says why there is none.
    fn require(&self) -> Result<&Arc<Node>, DhtError> {
        match self {
            Self::On(node) => Ok(node),
            Self::Off => Err(DhtError::Off),
            Self::PortInUse(address) => Err(DhtError::PortInUse(*address)),
        }
    }
}

/// A node over the first socket of each family, and for each socket where its datagrams go.
pub(crate) fn share(
    sockets: &[Arc<UdpSocket>],
    config: headwater_dht::Config,
) -> (Arc<Node>, Vec<Receivers>) {
    let family = |socket: &Arc<UdpSocket>| socket.local_addr().ok().map(Family::of);
    let first = PerFamily::new(|wanted| {
        let mut sockets = sockets.iter();
        sockets
            .find(|socket| family(socket) == Some(wanted))
            .cloned()
    });
    let is_first = |socket: &Arc<UdpSocket>| {
        let mut firsts = [&first.v4, &first.v6].into_iter().flatten();
        firsts.any(|first| Arc::ptr_eq(first, socket))
    };
    let used: Vec<_> = sockets.iter().map(is_first).collect();
    let node = Arc::new(Node::new(first, config));
    let receivers = used.into_iter().map(|is_used| Receivers {
        dht: is_used.then(|| node.clone()),
    });
    let receivers = receivers.collect();
    (node, receivers)
}

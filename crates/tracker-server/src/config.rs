//! What a server listens on, and its bounds.

use std::net::SocketAddr;
use std::time::Duration;

/// Where a [`Server`](crate::Server) listens.
///
/// ```
/// use headwater_tracker_server::{Config, Limits};
///
/// let config = Config {
///     http: vec!["127.0.0.1:0".parse()?],
///     limits: Limits { max_torrents: 10, ..Limits::default() },
///     ..Config::default()
/// };
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Addresses for HTTP; port 0 lets the system choose. An IPv6 wildcard serves IPv4 too, unless an
    /// IPv4 address is listed beside it.
    pub http: Vec<SocketAddr>,
    /// Addresses for UDP, under the same rules.
    pub udp: Vec<SocketAddr>,
    /// The bounds of what is kept and answered.
    pub limits: Limits,
}

/// The bounds of a [`Registry`](crate::Registry).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// When a peer is told to announce again. Thirty minutes.
    pub interval: Duration,
    /// How soon a peer may announce again at the earliest; told, not enforced. One minute.
    pub min_interval: Duration,
    /// How long a peer is remembered after its last announce. An hour and five minutes: one announce may get lost.
    pub peer_lifetime: Duration,
    /// Torrents that are kept; at the bound, one without peers gives way, or the announce is refused. 100,000.
    pub max_torrents: usize,
    /// Peers that are remembered per torrent; past it a peer is answered but not remembered. 10,000.
    pub max_peers_per_torrent: usize,
    /// Peers that are remembered in all. 1,000,000.
    pub max_peers: usize,
    /// Peers in an answer when the request does not say how many. 50.
    pub default_num_want: u32,
    /// Peers in an answer at most. 200.
    pub max_num_want: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(30),
            min_interval: Duration::from_mins(1),
            peer_lifetime: Duration::from_mins(65),
            max_torrents: 100_000,
            max_peers_per_torrent: 10_000,
            max_peers: 1_000_000,
            default_num_want: 50,
            max_num_want: 200,
        }
    }
}

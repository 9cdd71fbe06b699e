//! How a client reaches trackers.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// How a [`Client`](super::Client) reaches trackers.
///
/// ```
/// use std::time::Duration;
/// use headwater_tracker::ClientOptions;
///
/// let options = ClientOptions {
///     timeout: Duration::from_secs(20),
///     ipv6: false,
///     ..ClientOptions::default()
/// };
/// ```
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The `User-Agent` of HTTP requests. `Headwater/` and the version.
    pub user_agent: String,
    /// The whole time of a request, name resolution and retransmissions included; dropping the request's
    /// future is the way to give up sooner. One minute.
    pub timeout: Duration,
    /// The time for an HTTP connection to be made, without TLS. 15 seconds.
    pub connect_timeout: Duration,
    /// The longest silence of an HTTP tracker before and between the parts of its answer. 30 seconds.
    pub read_timeout: Duration,
    /// Announce over IPv4.
    pub ipv4: bool,
    /// Announce over IPv6. A tracker with addresses of both families is told over both (BEP 7).
    pub ipv6: bool,
    /// The local address to use for IPv4. A client that binds one family only switches the other off.
    pub bind_v4: Option<Ipv4Addr>,
    /// The local address to use for IPv6.
    pub bind_v6: Option<Ipv6Addr>,
    /// Certificates (DER) that are trusted as roots beside the platform's.
    pub extra_roots: Vec<Vec<u8>>,
    /// HTTP requests under way to one host and port; further ones wait their turn. 8.
    pub max_per_host: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("Headwater/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(30),
            ipv4: true,
            ipv6: true,
            bind_v4: None,
            bind_v6: None,
            extra_roots: Vec::new(),
            max_per_host: 8,
        }
    }
}

//! Hosts with ports, as magnet links and torrents name peers and DHT nodes.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::text::clean_address;

/// Longest host name that DNS allows.
const MAX_HOST_BYTES: usize = 253;

/// A host name or IP address with a port, not yet resolved.
///
/// ```
/// use headwater_metainfo::HostPort;
///
/// let peer: HostPort = "[2001:db8::1]:6881".parse()?;
/// assert_eq!((peer.host(), peer.port()), ("2001:db8::1", 6881));
/// assert_eq!(peer.to_string(), "[2001:db8::1]:6881");
/// # Ok::<(), headwater_metainfo::ParseHostPortError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    host: Box<str>,
    port: u16,
}

/// A text that is no host with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected HOST:PORT, with IPv6 addresses in brackets")]
pub struct ParseHostPortError;

impl HostPort {
    /// `None` for port 0 and for what can be no host. IPv6 addresses come without brackets.
    pub fn new(host: &str, port: u16) -> Option<Self> {
        let host = clean_address(host)?;
        let is_ipv6 = host.parse::<Ipv6Addr>().is_ok();
        let is_name = !host.contains([':', '[', ']', '/', '@', '?', '#']);
        let is_host = port != 0 && host.len() <= MAX_HOST_BYTES && (is_ipv6 || is_name);
        is_host.then(|| Self {
            host: host.into(),
            port,
        })
    }

    /// The name or address; IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPort {
    type Err = ParseHostPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(ParseHostPortError)?;
        let port = port.parse().map_err(|_| ParseHostPortError)?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if bracketed.is_none() && host.contains(':') {
            return Err(ParseHostPortError);
        }
        Self::new(bracketed.unwrap_or(host), port).ok_or(ParseHostPortError)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_round_trip() {
        for text in ["router.example:6881", "192.0.2.1:1", "[::1]:65535"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", "a", ":1", "a:", "a:0", "a:65536", "::1:5", "[::1", "[x:y]:1", "a b:1", "u@h:1",
        ] {
            assert_eq!(text.parse::<HostPort>(), Err(ParseHostPortError), "{text}");
        }
    }
}

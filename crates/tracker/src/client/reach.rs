//! Which addresses a host has, and which of them are nobody's business.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::error::TrackerError;
use crate::udp::Family;

/// Tells local addresses from public ones. Tests put their own in its place, because all they have is loopback.
pub(crate) type IsLocal = fn(IpAddr) -> bool;

/// Whether the address belongs to this machine or a network behind it: loopback, private, link-local, shared (RFC 6598),
/// unique local, unspecified.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            first == 0 || ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}

/// The host's addresses of one family, never none.
pub(crate) async fn resolve(
    host: &str,
    port: u16,
    family: Family,
) -> Result<Vec<SocketAddr>, TrackerError> {
    let addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => tokio::net::lookup_host((host, port))
            .await
            .map_err(|source| TrackerError::Resolve {
                host: host.to_owned(),
                source: Arc::new(source),
            })?
            .collect(),
    };
    let of_family: Vec<_> = addresses
        .into_iter()
        .filter(|address| Family::of(address) == family)
        .collect();
    if of_family.is_empty() {
        return Err(TrackerError::NoAddress {
            host: host.to_owned(),
        });
    }
    Ok(of_family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_known() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_local(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_not_local() {
        for text in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(!is_local(text.parse().unwrap()), "{text}");
        }
    }
}

//! [`Reach`]: from how far away an address can be reached.

use std::net::IpAddr;

/// From how far away an IP address can be reached. Each is wider than the one before it.
///
/// ```
/// use headwater_metainfo::Reach;
///
/// assert_eq!(Reach::of("192.168.1.7".parse()?), Reach::Site);
/// assert!(Reach::of("127.0.0.1".parse()?) < Reach::World);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// From this machine: loopback, unspecified.
    Machine,
    /// From the same link: link-local.
    Link,
    /// From networks under one administration: private, unique local, shared (RFC 6598).
    Site,
    /// From everywhere.
    World,
}

impl Reach {
    /// The reach of an address. An IPv4 address in IPv6 clothes counts as what it is.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [first, second, ..] = ip.octets();
                let is_shared = first == 100 && (64..128).contains(&second);
                match ip {
                    _ if first == 0 || ip.is_loopback() => Self::Machine,
                    _ if ip.is_link_local() => Self::Link,
                    _ if ip.is_private() || is_shared => Self::Site,
                    _ => Self::World,
                }
            }
            IpAddr::V6(ip) if ip.is_loopback() || ip.is_unspecified() => Self::Machine,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Self::Link,
            IpAddr::V6(ip) if ip.is_unique_local() => Self::Site,
            IpAddr::V6(_) => Self::World,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_is_known() {
        let expected: [(Reach, &[&str]); 4] = [
            (
                Reach::Machine,
                &[
                    "127.0.0.1",
                    "127.9.9.9",
                    "0.0.0.0",
                    "::1",
                    "::",
                    "::ffff:127.0.0.1",
                ],
            ),
            (Reach::Link, &["169.254.169.254", "fe80::1"]),
            (
                Reach::Site,
                &[
                    "10.0.0.1",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.1.1",
                    "100.64.0.1",
                    "fc00::1",
                    "fd12::1",
                    "::ffff:10.0.0.1",
                ],
            ),
            (
                Reach::World,
                &[
                    "1.1.1.1",
                    "100.128.0.1",
                    "172.32.0.1",
                    "2001:db8::1",
                    "::ffff:8.8.8.8",
                ],
            ),
        ];
        for (reach, addresses) in expected {
            for text in addresses {
                assert_eq!(Reach::of(text.parse().unwrap()), reach, "{text}");
            }
        }
    }
}

//! Ids that belong to the address of their node (BEP 42).
//!
//! Whoever may choose an id can sit next to any key. An id whose first 21 bits follow from the address leaves eight
//! places to each address, and fewer than one more to each neighbour in its network.

use std::net::IpAddr;

use rand::{Rng, RngExt};

use crate::NodeId;

/// What counts of an address, byte by byte.
const MASK_V4: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];
const MASK_V6: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];

/// The bits of the third byte that follow from the address.
const THIRD_BYTE: u8 = 0xf8;

/// A random id for a node that others see at `external`. Of an address of a local network no more follows for anybody,
/// but there is no harm in it.
///
/// ```
/// use headwater_dht::security;
/// use rand::SeedableRng;
///
/// let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
/// let ip = "124.31.75.21".parse()?;
/// let id = security::node_id(ip, &mut rng);
/// assert!(security::is_valid(&id, ip));
/// assert!(!security::is_valid(&id, "124.31.75.22".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn node_id(external: IpAddr, rng: &mut impl Rng) -> NodeId {
    let mut id: [u8; 20] = rng.random();
    let [first, second, third, _] = prefix(external, id[19]);
    id[0] = first;
    id[1] = second;
    id[2] = (third & THIRD_BYTE) | (id[2] & !THIRD_BYTE);
    NodeId(id)
}

/// Whether a node at `ip` may have the id. At an address that is [local](is_local) it may have any.
pub fn is_valid(id: &NodeId, ip: IpAddr) -> bool {
    if is_local(ip) {
        return true;
    }
    let [first, second, third, _] = prefix(ip, id.0[19]);
    id.0[0] == first && id.0[1] == second && (id.0[2] ^ third) & THIRD_BYTE == 0
}

/// Whether the address is one of this machine or of a local network, for which ids are not looked at.
pub fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local(),
    }
}

/// What an id begins with that ends in `random`.
fn prefix(ip: IpAddr, random: u8) -> [u8; 4] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => hash(ip.octets(), MASK_V4, random),
        IpAddr::V6(ip) => {
            let [network @ .., _, _, _, _, _, _, _, _] = ip.octets();
            hash(network, MASK_V6, random)
        }
    }
}

fn hash<const N: usize>(mut ip: [u8; N], mask: [u8; N], random: u8) -> [u8; 4] {
    for (byte, mask) in ip.iter_mut().zip(mask) {
        *byte &= mask;
    }
    ip[0] |= random << 5;
    crc32c::crc32c(&ip).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    const VECTORS: [(&str, &str); 5] = [
        ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
        ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
        ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
        ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
        ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
    ];

    fn id(text: &str) -> NodeId {
        NodeId(text.parse::<headwater_metainfo::InfoHash>().unwrap().0)
    }

    #[test]
    fn vectors_of_bep_42() {
        for (ip, text) in VECTORS {
            let ip: IpAddr = ip.parse().unwrap();
            assert!(is_valid(&id(text), ip), "{ip}");
            // 21 bits and the last three count; the others are free.
            for (byte, bits, valid) in [
                (0, 1, false),
                (2, 8, false),
                (2, 7, true),
                (19, 1, false),
                (19, 8, true),
                (18, 255, true),
            ] {
                let mut other = id(text);
                other.0[byte] ^= bits;
                assert_eq!(
                    is_valid(&other, ip),
                    valid,
                    "{ip}: byte {byte}, bits {bits}"
                );
            }
        }
    }

    #[test]
    fn local_addresses_may_have_any_id() {
        let local = [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.3.4",
            "127.0.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.1.2.3",
        ];
        for ip in local {
            assert!(is_valid(&NodeId([0; 20]), ip.parse().unwrap()), "{ip}");
        }
        for ip in ["172.32.0.1", "11.0.0.1", "2001:db8::1"] {
            assert!(!is_local(ip.parse().unwrap()), "{ip}");
        }
    }

    proptest! {
        #[test]
        fn what_is_generated_is_valid(ip in any::<IpAddr>(), seed in any::<u64>()) {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            prop_assert!(is_valid(&node_id(ip, &mut rng), ip));
        }

        #[test]
        fn only_the_network_of_an_ipv6_address_counts(network in any::<u64>(), host in any::<(u64, u64)>(), seed in any::<u64>()) {
            let ip = |host: u64| IpAddr::from((u128::from(network) << 64 | u128::from(host)).to_be_bytes());
            prop_assume!(network != 0);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            prop_assert!(is_valid(&node_id(ip(host.0), &mut rng), ip(host.1)));
        }
    }
}

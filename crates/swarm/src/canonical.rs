//! Canonical peer priority (BEP 40): an order of addresses on which both ends of a connection agree.

use std::net::{IpAddr, SocketAddr};

/// The priority of the connection between two addresses. Higher is better.
pub(crate) fn priority(ours: SocketAddr, theirs: SocketAddr) -> u32 {
    match (ours.ip(), theirs.ip()) {
        (a, b) if a == b => of_ports(ours.port(), theirs.port()),
        (IpAddr::V4(a), IpAddr::V4(b)) => of_bytes(a.octets(), b.octets(), 2),
        (IpAddr::V6(a), IpAddr::V6(b)) => of_bytes(a.octets(), b.octets(), 6),
        _ => 0,
    }
}

fn of_ports(a: u16, b: u16) -> u32 {
    let (low, high) = (a.min(b).to_be_bytes(), a.max(b).to_be_bytes());
    crc32c(low.into_iter().chain(high))
}

/// Bytes that both addresses share are kept; of what follows only every other bit is. `kept` bytes are kept at least,
/// and one more after them if they are all shared, and so on.
fn of_bytes<const N: usize>(a: [u8; N], b: [u8; N], kept: usize) -> u32 {
    let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let whole = if shared < kept { kept } else { shared + 1 };
    let mask = |bytes: [u8; N]| {
        let mut index = 0;
        bytes.map(|byte| {
            index += 1;
            if index <= whole { byte } else { byte & 0x55 }
        })
    };
    let (a, b) = (mask(a), mask(b));
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    crc32c(low.into_iter().chain(high))
}

/// The CRC of iSCSI, a bit at a time: it is taken of a few bytes for each address.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let crc = bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
        })
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: &str, b: &str) -> u32 {
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 6881);
        assert_eq!(priority(at(a), at(b)), priority(at(b), at(a)));
        priority(at(a), at(b))
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(of("123.213.32.10", "98.76.54.32"), 0xec2d_7224);
        assert_eq!(of("123.213.32.10", "123.213.32.234"), 0x9956_8189);
    }

    #[test]
    fn ports_decide_between_equal_addresses() {
        let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
        assert_ne!(priority(at(1), at(2)), priority(at(1), at(3)));
        assert_eq!(priority(at(1), at(2)), priority(at(2), at(1)));
    }

    #[test]
    fn hosts_of_one_far_network_count_the_same() {
        assert_eq!(
            of("2001:db8::1", "2001:db9:0:1::2"),
            of("2001:db8::1", "2001:db9:0:1::8")
        );
        assert_ne!(
            of("2001:db8::1", "2001:db9:0:1::2"),
            of("2001:db8::1", "2001:db9:0:1::3")
        );
    }
}

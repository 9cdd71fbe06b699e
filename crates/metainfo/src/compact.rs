//! Addresses as they are packed: 6 bytes for IPv4 (BEP 23), 18 for IPv6 (BEP 7), the port last, all in network order.
//!
//! ```
//! use headwater_metainfo::compact;
//!
//! let address = "192.0.2.1:6881".parse()?;
//! let packed = compact::pack_v4(address).unwrap();
//! assert_eq!(packed, *b"\xc0\x00\x02\x01\x1a\xe1");
//! assert_eq!(compact::unpack_v4(packed), address);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address, if a node or a peer can be there; an IPv4 address in IPv6 clothes loses them.
pub fn usable(address: SocketAddr) -> Option<SocketAddr> {
    let ip = address.ip().to_canonical();
    let is_host = match ip {
        IpAddr::V4(ip) => !ip.is_broadcast() && ip.octets()[0] != 0,
        IpAddr::V6(ip) => !ip.is_unspecified(),
    };
    let is_usable = is_host && !ip.is_multicast() && address.port() != 0;
    is_usable.then(|| SocketAddr::new(ip, address.port()))
}

/// An IPv4 address, packed; `None` of any other.
pub fn pack_v4(address: SocketAddr) -> Option<[u8; 6]> {
    let IpAddr::V4(ip) = address.ip() else {
        return None;
    };
    let mut packed = [0; 6];
    packed[..4].copy_from_slice(&ip.octets());
    packed[4..].copy_from_slice(&address.port().to_be_bytes());
    Some(packed)
}

/// An IPv6 address, packed; `None` of any other.
pub fn pack_v6(address: SocketAddr) -> Option<[u8; 18]> {
    let IpAddr::V6(ip) = address.ip() else {
        return None;
    };
    let mut packed = [0; 18];
    packed[..16].copy_from_slice(&ip.octets());
    packed[16..].copy_from_slice(&address.port().to_be_bytes());
    Some(packed)
}

/// The IPv4 address that was packed, whatever it is: see [`usable`].
pub fn unpack_v4([a, b, c, d, high, low]: [u8; 6]) -> SocketAddr {
    let ip = Ipv4Addr::new(a, b, c, d);
    SocketAddr::new(ip.into(), u16::from_be_bytes([high, low]))
}

/// The IPv6 address that was packed, whatever it is: see [`usable`].
pub fn unpack_v6([ip @ .., high, low]: [u8; 18]) -> SocketAddr {
    let ip = Ipv6Addr::from(ip);
    SocketAddr::new(ip.into(), u16::from_be_bytes([high, low]))
}

/// All IPv4 addresses that were packed one after the other; a rest of up to 5 bytes is ignored.
pub fn unpack_all_v4(packed: &[u8]) -> impl Iterator<Item = SocketAddr> {
    packed.as_chunks().0.iter().copied().map(unpack_v4)
}

/// All IPv6 addresses that were packed one after the other; a rest of up to 17 bytes is ignored.
pub fn unpack_all_v6(packed: &[u8]) -> impl Iterator<Item = SocketAddr> {
    packed.as_chunks().0.iter().copied().map(unpack_v6)
}

/// Packs an address in its family's form and puts it at the end.
pub fn append(packed: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => packed.extend(ip.octets()),
        IpAddr::V6(ip) => packed.extend(ip.octets()),
    }
    packed.extend(address.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(v4: ([u8; 4], u16), v6: ([u8; 16], u16), rest in 0..5_usize) {
            let [v4, v6] = [SocketAddr::from(v4), SocketAddr::from(v6)];
            prop_assert_eq!(pack_v4(v4).map(unpack_v4), Some(v4));
            prop_assert_eq!(pack_v6(v6).map(unpack_v6), Some(v6));
            prop_assert!(pack_v4(v6).is_none() && pack_v6(v4).is_none());
            let mut packed = Vec::new();
            append(&mut packed, v4);
            prop_assert_eq!(&packed, &pack_v4(v4).unwrap());
            packed.extend(vec![0; rest]);
            prop_assert_eq!(unpack_all_v4(&packed).collect::<Vec<_>>(), [v4]);
            packed.clear();
            append(&mut packed, v6);
            prop_assert_eq!(&packed, &pack_v6(v6).unwrap());
            packed.extend(vec![0; rest]);
            prop_assert_eq!(unpack_all_v6(&packed).collect::<Vec<_>>(), [v6]);
        }
    }

    #[test]
    fn nobody_is_where_nobody_can_be() {
        let usable = |address: &str| usable(address.parse().unwrap());
        for address in [
            "0.1.2.3:1",
            "255.255.255.255:1",
            "224.0.0.1:1",
            "1.2.3.4:0",
            "[::]:1",
            "[ff02::1]:1",
        ] {
            assert_eq!(usable(address), None, "{address}");
        }
        assert_eq!(
            usable("[::ffff:1.2.3.4]:5"),
            Some("1.2.3.4:5".parse().unwrap())
        );
        assert!(usable("127.0.0.1:1").is_some() && usable("[::1]:1").is_some());
    }
}

//! Peer addresses as trackers pack them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::MAX_PEERS;

/// `len / 6` IPv4 addresses with ports (BEP 23); a rest of up to 5 bytes is ignored.
pub(crate) fn compact_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> + '_ {
    bytes.as_chunks::<6>().0.iter().filter_map(|chunk| {
        let [a, b, c, d, high, low] = *chunk;
        let ip = Ipv4Addr::new(a, b, c, d);
        usable(ip.into(), u16::from_be_bytes([high, low]))
    })
}

/// `len / 18` IPv6 addresses with ports (BEP 7); a rest of up to 17 bytes is ignored.
pub(crate) fn compact_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> + '_ {
    bytes.as_chunks::<18>().0.iter().filter_map(|chunk| {
        let (ip, port) = chunk.split_first_chunk::<16>()?;
        let port = u16::from_be_bytes(port.try_into().ok()?);
        usable(Ipv6Addr::from(*ip).into(), port)
    })
}

/// The address, if a peer can be there; an IPv4 address in IPv6 clothes loses them.
pub(crate) fn usable(ip: IpAddr, port: u16) -> Option<SocketAddr> {
    let ip = ip.to_canonical();
    let is_host = match ip {
        IpAddr::V4(ip) => !ip.is_broadcast() && ip.octets()[0] != 0,
        IpAddr::V6(ip) => !ip.is_unspecified(),
    };
    let is_usable = is_host && !ip.is_multicast() && port != 0;
    is_usable.then(|| SocketAddr::new(ip, port))
}

/// Takes in what there is room for.
pub(crate) fn extend(peers: &mut Vec<SocketAddr>, more: impl Iterator<Item = SocketAddr>) {
    let room = MAX_PEERS.saturating_sub(peers.len());
    peers.extend(more.take(room));
}

/// Packs the addresses, each in its family's form.
pub(crate) fn push_compact(bytes: &mut Vec<u8>, peer: SocketAddr) {
    match peer.ip() {
        IpAddr::V4(ip) => bytes.extend(ip.octets()),
        IpAddr::V6(ip) => bytes.extend(ip.octets()),
    }
    bytes.extend(peer.port().to_be_bytes());
}

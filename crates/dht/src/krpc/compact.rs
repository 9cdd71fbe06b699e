//! Addresses and contacts as they are packed (BEP 5, 32).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Contact, NodeId};

/// The address, if a node or a peer can be there; an IPv4 address in IPv6 clothes loses them.
pub(crate) fn usable(address: SocketAddr) -> Option<SocketAddr> {
    let ip = address.ip().to_canonical();
    let is_host = match ip {
        IpAddr::V4(ip) => !ip.is_broadcast() && ip.octets()[0] != 0,
        IpAddr::V6(ip) => !ip.is_unspecified(),
    };
    let is_usable = is_host && !ip.is_multicast() && address.port() != 0;
    is_usable.then(|| SocketAddr::new(ip, address.port()))
}

pub(crate) fn pack_v4(address: SocketAddr) -> Option<[u8; 6]> {
    let IpAddr::V4(ip) = address.ip() else {
        return None;
    };
    let mut packed = [0; 6];
    packed[..4].copy_from_slice(&ip.octets());
    packed[4..].copy_from_slice(&address.port().to_be_bytes());
    Some(packed)
}

pub(crate) fn pack_v6(address: SocketAddr) -> Option<[u8; 18]> {
    let IpAddr::V6(ip) = address.ip() else {
        return None;
    };
    let mut packed = [0; 18];
    packed[..16].copy_from_slice(&ip.octets());
    packed[16..].copy_from_slice(&address.port().to_be_bytes());
    Some(packed)
}

pub(crate) fn unpack_v4([a, b, c, d, high, low]: [u8; 6]) -> SocketAddr {
    let ip = Ipv4Addr::new(a, b, c, d);
    SocketAddr::new(ip.into(), u16::from_be_bytes([high, low]))
}

pub(crate) fn unpack_v6([ip @ .., high, low]: [u8; 18]) -> SocketAddr {
    let ip = Ipv6Addr::from(ip);
    SocketAddr::new(ip.into(), u16::from_be_bytes([high, low]))
}

/// Packs a contact in `M` bytes: its id, and the address in the `N` bytes that `pack` makes of it.
pub(crate) fn pack_contact<const N: usize, const M: usize>(
    pack: impl Fn(SocketAddr) -> Option<[u8; N]>,
) -> impl Fn(&Contact) -> Option<[u8; M]> {
    move |contact| {
        let mut packed = [0; M];
        packed[..20].copy_from_slice(&contact.id.0);
        packed[20..].copy_from_slice(&pack(contact.address)?);
        Some(packed)
    }
}

/// Contacts of `M` bytes, 20 of which are the id; those that nobody can reach are left out, as is a rest at the end.
pub(crate) fn unpack_contacts<const N: usize, const M: usize>(
    packed: &[u8],
    unpack: impl Fn([u8; N]) -> SocketAddr,
) -> impl Iterator<Item = Contact> {
    packed.as_chunks::<M>().0.iter().filter_map(move |chunk| {
        let (id, address) = chunk.split_first_chunk::<20>()?;
        let address = usable(unpack(address.try_into().ok()?))?;
        let id = NodeId(*id);
        Some(Contact { id, address })
    })
}

/// An address with its port, or without (then it is 0), of either family.
pub(super) fn unpack_any(packed: &[u8]) -> Option<SocketAddr> {
    let address = match packed.len() {
        4 => SocketAddr::new(<[u8; 4]>::try_from(packed).ok()?.into(), 0),
        6 => unpack_v4(packed.try_into().ok()?),
        16 => SocketAddr::new(<[u8; 16]>::try_from(packed).ok()?.into(), 0),
        18 => unpack_v6(packed.try_into().ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

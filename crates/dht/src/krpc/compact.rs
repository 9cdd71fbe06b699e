//! Contacts as they are packed (BEP 5, 32).

use std::net::SocketAddr;

use headwater_metainfo::compact::{unpack_v4, unpack_v6, usable};

use crate::{Contact, NodeId};

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

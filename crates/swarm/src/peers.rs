//! The connected peers, by key.

use std::num::NonZeroU32;

use slab::Slab;

use crate::peer::Peer;

/// Names a connected peer. A key is never used again, so that an answer that comes too late finds nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey {
    slot: u32,
    serial: NonZeroU32,
}

impl PeerKey {
    /// The key before all others, which no peer has.
    pub(crate) const FIRST: Self = Self {
        slot: 0,
        serial: NonZeroU32::MIN,
    };
    /// The key after all others, which no peer has.
    pub(crate) const NOBODY: Self = Self {
        slot: u32::MAX,
        serial: NonZeroU32::MAX,
    };

    /// Small and not taken twice at a time: an index into tables of peers.
    pub(crate) fn slot(self) -> usize {
        self.slot as usize
    }

    #[cfg(test)]
    pub(crate) fn for_tests(slot: u32) -> Self {
        Self {
            slot,
            serial: NonZeroU32::MIN,
        }
    }
}

/// Peers in the order of their slots, which depends on nothing but the order of events.
#[derive(Debug)]
pub(crate) struct Peers {
    slab: Slab<Box<Peer>>,
    /// That of the latest peer.
    serial: NonZeroU32,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            slab: Slab::new(),
            serial: PeerKey::FIRST.serial,
        }
    }
}

impl Peers {
    /// Makes room for a peer that is built from its key.
    pub(crate) fn insert(&mut self, build: impl FnOnce(PeerKey) -> Peer) -> PeerKey {
        self.serial = self.serial.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let vacant = self.slab.vacant_entry();
        let key = PeerKey {
            slot: vacant.key() as u32,
            serial: self.serial,
        };
        vacant.insert(Box::new(build(key)));
        key
    }

    pub(crate) fn remove(&mut self, key: PeerKey) -> Option<Peer> {
        self.get(key)?;
        Some(*self.slab.remove(key.slot as usize))
    }

    pub(crate) fn get(&self, key: PeerKey) -> Option<&Peer> {
        let peer = self.slab.get(key.slot as usize)?;
        (peer.key == key).then_some(peer)
    }

    pub(crate) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        let peer = self.slab.get_mut(key.slot as usize)?;
        (peer.key == key).then_some(peer)
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.slab.iter().map(|(_, peer)| &**peer)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.slab.iter_mut().map(|(_, peer)| &mut **peer)
    }

    pub(crate) fn keys(&self) -> Vec<PeerKey> {
        self.iter().map(|peer| peer.key).collect()
    }
}

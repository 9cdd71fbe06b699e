//! Partial pieces: opened, closed, owned, and put where those find them who may work on them.

use headwater_metainfo::PieceIndex;
use smallvec::SmallVec;

use super::rarity::{NO_TIER, Place};
use super::shelves::{Rank, Shelf};
use super::{Partial, Picker};
use crate::PeerKey;

impl Picker {
    /// Pieces that `peer` was to fetch alone are everybody's.
    pub(crate) fn release_owner(&mut self, peer: PeerKey) {
        let slots: SmallVec<[usize; 16]> = self.owned_by(peer).collect();
        for slot in slots {
            self.set_owner(slot, None);
            self.version += 1;
        }
    }

    pub(super) fn owned_by(&self, peer: PeerKey) -> impl Iterator<Item = usize> + '_ {
        let slots = self.owned.range((peer, 0)..=(peer, u32::MAX));
        slots.map(|&(_, slot)| slot as usize)
    }

    /// Makes a queued piece a partial one.
    pub(super) fn open_piece(&mut self, piece: PieceIndex) -> usize {
        self.serial += 1;
        let blocks = self.geometry.block_count(piece);
        let slot = self
            .partials
            .insert(Partial::new(piece, blocks, self.serial));
        self.rarity.unqueue(piece, Place::Partial(slot as u32));
        self.shelve(slot);
        slot
    }

    /// A partial piece of which nothing was received or asked for is an ordinary one again.
    pub(super) fn close_if_untouched(&mut self, slot: usize) {
        let partial = &self.partials[slot];
        if partial.free() < partial.blocks() {
            return;
        }
        let piece = partial.piece;
        let tier = self.rarity.entry(piece).tier;
        self.drop_partial(piece);
        if tier != NO_TIER {
            let priority = self.rarity.priority_of(tier);
            self.rarity.queue(piece, priority);
            self.memos.queued(piece);
        }
    }

    pub(super) fn drop_partial(&mut self, piece: PieceIndex) {
        let Some(slot) = self.slot(piece) else { return };
        self.set_owner(slot, None);
        let partial = self.partials.remove(slot);
        self.shelves.shift(partial.shelved, None);
        self.rarity.unqueue(piece, Place::Out);
    }

    /// Makes a partial piece somebody's own, or nobody's, and then open to all.
    pub(super) fn set_owner(&mut self, slot: usize, owner: Option<PeerKey>) {
        let partial = &mut self.partials[slot];
        if let Some(former) = std::mem::replace(&mut partial.owner, owner) {
            self.owned.remove(&(former, slot as u32));
        }
        match owner {
            Some(owner) => _ = self.owned.insert((owner, slot as u32)),
            None => partial.exclusivity = None,
        }
        self.shelve(slot);
    }

    /// Puts a partial piece where it belongs now that something about it has changed.
    pub(super) fn shelve(&mut self, slot: usize) {
        let partial = &mut self.partials[slot];
        let shelf = match partial.owner {
            Some(_) => Shelf::Owned,
            None if partial.in_flight() > 0 => Shelf::Shared,
            None => Shelf::Idle,
        };
        let rank = Rank {
            tier: self.rarity.entry(partial.piece).tier,
            // Nobody chooses among pieces that have an owner but the owner.
            free: match shelf {
                Shelf::Owned => 0,
                Shelf::Idle | Shelf::Shared => partial.free(),
            },
            serial: partial.serial,
            slot: slot as u32,
        };
        let place = (partial.free() > 0).then_some((shelf, rank));
        let before = std::mem::replace(&mut partial.shelved, place);
        self.shelves.shift(before, place);
    }

    /// Tiers have changed.
    pub(super) fn reshelve(&mut self) {
        let slots: Vec<_> = self.partials.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.shelve(slot);
        }
    }
}

//! Which blocks to ask for, and of whom.
//!
//! The picker knows which pieces are wanted, how many peers have each, and what was asked for of those that are under
//! way. It gives out blocks to peers ([`Picker::pick`]) and takes back what they did not send ([`Picker::release`]).

mod blocks;
mod choose;
mod deadlines;
mod invariants;
mod memo;
mod opening;
mod partial;
mod rarity;
mod shelves;
mod supply;
#[cfg(test)]
mod tests;
mod tier;
mod trials;

use std::collections::BTreeSet;

use headwater_metainfo::{Bitfield, BlockSpan, PieceGeometry, PieceIndex};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use slab::Slab;

use crate::PeerKey;
use crate::Priority;
use crate::priorities::Priorities;

pub(crate) use blocks::Receipt;
pub(crate) use choose::Picking;
use deadlines::Deadlines;
use memo::Memos;
use partial::Partial;
pub(crate) use partial::{BlockState, Contributor};
use rarity::{NO_TIER, Place, Rarity};
use shelves::Shelves;

/// A block by its number in its piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockId {
    pub(crate) piece: PieceIndex,
    pub(crate) index: u32,
}

/// See the [module](self).
#[derive(Debug, Clone)]
pub(crate) struct Picker {
    geometry: PieceGeometry,
    rarity: Rarity,
    partials: Slab<Partial>,
    /// Partial pieces that have free blocks.
    shelves: Shelves,
    /// Slots of the partial pieces that are somebody's own.
    owned: BTreeSet<(PeerKey, u32)>,
    memos: Memos,
    deadlines: Deadlines,
    /// Pieces that failed: their next copy comes from one peer, so that it is known whom to blame.
    suspects: BTreeSet<PieceIndex>,
    /// Blocks of wanted pieces that nobody was asked for.
    unrequested: u64,
    /// Changes whenever a block may have become available to a peer that found none.
    version: u64,
    serial: u64,
    seeds: u32,
}

impl Picker {
    pub(crate) fn new(
        geometry: PieceGeometry,
        have: &Bitfield,
        priorities: &Priorities,
        seed: u64,
    ) -> Self {
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut picker = Self {
            geometry,
            rarity: Rarity::new(geometry.piece_count(), rng),
            partials: Slab::new(),
            shelves: Shelves::default(),
            owned: BTreeSet::new(),
            memos: Memos::default(),
            deadlines: Deadlines::default(),
            suspects: BTreeSet::new(),
            unrequested: 0,
            version: 0,
            serial: 0,
            seeds: 0,
        };
        picker.set_priorities(have, priorities);
        picker
    }

    /// Whether the piece is wanted and not had.
    pub(crate) fn wants(&self, piece: PieceIndex) -> bool {
        self.rarity.entry(piece).tier != NO_TIER
    }

    /// Whether everything wanted was asked for or is there. As long as there is something that nobody has, there is time, and asking
    /// twice would cost others what they could be sent.
    pub(crate) fn is_endgame(&self) -> bool {
        self.unrequested == 0
    }

    /// Changes whenever a peer that found nothing to ask for may find something now.
    pub(crate) fn version(&self) -> u64 {
        self.version * 2 + u64::from(self.is_endgame())
    }

    pub(crate) fn set_sequential(&mut self, sequential: bool) {
        if sequential == self.rarity.is_sequential() {
            return;
        }
        self.rarity.set_sequential(sequential);
        self.memos.reorder();
    }

    /// Takes new priorities. Pieces that are under way but no longer wanted are returned; the caller drops them.
    pub(crate) fn set_priorities(
        &mut self,
        have: &Bitfield,
        priorities: &Priorities,
    ) -> Vec<PieceIndex> {
        self.rarity.set_priorities(|piece| {
            if have.has(piece) {
                Priority::SKIP
            } else {
                priorities.of(piece)
            }
        });
        self.memos.reorder();
        self.reshelve();
        self.count_unrequested();
        self.version += 1;
        let partials = self.partials.iter().map(|(_, partial)| partial);
        partials
            .filter(|partial| !self.wants(partial.piece) && !partial.is_complete())
            .map(|partial| partial.piece)
            .collect()
    }

    fn count_unrequested(&mut self) {
        let pieces = self.geometry.pieces();
        self.unrequested = pieces.map(|piece| self.unrequested_of(piece)).sum();
    }

    /// Blocks of a piece that are wanted and that nobody was asked for.
    fn unrequested_of(&self, piece: PieceIndex) -> u64 {
        let entry = self.rarity.entry(piece);
        match entry.place {
            _ if entry.tier == NO_TIER => 0,
            Place::Partial(slot) => u64::from(self.partials[slot as usize].free()),
            _ => u64::from(self.geometry.block_count(piece)),
        }
    }

    /// Loads a piece of which some blocks are on disk. Says whether all are.
    pub(crate) fn load_partial(&mut self, piece: PieceIndex, blocks: &Bitfield) -> bool {
        if !self.wants(piece) || blocks.is_clear() {
            return false;
        }
        let slot = self.open_piece(piece);
        let mut useful = 0;
        for block in blocks.ones() {
            let before = self.partials[slot].receive(block.0, None);
            useful += u64::from(before == BlockState::Free);
        }
        self.unrequested -= useful;
        self.shelve(slot);
        self.partials[slot].is_complete()
    }

    /// The piece is there: verified and on disk.
    pub(crate) fn piece_had(&mut self, piece: PieceIndex) {
        self.unrequested -= self.unrequested_of(piece);
        self.drop_partial(piece);
        self.rarity.forget(piece);
        self.suspects.remove(&piece);
        self.deadlines.set(piece, None);
    }

    /// Every received block of the piece is lost.
    pub(crate) fn piece_lost(&mut self, piece: PieceIndex) {
        let Some(slot) = self.slot(piece) else { return };
        let before = self.unrequested_of(piece);
        self.partials[slot].lose_received();
        self.set_owner(slot, None);
        self.unrequested += self.unrequested_of(piece) - before;
        self.version += 1;
        self.close_if_untouched(slot);
    }

    /// A piece that was had or not wanted is to be fetched.
    pub(crate) fn want(&mut self, piece: PieceIndex, priority: Priority) {
        if self.wants(piece) || !priority.is_wanted() {
            return;
        }
        if self.rarity.ensure_tier(priority) {
            self.memos.reorder();
            self.reshelve();
        }
        self.rarity.queue(piece, priority);
        self.memos.queued(piece);
        self.unrequested += self.unrequested_of(piece);
        self.version += 1;
    }

    /// Forgets a piece that is under way and not wanted.
    pub(crate) fn drop_unwanted(&mut self, piece: PieceIndex) {
        debug_assert!(!self.wants(piece));
        self.drop_partial(piece);
        self.rarity.forget(piece);
    }

    /// Whether every block of a piece is there.
    pub(crate) fn is_complete(&self, piece: PieceIndex) -> bool {
        self.slot(piece)
            .is_some_and(|slot| self.partials[slot].is_complete())
    }

    /// Whether nothing of a piece was asked for or received.
    pub(crate) fn is_untouched(&self, piece: PieceIndex) -> bool {
        self.slot(piece).is_none()
    }

    /// Blocks that are asked for and not there.
    pub(crate) fn requested_blocks(&self) -> usize {
        let in_flight = self.partials.iter().map(|(_, partial)| partial.in_flight());
        in_flight.sum::<u32>() as usize
    }

    /// Pieces that are under way, with their received blocks.
    pub(crate) fn partials(&self) -> impl Iterator<Item = (PieceIndex, Bitfield)> + '_ {
        self.partials
            .iter()
            .filter(|(_, partial)| partial.received() > 0)
            .map(|(_, partial)| (partial.piece, partial.received_blocks()))
    }

    pub(crate) fn span(&self, block: BlockId) -> Option<BlockSpan> {
        self.geometry.block(block.piece, block.index)
    }

    fn slot(&self, piece: PieceIndex) -> Option<usize> {
        match self.rarity.entry(piece).place {
            Place::Partial(slot) => Some(slot as usize),
            _ => None,
        }
    }
}

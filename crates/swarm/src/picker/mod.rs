//! Which blocks to ask for, and of whom.
//!
//! The picker knows which pieces are wanted, how many peers have each, and what was asked for of those that are under
//! way. It gives out blocks to peers ([`Picker::pick`]) and takes back what they did not send ([`Picker::release`]).

mod choose;
mod partial;
mod rarity;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use headwater_metainfo::{Bitfield, BlockSpan, PieceGeometry, PieceIndex};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use slab::Slab;

use crate::Priority;
use crate::pieces::PeerPieces;
use crate::{PeerKey, priorities::Priorities};

pub(crate) use choose::Picking;
use partial::Partial;
pub(crate) use partial::{BlockState, Contributor};
use rarity::{NO_TIER, Place, Rarity};

/// A block by its number in its piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockId {
    pub(crate) piece: PieceIndex,
    pub(crate) index: u32,
}

/// What became of a block that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// It was there already, or its piece is not wanted.
    Useless,
    /// It was missing. So many peers had been asked for it; its piece may be complete now.
    Useful { asked: u8, completes: bool },
}

/// See the [module](self).
#[derive(Debug, Clone)]
pub(crate) struct Picker {
    geometry: PieceGeometry,
    rarity: Rarity,
    partials: Slab<Partial>,
    /// Slots of the partial pieces that are wanted or not, and have free blocks.
    open: Vec<u32>,
    /// Pieces that failed: their next copy comes from one peer, so that it is known whom to blame.
    suspects: BTreeSet<PieceIndex>,
    /// Blocks of wanted pieces that nobody was asked for. 0 is the endgame.
    unrequested: u64,
    /// Changes whenever a block may have become available to a peer that found none.
    version: u64,
    serial: u64,
    seeds: u32,
    sequential: bool,
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
            open: Vec::new(),
            suspects: BTreeSet::new(),
            unrequested: 0,
            version: 0,
            serial: 0,
            seeds: 0,
            sequential: false,
        };
        picker.set_priorities(have, priorities);
        picker
    }

    /// Whether the piece is wanted and not had.
    pub(crate) fn wants(&self, piece: PieceIndex) -> bool {
        self.rarity.entry(piece).tier != NO_TIER
    }

    /// Whether everything wanted was asked for or is there.
    pub(crate) fn is_endgame(&self) -> bool {
        self.unrequested == 0
    }

    /// Changes whenever a peer that found nothing to ask for may find something now.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn set_sequential(&mut self, sequential: bool) {
        self.sequential = sequential;
    }

    /// Peers that have `piece`.
    pub(crate) fn availability(&self, piece: PieceIndex) -> u32 {
        self.rarity.entry(piece).availability + self.seeds
    }

    pub(crate) fn add_peer(&mut self, pieces: &PeerPieces) {
        if pieces.is_all() {
            self.seeds += 1;
        } else {
            pieces.iter().for_each(|piece| self.rarity.raise(piece));
        }
    }

    pub(crate) fn remove_peer(&mut self, pieces: &PeerPieces) {
        if pieces.is_all() {
            self.seeds -= 1;
        } else {
            pieces.iter().for_each(|piece| self.rarity.lower(piece));
        }
    }

    /// A peer that is no seed got `piece`, and is no seed even now.
    pub(crate) fn raise(&mut self, piece: PieceIndex) {
        self.rarity.raise(piece);
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
        self.count_unrequested();
        self.version += 1;
        let partials = self.partials.iter().map(|(_, partial)| partial);
        partials
            .filter(|partial| !self.wants(partial.piece) && !partial.is_complete())
            .map(|partial| partial.piece)
            .collect()
    }

    fn count_unrequested(&mut self) {
        let count = |piece| match self.rarity.entry(piece) {
            entry if entry.tier == NO_TIER => 0,
            entry => match entry.place {
                Place::Partial(slot) => u64::from(self.partials[slot as usize].free()),
                _ => u64::from(self.geometry.block_count(piece)),
            },
        };
        self.unrequested = self.geometry.pieces().map(count).sum();
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
        self.sync_open(slot);
        self.partials[slot].is_complete()
    }

    /// A peer will not send a block that it was asked for.
    pub(crate) fn release(&mut self, block: BlockId) {
        let Some(slot) = self.slot(block.piece) else {
            return;
        };
        if !self.partials[slot].release(block.index) {
            return;
        }
        self.version += 1;
        self.unrequested += u64::from(self.wants(block.piece));
        self.sync_open(slot);
        self.close_if_untouched(slot);
    }

    /// A block arrived. Whether the sender was asked for it is the caller's affair; its request is no longer counted.
    pub(crate) fn receive(&mut self, block: BlockId, from: Contributor) -> Receipt {
        if !self.wants(block.piece) {
            return Receipt::Useless;
        }
        let slot = match self.slot(block.piece) {
            Some(slot) => slot,
            None => self.open_piece(block.piece),
        };
        let partial = &mut self.partials[slot];
        if partial.exclusivity.is_some() && partial.owner != Some(from.key) {
            return Receipt::Useless;
        }
        let asked = match partial.receive(block.index, Some(from)) {
            BlockState::Received => return Receipt::Useless,
            BlockState::Requested(peers) => peers,
            BlockState::Free => {
                self.unrequested -= 1;
                0
            }
        };
        let completes = partial.is_complete();
        self.sync_open(slot);
        Receipt::Useful { asked, completes }
    }

    /// Whether the block was asked for and has not arrived.
    pub(crate) fn state(&self, block: BlockId) -> BlockState {
        match self.slot(block.piece) {
            Some(slot) => self.partials[slot].state(block.index),
            None => BlockState::Free,
        }
    }

    /// The piece is there: verified and on disk.
    pub(crate) fn piece_had(&mut self, piece: PieceIndex) {
        let wanted = self.wants(piece);
        let free = match self.slot(piece) {
            Some(slot) => self.partials[slot].free(),
            None => self.geometry.block_count(piece),
        };
        self.unrequested -= if wanted { u64::from(free) } else { 0 };
        self.drop_partial(piece);
        self.rarity.forget(piece);
        self.suspects.remove(&piece);
    }

    /// Every received block of the piece is lost.
    pub(crate) fn piece_lost(&mut self, piece: PieceIndex) {
        let Some(slot) = self.slot(piece) else { return };
        let before = self.partials[slot].free();
        self.partials[slot].lose_received();
        self.partials[slot].owner = None;
        self.partials[slot].exclusivity = None;
        if self.wants(piece) {
            self.unrequested += u64::from(self.partials[slot].free() - before);
        }
        self.version += 1;
        self.sync_open(slot);
        self.close_if_untouched(slot);
    }

    /// The next copy of this piece is to come from one peer.
    pub(crate) fn suspect(&mut self, piece: PieceIndex) {
        self.suspects.insert(piece);
    }

    /// A piece that was had or not wanted is to be fetched.
    pub(crate) fn want(&mut self, piece: PieceIndex, priority: Priority) {
        if self.wants(piece) || !priority.is_wanted() {
            return;
        }
        self.rarity.ensure_tier(priority);
        self.rarity.queue(piece, priority);
        self.unrequested += u64::from(self.geometry.block_count(piece));
        self.version += 1;
    }

    /// Forgets a piece that is under way and not wanted.
    pub(crate) fn drop_unwanted(&mut self, piece: PieceIndex) {
        debug_assert!(!self.wants(piece));
        self.drop_partial(piece);
        self.rarity.forget(piece);
    }

    /// Who sent the blocks of a piece, and whether that accounts for all of them.
    pub(crate) fn contributors(&self, piece: PieceIndex) -> (&[Contributor], bool) {
        match self.slot(piece) {
            Some(slot) => self.partials[slot].contributors(),
            None => (&[], false),
        }
    }

    /// The sender of each block of a complete piece, in order. `None` is the disk.
    pub(crate) fn senders(
        &self,
        piece: PieceIndex,
    ) -> impl Iterator<Item = Option<Contributor>> + '_ {
        let slot = self.slot(piece).into_iter();
        slot.flat_map(|slot| self.partials[slot].senders())
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

    /// Pieces that `peer` was to fetch alone are everybody's.
    pub(crate) fn release_owner(&mut self, peer: PeerKey) {
        for (_, partial) in &mut self.partials {
            if partial.owner == Some(peer) {
                partial.owner = None;
                partial.exclusivity = None;
                self.version += 1;
            }
        }
    }

    /// A piece that one peer was to fetch alone is everybody's.
    pub(crate) fn share(&mut self, piece: PieceIndex) {
        let Some(slot) = self.slot(piece) else { return };
        let partial = &mut self.partials[slot];
        if partial.exclusivity.take().is_some() {
            partial.owner = None;
            self.version += 1;
        }
    }

    /// Incomplete pieces that `peer` is to fetch alone, because it or the piece is under suspicion.
    pub(crate) fn trials(&self, peer: PeerKey) -> Vec<PieceIndex> {
        let partials = self.partials.iter().map(|(_, partial)| partial);
        let trials = partials.filter(|partial| {
            let is_trial = partial.exclusivity.is_some() && partial.owner == Some(peer);
            is_trial && !partial.is_complete()
        });
        trials.map(|partial| partial.piece).collect()
    }

    /// Whether `peer` is to fetch a piece, alone or first of all.
    pub(crate) fn owns(&self, piece: PieceIndex, peer: PeerKey) -> bool {
        let slot = self.slot(piece);
        slot.is_some_and(|slot| self.partials[slot].owner == Some(peer))
    }

    /// Bytes that there are of a piece under way.
    pub(crate) fn received_bytes(&self, piece: PieceIndex) -> u64 {
        let Some(slot) = self.slot(piece) else {
            return 0;
        };
        let blocks = self.partials[slot].received_blocks();
        let spans = blocks
            .ones()
            .filter_map(|block| self.geometry.block(piece, block.0));
        spans.map(|span| u64::from(span.length)).sum()
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

    /// Makes a queued piece a partial one.
    fn open_piece(&mut self, piece: PieceIndex) -> usize {
        self.serial += 1;
        let blocks = self.geometry.block_count(piece);
        let slot = self
            .partials
            .insert(Partial::new(piece, blocks, self.serial));
        self.rarity.unqueue(piece, Place::Partial(slot as u32));
        self.sync_open(slot);
        slot
    }

    /// A partial piece of which nothing was received or asked for is an ordinary one again.
    fn close_if_untouched(&mut self, slot: usize) {
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
        }
    }

    fn drop_partial(&mut self, piece: PieceIndex) {
        let Some(slot) = self.slot(piece) else { return };
        self.remove_from_open(slot);
        self.partials.remove(slot);
        self.rarity.unqueue(piece, Place::Out);
    }

    /// Keeps the list of partial pieces with free blocks in step with one of them.
    fn sync_open(&mut self, slot: usize) {
        let partial = &mut self.partials[slot];
        if partial.free() == 0 {
            self.remove_from_open(slot);
        } else if partial.open_at.is_none() {
            partial.open_at = Some(self.open.len() as u32);
            self.open.push(slot as u32);
        }
    }

    fn remove_from_open(&mut self, slot: usize) {
        let Some(at) = self.partials[slot].open_at.take() else {
            return;
        };
        self.open.swap_remove(at as usize);
        if let Some(&moved) = self.open.get(at as usize) {
            self.partials[moved as usize].open_at = Some(at);
        }
    }

    /// Panics when the bookkeeping contradicts itself.
    pub(crate) fn check_invariants(&self) {
        self.rarity.check_invariants();
        for (slot, partial) in &self.partials {
            partial.check_invariants();
            assert_eq!(self.slot(partial.piece), Some(slot));
            assert!(partial.free() < partial.blocks(), "{:?}", partial.piece);
            if let Some(at) = partial.open_at {
                assert_eq!(self.open[at as usize], slot as u32);
            }
        }
        let open = self.partials.iter().filter(|(_, p)| p.open_at.is_some());
        assert_eq!(open.count(), self.open.len());
        let mut recount = self.clone();
        recount.count_unrequested();
        assert_eq!(recount.unrequested, self.unrequested);
    }
}

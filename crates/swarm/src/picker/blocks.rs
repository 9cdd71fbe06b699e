//! What becomes of single blocks: asked for, given back, received.

use smallvec::SmallVec;

use super::{BlockId, BlockState, Contributor, Picker};
use crate::PeerKey;

/// What became of a block that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// It was there already, or its piece is not wanted.
    Useless,
    /// It was missing. Others were asked for it too; its piece may be complete now.
    Useful {
        others: SmallVec<[PeerKey; 2]>,
        completes: bool,
    },
}

impl Picker {
    /// Takes free blocks of a partial piece until there are `count`, or no more.
    pub(super) fn take_blocks(
        &mut self,
        peer: PeerKey,
        slot: usize,
        count: usize,
        blocks: &mut Vec<BlockId>,
    ) {
        let partial = &mut self.partials[slot];
        let (piece, before) = (partial.piece, blocks.len());
        while blocks.len() < count
            && let Some(index) = partial.take_free(peer)
        {
            blocks.push(BlockId { piece, index });
        }
        self.unrequested -= (blocks.len() - before) as u64;
        self.shelve(slot);
    }

    /// A peer will not send a block that it was asked for.
    pub(crate) fn release(&mut self, block: BlockId, peer: PeerKey) {
        let Some(slot) = self.slot(block.piece) else {
            return;
        };
        let partial = &mut self.partials[slot];
        if !partial.release(block.index, peer) {
            return;
        }
        self.version += 1;
        if partial.state(block.index) != BlockState::Free {
            return;
        }
        if self.wants(block.piece) {
            self.unrequested += 1;
        }
        self.shelve(slot);
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
        let asked = partial.asked(block.index);
        let others = asked.filter(|&peer| peer != from.key).collect();
        match partial.receive(block.index, Some(from)) {
            BlockState::Received => return Receipt::Useless,
            BlockState::Requested(_) => {}
            BlockState::Free => self.unrequested -= 1,
        }
        let completes = self.partials[slot].is_complete();
        self.shelve(slot);
        Receipt::Useful { others, completes }
    }

    /// Whether the block was asked for and has not arrived.
    pub(crate) fn state(&self, block: BlockId) -> BlockState {
        match self.slot(block.piece) {
            Some(slot) => self.partials[slot].state(block.index),
            None => BlockState::Free,
        }
    }

    /// Whether `peer` was asked for a block that has not arrived.
    pub(crate) fn is_asked(&self, block: BlockId, peer: PeerKey) -> bool {
        self.slot(block.piece).is_some_and(|slot| {
            let mut asked = self.partials[slot].asked(block.index);
            asked.any(|other| other == peer)
        })
    }
}

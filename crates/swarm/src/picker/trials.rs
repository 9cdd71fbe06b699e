//! Pieces that failed or whose senders are under suspicion: who sent what of them, and who is to send all of one.

use headwater_metainfo::PieceIndex;

use super::{Contributor, Picker};
use crate::PeerKey;

impl Picker {
    /// The next copy of this piece is to come from one peer.
    pub(crate) fn suspect(&mut self, piece: PieceIndex) {
        self.suspects.insert(piece);
    }

    /// A piece that one peer was to fetch alone is everybody's.
    pub(crate) fn share(&mut self, piece: PieceIndex) {
        let Some(slot) = self.slot(piece) else { return };
        if self.partials[slot].exclusivity.is_some() {
            self.set_owner(slot, None);
            self.version += 1;
        }
    }

    /// Incomplete pieces that `peer` is to fetch alone, because it or the piece is under suspicion.
    pub(crate) fn trials(&self, peer: PeerKey) -> impl Iterator<Item = PieceIndex> + '_ {
        let partials = self.owned_by(peer).map(|slot| &self.partials[slot]);
        let trials =
            partials.filter(|partial| partial.exclusivity.is_some() && !partial.is_complete());
        trials.map(|partial| partial.piece)
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

    /// Blocks of a piece that are not there.
    pub(crate) fn missing_blocks(&self, piece: PieceIndex) -> u32 {
        let received = self
            .slot(piece)
            .map_or(0, |slot| self.partials[slot].received());
        self.geometry.block_count(piece) - received
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
}

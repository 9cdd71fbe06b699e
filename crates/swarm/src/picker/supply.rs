//! Who has what.

use headwater_metainfo::PieceIndex;

use super::Picker;
use crate::PeerKey;
use crate::pieces::PeerPieces;

impl Picker {
    /// Peers that have `piece`.
    pub(crate) fn availability(&self, piece: PieceIndex) -> u32 {
        self.rarity.entry(piece).availability + self.seeds
    }

    /// A peer came, or has other pieces than those that were taken back with [`remove_peer`](Self::remove_peer).
    pub(crate) fn add_peer(&mut self, key: PeerKey, pieces: &PeerPieces) {
        self.memos.forget(key);
        if pieces.counts_as_seed() {
            self.seeds += 1;
        } else {
            pieces.iter().for_each(|piece| self.rarity.raise(piece));
        }
    }

    pub(crate) fn remove_peer(&mut self, key: PeerKey, pieces: &PeerPieces) {
        self.memos.forget(key);
        if pieces.counts_as_seed() {
            self.seeds -= 1;
        } else {
            pieces.iter().for_each(|piece| self.rarity.lower(piece));
            self.note_drop();
        }
    }

    /// A peer that is no seed got `piece`, and is no seed even now.
    pub(crate) fn peer_gained(&mut self, key: PeerKey, piece: PieceIndex) {
        self.rarity.raise(piece);
        if let Some(standing) = self.rarity.standing(piece) {
            self.memos.gained(key, standing);
        }
    }

    /// A peer that was no seed lost `piece`.
    pub(crate) fn peer_lost(&mut self, piece: PieceIndex) {
        self.rarity.lower(piece);
        self.note_drop();
    }

    fn note_drop(&mut self) {
        if !self.rarity.is_sequential() {
            self.memos.dropped();
        }
    }
}

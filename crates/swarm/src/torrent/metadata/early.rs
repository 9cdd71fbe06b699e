//! Messages about pieces that come before it is known which pieces there are.

use std::time::Instant;

use headwater_metainfo::{PieceGeometry, PieceIndex};
use headwater_wire::Message;

use super::super::Torrent;
use super::super::receive::Verdict;
use crate::metadata::Early;
use crate::{DisconnectReason, PeerKey};

impl Torrent {
    /// Keeps what a message says of pieces for when the metadata is there. `None` for messages that are handled as ever.
    pub(in super::super) fn receive_early(
        &mut self,
        now: Instant,
        key: PeerKey,
        message: &Message,
    ) -> Option<Verdict> {
        Some(match *message {
            Message::Have(piece) => self.note_early(key, piece, Early::gain),
            Message::Bitfield(ref bytes) => self.early(key, |early| early.tell_bitfield(bytes)),
            Message::HaveAll => self.tell_early(key, true),
            Message::HaveNone => self.tell_early(key, false),
            Message::Suggest(piece) | Message::AllowedFast(piece) => {
                self.hint_early(key, piece, matches!(message, Message::Suggest(_)))
            }
            // We have not asked for anything.
            Message::Reject(_) => self.require_fast(key),
            Message::Request(block) => self.refuse_request(now, key, block),
            _ => return None,
        })
    }

    fn early(&mut self, key: PeerKey, tell: impl FnOnce(&mut Early) -> Verdict) -> Verdict {
        match self.peers.get_mut(key) {
            Some(peer) => tell(peer.early.get_or_insert_default()),
            None => Ok(()),
        }
    }

    fn tell_early(&mut self, key: PeerKey, all: bool) -> Verdict {
        self.require_fast(key)?;
        self.early(key, |early| {
            if early.has_told() {
                return Err(DisconnectReason::RepeatedBitfield);
            }
            early.tell_all_or_none(all);
            Ok(())
        })
    }

    /// A peer got or lost a piece.
    pub(in super::super) fn note_early(
        &mut self,
        key: PeerKey,
        piece: PieceIndex,
        note: fn(&mut Early, PieceIndex),
    ) -> Verdict {
        require_possible(piece)?;
        self.early(key, |early| {
            note(early, piece);
            Ok(())
        })
    }

    fn hint_early(&mut self, key: PeerKey, piece: PieceIndex, suggests: bool) -> Verdict {
        self.require_fast(key)?;
        require_possible(piece)?;
        if let Some(peer) = self.peers.get_mut(key) {
            if suggests {
                peer.suggest(piece);
            } else {
                peer.allow(piece);
            }
        }
        Ok(())
    }

    /// The number of pieces is known now: makes of what a peer has said what it has.
    pub(super) fn apply_early(&mut self, now: Instant, key: PeerKey) -> Verdict {
        let count = self.geometry.piece_count();
        let Some(peer) = self.peers.get_mut(key) else {
            return Ok(());
        };
        peer.allowed.retain(|piece| piece.0 < count);
        peer.suggested.retain(|piece| piece.0 < count);
        let Some(early) = peer.early.take() else {
            return Ok(());
        };
        let told = early.has_told();
        let pieces = early.into_pieces(count)?;
        self.learn_pieces(now, key, pieces);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.told_pieces = told;
        }
        Ok(())
    }
}

/// A piece past the end of every torrent that there can be.
fn require_possible(piece: PieceIndex) -> Verdict {
    if piece.0 < PieceGeometry::MAX_PIECES {
        Ok(())
    } else {
        Err(DisconnectReason::InvalidPiece)
    }
}

//! Messages from peers.

use std::time::Instant;

use bytes::Bytes;
use headwater_metainfo::{Bitfield, BlockSpan, PieceIndex};
use headwater_wire::Message;

use super::Torrent;
use crate::metadata::Early;
use crate::peer::Peer;
use crate::picker::BlockId;
use crate::pieces::PeerPieces;
use crate::{Activity, DisconnectReason, PeerKey};

/// Why a message costs a peer its connection.
pub(super) type Verdict = Result<(), DisconnectReason>;

impl Torrent {
    /// A peer sent a message.
    pub fn handle_message(&mut self, now: Instant, peer: PeerKey, message: Message) {
        let now = self.advance(now);
        let Some(from) = self.peers.get_mut(peer) else {
            return;
        };
        from.last_received = now;
        if let Err(reason) = self.receive(now, peer, message) {
            self.disconnect(now, peer, reason);
        }
    }

    fn receive(&mut self, now: Instant, key: PeerKey, message: Message) -> Verdict {
        if !self.has_metadata()
            && let Some(verdict) = self.receive_early(now, key, &message)
        {
            return verdict;
        }
        match message {
            Message::Piece {
                piece,
                offset,
                data,
            } => return self.receive_block(now, key, piece, offset, data),
            Message::Request(block) => return self.receive_request(now, key, block),
            Message::Have(piece) => return self.receive_have(now, key, piece),
            Message::Bitfield(bytes) => return self.receive_bitfield(now, key, &bytes),
            Message::HaveAll | Message::HaveNone => {
                return self.receive_have_all_or_none(now, key, message == Message::HaveAll);
            }
            Message::Suggest(piece) => return self.receive_suggest(key, piece),
            Message::AllowedFast(piece) => return self.receive_allowed_fast(key, piece),
            Message::Reject(block) => return self.receive_reject(key, block),
            Message::Extended { id, payload } => {
                return self.receive_extended(now, key, id, &payload);
            }
            Message::Choke => self.receive_choke(key),
            Message::Unchoke => self.receive_unchoke(key),
            Message::Interested => self.receive_interested(now, key),
            Message::NotInterested => self.receive_not_interested(now, key),
            Message::Cancel(block) => self.receive_cancel(now, key, block),
            Message::Port(port) => self.receive_dht_port(key, port),
            // Nothing to do: a sign of life, hashes of v2 torrents that nobody asked for.
            Message::KeepAlive
            | Message::HashRequest(_)
            | Message::Hashes { .. }
            | Message::HashReject(_)
            | Message::Unknown { .. } => {}
        }
        Ok(())
    }

    /// A bitfield is to be the first message; in the wild others come before it, and aria2 sends another one in place of
    /// several HAVEs. What was told before stays told.
    fn receive_bitfield(&mut self, now: Instant, key: PeerKey, bytes: &Bytes) -> Verdict {
        let bits = Bitfield::from_bytes(bytes, self.geometry.piece_count())
            .map_err(|_| DisconnectReason::InvalidBitfield)?;
        self.learn_pieces(now, key, PeerPieces::from_bitfield(bits));
        Ok(())
    }

    fn receive_have_all_or_none(&mut self, now: Instant, key: PeerKey, all: bool) -> Verdict {
        self.require_fast(key)?;
        if self.peers.get(key).is_some_and(|peer| peer.told_pieces) {
            return Err(DisconnectReason::RepeatedBitfield);
        }
        let len = self.geometry.piece_count();
        let pieces = if all {
            PeerPieces::All { len }
        } else {
            PeerPieces::None { len }
        };
        self.learn_pieces(now, key, pieces);
        Ok(())
    }

    pub(super) fn learn_pieces(&mut self, now: Instant, key: PeerKey, mut pieces: PeerPieces) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let is_first = !std::mem::replace(&mut peer.told_pieces, true);
        for early in peer.pieces.iter() {
            pieces.set(early);
        }
        let before = std::mem::replace(&mut peer.pieces, pieces);
        if let Some(picker) = &mut self.picker {
            picker.remove_peer(key, &before);
            picker.add_peer(key, &peer.pieces);
            let wanted = peer.pieces.iter().filter(|&piece| picker.wants(piece));
            peer.interesting = wanted.count() as u32;
        }
        self.spread_learns(now, key, &before);
        if is_first {
            self.grant_fast(now, key);
        }
        self.update_interest(now, key);
        self.drop_if_redundant(now, key);
    }

    fn receive_have(&mut self, now: Instant, key: PeerKey, piece: PieceIndex) -> Verdict {
        self.require_piece(piece)?;
        let Some(peer) = self.peers.get_mut(key) else {
            return Ok(());
        };
        if peer.pieces.has(piece) {
            return Ok(());
        }
        let folds = peer.pieces.almost_counts_as_seed();
        if let Some(picker) = &mut self.picker
            && folds
        {
            picker.remove_peer(key, &peer.pieces);
        }
        peer.pieces.set(piece);
        let completes = peer.is_seed();
        if let Some(picker) = &mut self.picker {
            if folds {
                picker.add_peer(key, &peer.pieces);
            } else {
                picker.peer_gained(key, piece);
            }
            if picker.wants(piece) {
                peer.interesting += 1;
                if peer.may_serve() {
                    peer.starved_at = None;
                    self.out.hungry.push(key);
                }
            }
        }
        self.spread_gains(now, key, piece);
        self.update_interest(now, key);
        if completes {
            self.drop_if_redundant(now, key);
        }
        Ok(())
    }

    /// A peer lost a piece (BEP 54).
    pub(super) fn receive_dont_have(
        &mut self,
        now: Instant,
        key: PeerKey,
        piece: PieceIndex,
    ) -> Verdict {
        if !self.has_metadata() {
            return self.note_early(key, piece, Early::lose);
        }
        self.require_piece(piece)?;
        let Some(peer) = self.peers.get_mut(key) else {
            return Ok(());
        };
        if !peer.pieces.has(piece) {
            return Ok(());
        }
        let unfolds = peer.pieces.counts_as_seed();
        if let Some(picker) = &mut self.picker
            && unfolds
        {
            picker.remove_peer(key, &peer.pieces);
        }
        peer.pieces.clear(piece);
        if let Some(picker) = &mut self.picker {
            if unfolds {
                picker.add_peer(key, &peer.pieces);
            } else {
                picker.peer_lost(piece);
            }
            peer.interesting -= u32::from(picker.wants(piece));
        }
        self.spread_loses(piece);
        let Some(peer) = self.peers.get(key) else {
            return Ok(());
        };
        if !peer.is_fast() {
            self.abandon_requests(key, |block| block.piece == piece);
        }
        self.update_interest(now, key);
        Ok(())
    }

    fn receive_suggest(&mut self, key: PeerKey, piece: PieceIndex) -> Verdict {
        self.require_fast(key)?;
        self.require_piece(piece)?;
        if let Some(peer) = self.peers.get_mut(key) {
            peer.suggest(piece);
        }
        Ok(())
    }

    fn receive_allowed_fast(&mut self, key: PeerKey, piece: PieceIndex) -> Verdict {
        self.require_fast(key)?;
        self.require_piece(piece)?;
        if let Some(peer) = self.peers.get_mut(key) {
            peer.allow(piece);
            peer.starved_at = None;
            self.out.hungry.push(key);
        }
        Ok(())
    }

    fn receive_interested(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if !std::mem::replace(&mut peer.is_interested, true) {
            self.welcome(now, key);
        }
    }

    fn receive_not_interested(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.is_interested = false;
        self.out.fill_slots = true;
        self.drop_if_redundant(now, key);
    }

    pub(super) fn require_fast(&self, key: PeerKey) -> Verdict {
        match self.peers.get(key) {
            Some(peer) if !peer.is_fast() => Err(DisconnectReason::UnexpectedFast),
            _ => Ok(()),
        }
    }

    pub(super) fn require_piece(&self, piece: PieceIndex) -> Verdict {
        match self.geometry.piece(piece.0) {
            Some(_) => Ok(()),
            None => Err(DisconnectReason::InvalidPiece),
        }
    }

    /// Closes a connection over which nothing can ever go: we have all that we want, and so has the peer.
    pub(super) fn drop_if_redundant(&mut self, now: Instant, key: PeerKey) {
        let done = self.is_complete() && self.limits.drop_redundant;
        let done = done && self.activity == Activity::Active;
        // One that says it wants nothing, and yet is interested, has changed its mind.
        let wants_nothing =
            |peer: &Peer| peer.is_seed() || peer.extensions.upload_only && !peer.is_interested;
        let redundant = |peer: &Peer| peer.told_pieces && wants_nothing(peer);
        if done && self.peers.get(key).is_some_and(redundant) {
            self.disconnect(now, key, DisconnectReason::Redundant);
        }
    }

    /// The block that a span is, if it is exactly one.
    pub(super) fn block_id(&self, span: BlockSpan) -> Option<BlockId> {
        self.geometry.is_block(span).then(|| BlockId {
            piece: span.piece,
            index: span.block_index(),
        })
    }
}

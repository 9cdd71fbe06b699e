//! What the disk says: pieces that were checked, writes that failed, and pieces that were lost.

use std::time::Instant;

use headwater_metainfo::PieceIndex;
use headwater_wire::Message;

use super::Torrent;
use super::extended::dont_have;
use crate::peer::Peer;
use crate::picker::Contributor;
use crate::{Action, DisconnectReason, Event, PeerKey, PieceCheck};

impl Torrent {
    /// The answer to [`Action::CompletePiece`].
    pub fn handle_piece_checked(&mut self, now: Instant, piece: PieceIndex, check: PieceCheck) {
        let now = self.advance(now);
        let picker = self.picker.as_ref();
        if !picker.is_some_and(|picker| picker.is_complete(piece)) {
            return;
        }
        match check {
            PieceCheck::Passed => self.piece_passed(now, piece),
            PieceCheck::Failed { digests } => self.piece_failed(now, piece, &digests),
        }
    }

    /// The blocks of a piece could not be kept: a full disk, a write error. Nobody is to blame; they are fetched again.
    ///
    /// To be called before any further block of the piece is stored. A driver whose disk goes on failing should
    /// pause or stop the torrent.
    pub fn handle_store_failed(&mut self, now: Instant, piece: PieceIndex) {
        self.advance(now);
        if let Some(picker) = self
            .picker
            .as_mut()
            .filter(|_| piece.0 < self.geometry.piece_count())
        {
            picker.piece_lost(piece);
            self.out.wake = true;
        }
    }

    /// Whether the disk is behind. While it is, nothing more is asked for.
    pub fn set_backlogged(&mut self, now: Instant, backlogged: bool) {
        self.advance(now);
        self.backlogged = backlogged;
        self.out.all_hungry |= !backlogged;
    }

    /// A piece was checked for other reasons than having been downloaded: at the user's wish, or because it could not
    /// be read.
    ///
    /// A piece that turns out to be there is announced to everybody. One that is lost is fetched again, if it is wanted.
    /// Peers that understand `lt_donthave` (BEP 54) are told, requests of those with the fast extension are rejected,
    /// and connections to peers with neither are closed, as there is no other way of taking back what they were told.
    pub fn set_have(&mut self, now: Instant, piece: PieceIndex, have: bool) {
        let now = self.advance(now);
        if piece.0 >= self.geometry.piece_count() || self.have.has(piece) == have {
            return;
        }
        if have {
            for key in self.peers.keys() {
                self.cancel_requests(now, key, |each| each == piece);
            }
            if !self
                .picker
                .as_ref()
                .is_some_and(|picker| picker.is_untouched(piece))
            {
                self.out.actions.push_back(Action::DiscardPiece { piece });
            }
            self.gain(now, piece);
        } else {
            self.lose(now, piece);
        }
    }

    fn piece_passed(&mut self, now: Instant, piece: PieceIndex) {
        if let (&[only], true) = self.contributors(piece) {
            self.trust(only.key);
        }
        self.out.events.push_back(Event::PieceVerified(piece));
        self.gain(now, piece);
    }

    pub(super) fn contributors(&self, piece: PieceIndex) -> (&[Contributor], bool) {
        match &self.picker {
            Some(picker) => picker.contributors(piece),
            None => (&[], false),
        }
    }

    /// A piece is there: everybody hears of it, and nobody is asked for it any more.
    fn gain(&mut self, now: Instant, piece: PieceIndex) {
        let was_left = self.left;
        if self.priorities.of(piece).is_wanted() {
            self.left -= u64::from(self.geometry.piece_size(piece));
        }
        self.have.set(piece);
        if self.smart_ban.has(piece) {
            self.out.actions.push_back(Action::DigestBlocks { piece });
        }
        let wanted = match &mut self.picker {
            Some(picker) => {
                let wanted = picker.wants(piece);
                picker.piece_had(piece);
                wanted
            }
            None => false,
        };
        let has = |peer: &Peer| (peer.key, wanted && peer.pieces.has(piece));
        let peers: Vec<_> = self.peers.iter().map(has).collect();
        for (key, has) in peers {
            let Some(peer) = self.peers.get_mut(key) else {
                continue;
            };
            peer.view.note_told(piece);
            self.out.send(now, peer, Message::Have(piece));
            if has {
                peer.interesting -= 1;
                self.update_interest(now, key);
            }
        }
        self.ensure_picker();
        if was_left > 0 && self.left == 0 {
            self.completed(now);
        }
    }

    /// Nothing more is wanted.
    pub(super) fn completed(&mut self, now: Instant) {
        self.out.events.push_back(Event::Complete);
        self.announce_upload_only(now);
        for key in self.peers.keys() {
            self.drop_if_redundant(now, key);
        }
    }

    fn lose(&mut self, now: Instant, piece: PieceIndex) {
        self.have.clear(piece);
        self.end_if_pointless(now);
        let priority = self.priorities.of(piece);
        if priority.is_wanted() {
            self.left += u64::from(self.geometry.piece_size(piece));
        }
        let had_picker = self.picker.is_some();
        self.ensure_picker();
        if let Some(picker) = &mut self.picker {
            // A new picker has been told of everything already.
            if had_picker {
                picker.want(piece, priority);
            }
            for peer in self.peers.iter_mut().filter(|peer| peer.pieces.has(piece)) {
                peer.interesting += u32::from(priority.is_wanted());
            }
        }
        for key in self.peers.keys() {
            self.update_interest(now, key);
            self.refuse_requests(now, key, |_, block| block.piece == piece);
            self.retract(now, key, piece);
        }
        self.announce_upload_only(now);
        self.list.revive(now);
        self.out.dial = true;
        self.out.all_hungry = true;
    }

    /// Takes back that we have a piece.
    fn retract(&mut self, now: Instant, key: PeerKey, piece: PieceIndex) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if !peer.view.shows(piece) {
            // It was never told.
        } else if let Some(message) = dont_have(peer, piece) {
            self.out.send(now, peer, message);
        } else if !peer.is_fast() {
            self.disconnect(now, key, DisconnectReason::LostPiece);
        }
    }
}

//! Super-seeding (BEP 16): when it begins and ends, and what is known of how far pieces have spread.
//!
//! The aim is that the seed's link is always busy, with bytes that nobody else could send. So every unchoked peer is offered
//! pieces of its own, always more than it can fetch in a moment, and pieces that it does not fetch go to others. BEP 16 has
//! a peer wait for its next piece until another peer got the last one; here nobody waits while there is a piece that
//! nobody has, because a link that rests is lost for all.

use std::time::{Duration, Instant};

use headwater_metainfo::PieceIndex;
use headwater_wire::Message;

use super::Torrent;
use crate::peer::Peer;
use crate::pieces::PeerPieces;
use crate::super_seed::{Offer, Offers, Opening, Spread, View};
use crate::{PeerKey, SuperSeeding};

/// Another seed counts for so long after it was seen: seeds part at once, and do not meet again for a while.
const SEED_MEMORY: Duration = Duration::from_mins(30);
/// HAVEs that one peer is sent at a time for pieces that it lacks, and for others, when everything is told.
const HAVES: (usize, usize) = (1_024, 64);

impl Torrent {
    /// Sets when the torrent super-seeds (BEP 16).
    ///
    /// Peers that are connected already know what we have; only those that connect later can be kept in the dark. When it
    /// ends, everybody is told everything.
    pub fn set_super_seeding(&mut self, now: Instant, mode: SuperSeeding) {
        let now = self.advance(now);
        self.seeding.mode = mode;
        self.end_if_pointless(now);
    }

    /// Whether anything is hidden from a connected peer.
    pub const fn is_super_seeding(&self) -> bool {
        self.seeding.spread.is_some()
    }

    /// Decides whether a peer that connects now is told that we have nothing.
    pub(super) fn begins_hidden(&mut self, now: Instant) -> bool {
        if !self.may_super_seed(now) {
            return false;
        }
        if self.seeding.spread.is_none() {
            let mut spread = Spread::new(self.geometry.piece_count());
            let peers = self.peers.iter();
            peers.for_each(|peer| spread.add_peer(&peer.pieces));
            if self.seeding.mode == SuperSeeding::Auto && spread.is_complete() {
                return false;
            }
            self.seeding.spread = Some(spread);
        }
        true
    }

    fn may_super_seed(&self, now: Instant) -> bool {
        let recent = |met| now.saturating_duration_since(met) < SEED_MEMORY;
        let mode = match self.seeding.mode {
            SuperSeeding::Off => false,
            SuperSeeding::On => true,
            SuperSeeding::Auto => !self.seeding.seed_met.is_some_and(recent),
        };
        mode && self.is_seed()
    }

    /// Hides what we have from a peer that was told nothing yet, and offers it a first piece.
    pub(super) fn hide(&mut self, now: Instant, key: PeerKey) {
        let pieces = self.geometry.piece_count();
        if let Some(peer) = self.peers.get_mut(key) {
            peer.view = View::Hidden(Box::new(Offers::new(now, pieces)));
        }
        self.offer(now, key);
    }

    /// A peer told what it has; before, it was thought to have `before`.
    pub(super) fn spread_learns(&mut self, now: Instant, key: PeerKey, before: &PeerPieces) {
        let Some((spread, peer)) = self.spread_and(now, key) else {
            return;
        };
        spread.add_peer(&peer.pieces);
        spread.remove_peer(before);
        if let View::Hidden(offers) = &mut peer.view {
            let pieces = &peer.pieces;
            let got = |offer: &Offer| pieces.has(offer.piece);
            for offer in offers.open.extract_if(.., |offer| got(offer)) {
                settle(spread, &offer);
            }
        }
        self.end_if_pointless(now);
        self.offer(now, key);
    }

    /// A peer that lacked `piece` has it now.
    pub(super) fn spread_gains(&mut self, now: Instant, key: PeerKey, piece: PieceIndex) {
        let Some((spread, peer)) = self.spread_and(now, key) else {
            return;
        };
        spread.add_copy(piece);
        if let View::Hidden(offers) = &mut peer.view
            && let Some(offer) = offers.close(piece)
        {
            settle(spread, &offer);
        }
        self.end_if_pointless(now);
        self.offer(now, key);
    }

    /// What is known of the spread, and a peer of which we have heard; that it is a seed is noted.
    fn spread_and(&mut self, now: Instant, key: PeerKey) -> Option<(&mut Spread, &mut Peer)> {
        let peer = self.peers.get_mut(key)?;
        if peer.is_seed() {
            self.seeding.seed_met = Some(now);
        }
        Some((self.seeding.spread.as_mut()?, peer))
    }

    /// A peer lost `piece`.
    pub(super) fn spread_loses(&mut self, piece: PieceIndex) {
        if let Some(spread) = &mut self.seeding.spread {
            spread.remove_copy(piece);
        }
    }

    /// A peer is gone.
    pub(super) fn spread_parts(&mut self, peer: &Peer) {
        let Some(spread) = &mut self.seeding.spread else {
            return;
        };
        spread.remove_peer(&peer.pieces);
        if let View::Hidden(offers) = &peer.view {
            offers.open.iter().for_each(|offer| settle(spread, offer));
        }
        self.drop_spread_if_unused();
    }

    /// What is done once a second.
    pub(super) fn tick_super_seeding(&mut self, now: Instant) {
        let best = self.seeding.best_rate;
        let rate = self.upload.bytes_per_second();
        self.seeding.best_rate = rate.max(best - best / 32);
        self.seeding.link_rests = rate <= self.seeding.best_rate / 8 * 7;
        for key in self.peers.keys() {
            match self.peers.get(key).map(|peer| &peer.view) {
                Some(View::Hidden(_)) => {
                    self.review_offers(now, key);
                    self.note_declined(now, key);
                }
                Some(View::Opening(_)) => self.tell_more(now, key),
                _ => {}
            }
        }
        self.end_if_pointless(now);
        for key in self.peers.keys() {
            self.offer(now, key);
        }
    }

    /// Ends it when it may not be, or when nothing is left that only we have.
    pub(super) fn end_if_pointless(&mut self, now: Instant) {
        let Some(spread) = &self.seeding.spread else {
            return;
        };
        let done = self.seeding.mode == SuperSeeding::Auto && spread.is_complete();
        if done || !self.may_super_seed(now) {
            self.end_super_seeding(now);
        }
    }

    /// Tells everybody everything from now on.
    fn end_super_seeding(&mut self, now: Instant) {
        for key in self.peers.keys() {
            self.open_to(now, key);
        }
    }

    /// Tells a peer everything from now on.
    pub(super) fn open_to(&mut self, now: Instant, key: PeerKey) {
        let (Some(spread), Some(peer)) = (&mut self.seeding.spread, self.peers.get_mut(key)) else {
            return;
        };
        match std::mem::take(&mut peer.view) {
            View::Hidden(offers) => {
                offers.open.iter().for_each(|offer| settle(spread, offer));
                peer.view = View::Opening(Box::new(Opening {
                    told: offers.told,
                    next: 0,
                    is_first_turn: true,
                }));
            }
            other => peer.view = other,
        }
        self.drop_spread_if_unused();
        self.tell_more(now, key);
    }

    /// Nothing is kept when nothing is hidden from anybody.
    fn drop_spread_if_unused(&mut self) {
        if !self.peers.iter().any(|peer| peer.view.is_hidden()) {
            self.seeding.spread = None;
        }
    }

    /// Tells a peer of some more pieces: first of those that it lacks, then, at leisure, of the others.
    fn tell_more(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let View::Opening(mut opening) = std::mem::take(&mut peer.view) else {
            return;
        };
        let all = self.geometry.piece_count();
        let limit = if opening.is_first_turn {
            HAVES.0
        } else {
            HAVES.1
        };
        let mut sent = 0;
        while opening.next < all && sent < limit {
            let piece = PieceIndex(opening.next);
            opening.next += 1;
            let due = !(opening.is_first_turn && peer.pieces.has(piece));
            if due && self.have.has(piece) && opening.told.set(piece) {
                self.out.send(now, peer, Message::Have(piece));
                sent += 1;
            }
        }
        if opening.next < all {
            peer.view = View::Opening(opening);
        } else if opening.is_first_turn {
            opening.is_first_turn = false;
            opening.next = 0;
            peer.view = View::Opening(opening);
        }
    }
}

/// Strikes an offer off the books: the peer has the piece, or is gone.
pub(super) fn settle(spread: &mut Spread, offer: &Offer) {
    if offer.claimed {
        spread.release(offer.piece);
    }
    if offer.presumed {
        spread.remove_copy(offer.piece);
    }
}

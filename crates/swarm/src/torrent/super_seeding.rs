//! Super-seeding (BEP 16): when it begins and ends, and which piece is offered to whom.
//!
//! The aim is that the seed's link is always busy, with bytes that nobody else could send. So every unchoked peer is offered
//! pieces of its own, always more than it can fetch in a moment, and pieces that it does not fetch go to others. BEP 16 has
//! a peer wait for its next piece until another peer got the last one; here nobody waits while there is a piece that
//! nobody has, because a link that rests is lost for all.

use std::time::{Duration, Instant};

use headwater_metainfo::{BlockSpan, PieceIndex};
use headwater_wire::Message;

use super::Torrent;
use super::extended::dont_have;
use crate::peer::Peer;
use crate::pieces::PeerPieces;
use crate::super_seed::{Offer, Offers, Opening, Spread, View};
use crate::{PeerKey, SuperSeeding};

/// Time's worth of a peer's rate that is offered to it.
const OFFER_SECONDS: u64 = 2;
/// Bytes at least that are offered to an unchoked peer: what a request queue begins with.
const MIN_OFFER: u64 = 512 * 1024;
/// Pieces at most that are kept for one peer.
const MAX_OFFERS: usize = 512;
/// An offer that a peer asks nothing of for so long, and of nothing else either, is open to others.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same when the link rests for want of other pieces, whatever else the peer asks for.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);
/// A peer that is not interested for so long does not want what it was offered.
const QUIET: Duration = Duration::from_secs(1);
/// A peer that does not want so many pieces is choosy, and is told everything.
const MAX_DECLINED: usize = 4;
/// A peer that was sent a piece has it after this long, though it does not say so: some keep quiet to whoever has it too.
const SILENCE: Duration = Duration::from_secs(30);
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
        mode && self.have.is_full()
    }

    /// Hides what we have from a peer that was told nothing yet, and offers it a first piece.
    pub(super) fn hide(&mut self, now: Instant, key: PeerKey) {
        let pieces = self.geometry.piece_count();
        if let Some(peer) = self.peers.get_mut(key) {
            peer.view = View::Hidden(Box::new(Offers::new(now, pieces)));
        }
        self.offer(now, key);
    }

    /// Offers pieces to a peer until it has enough to ask for.
    pub(super) fn offer(&mut self, now: Instant, key: PeerKey) {
        while let Some(piece) = self.choose_offer(key) {
            let size = self.geometry.piece_size(piece);
            let (Some(spread), Some(peer)) = (&mut self.seeding.spread, self.peers.get_mut(key))
            else {
                return;
            };
            let View::Hidden(offers) = &mut peer.view else {
                return;
            };
            let claimed = !peer.am_choking;
            offers.push(now, piece, size, claimed);
            if claimed {
                spread.claim(piece);
            }
            self.out.send(now, peer, Message::Have(piece));
        }
    }

    /// The next piece for a peer that has too little to ask for: one that nobody has. Others only when the link rests.
    fn choose_offer(&mut self, key: PeerKey) -> Option<PieceIndex> {
        let goal_of = |peer: &Peer| offer_goal(peer, self.geometry.piece_length());
        let (spread, peer) = (self.seeding.spread.as_ref()?, self.peers.get(key)?);
        let View::Hidden(offers) = &peer.view else {
            return None;
        };
        // A choked peer needs one that it wants, so that it is interested and gets its turn.
        let enough = if peer.am_choking {
            offers.waiting() > offers.declined
        } else {
            let (bytes, count) = offers.in_hand();
            bytes >= goal_of(peer) || count >= MAX_OFFERS
        };
        if enough || peer.is_upload_only() {
            return None;
        }
        let fresh = spread.pick_fresh(&mut self.rng, &offers.told);
        if fresh.is_some() || !self.seeding.link_rests {
            return fresh;
        }
        spread.pick_rare(&mut self.rng, &peer.pieces, &offers.told)
    }

    /// A peer told what it has; before, it was thought to have `before`.
    pub(super) fn spread_learns(&mut self, now: Instant, key: PeerKey, before: &PeerPieces) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if peer.is_seed() {
            self.seeding.seed_met = Some(now);
        }
        let Some(spread) = &mut self.seeding.spread else {
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
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if peer.is_seed() {
            self.seeding.seed_met = Some(now);
        }
        let Some(spread) = &mut self.seeding.spread else {
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

    /// A peer asked for a block, and will get it.
    pub(super) fn offer_taken(&mut self, now: Instant, key: PeerKey, block: BlockSpan) {
        let (Some(spread), Some(peer)) = (&mut self.seeding.spread, self.peers.get_mut(key)) else {
            return;
        };
        let View::Hidden(offers) = &mut peer.view else {
            return;
        };
        offers.active_at = now;
        if let Some(offer) = offers.find(block.piece) {
            offer.touched = now;
            offer.declined = false;
            if !offer.claimed && spread.is_fresh(block.piece) {
                offer.claimed = true;
                spread.claim(block.piece);
            }
        }
    }

    /// A peer was sent a block.
    pub(super) fn offer_sent(&mut self, now: Instant, key: PeerKey, block: BlockSpan) {
        if let Some(peer) = self.peers.get_mut(key)
            && let View::Hidden(offers) = &mut peer.view
        {
            offers.note_sent(now, block.piece, block.length);
            self.offer(now, key);
        }
    }

    /// A peer was unchoked. What it was offered is kept for it, unless others got it meanwhile: that is taken back where the
    /// peer understands it (BEP 54).
    pub(super) fn offers_unchoked(&mut self, now: Instant, key: PeerKey) {
        let (Some(spread), Some(peer)) = (&mut self.seeding.spread, self.peers.get_mut(key)) else {
            return;
        };
        let View::Hidden(offers) = &mut peer.view else {
            return;
        };
        let mut stale = Vec::new();
        let unclaimed = offers.open.iter_mut().filter(|offer| !offer.claimed);
        for offer in unclaimed.filter(|offer| !offer.declined) {
            if spread.is_fresh(offer.piece) {
                offer.claimed = true;
                offer.touched = now;
                spread.claim(offer.piece);
            } else if !offer.is_begun() && !offer.presumed {
                stale.push(offer.piece);
            }
        }
        for piece in stale {
            self.take_back(now, key, piece);
        }
        self.offer(now, key);
    }

    fn take_back(&mut self, now: Instant, key: PeerKey, piece: PieceIndex) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let message = dont_have(peer, piece).filter(|_| peer.is_fast());
        if let (Some(message), View::Hidden(offers)) = (message, &mut peer.view) {
            offers.close(piece);
            offers.told.clear(piece);
            self.out.send(now, peer, message);
        }
    }

    /// A peer is about to be choked. It may finish what it began (BEP 6); the rest is open to others.
    pub(super) fn offers_choked(&mut self, now: Instant, key: PeerKey) {
        let (Some(spread), Some(peer)) = (&mut self.seeding.spread, self.peers.get_mut(key)) else {
            return;
        };
        let is_fast = peer.is_fast();
        let View::Hidden(offers) = &mut peer.view else {
            return;
        };
        let mut finishing = Vec::new();
        let unsent = offers.open.iter_mut().filter(|offer| !offer.is_sent());
        for offer in unsent.filter(|offer| offer.claimed) {
            if is_fast && offer.is_begun() {
                finishing.push(offer.piece);
            } else {
                offer.claimed = false;
                spread.release(offer.piece);
            }
        }
        for piece in finishing {
            self.out.send(now, peer, Message::AllowedFast(piece));
        }
    }

    /// Notes what a peer does not want: it knows of it and is not interested. One that does not want much has chosen some of
    /// the files, and would wait for long if it had to wait for one of them to be offered.
    fn note_declined(&mut self, now: Instant, key: PeerKey) {
        let (Some(spread), Some(peer)) = (&mut self.seeding.spread, self.peers.get_mut(key)) else {
            return;
        };
        let is_interested = peer.is_interested;
        let View::Hidden(offers) = &mut peer.view else {
            return;
        };
        let is_quiet = now.saturating_duration_since(offers.active_at) >= QUIET;
        if is_interested || !is_quiet {
            return;
        }
        for offer in &mut offers.open {
            if offer.is_sent() || offer.declined {
                continue;
            }
            offer.declined = true;
            offers.declined += 1;
            if std::mem::take(&mut offer.claimed) {
                spread.release(offer.piece);
            }
        }
        if offers.declined >= MAX_DECLINED {
            self.open_to(now, key);
        }
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

    /// Gives up offers that a peer does not take, and takes those for taken that were sent long ago.
    fn review_offers(&mut self, now: Instant, key: PeerKey) {
        let (Some(spread), Some(peer)) = (&mut self.seeding.spread, self.peers.get_mut(key)) else {
            return;
        };
        let View::Hidden(offers) = &mut peer.view else {
            return;
        };
        let wanting = self.seeding.link_rests && !spread.has_fresh();
        let patience = match (wanting, peer.uploads.len()) {
            (true, _) => SHORT_PATIENCE,
            (false, 0) => PATIENCE,
            (false, _) => Duration::MAX,
        };
        for offer in offers.open.iter_mut().filter(|offer| offer.claimed) {
            let age = now.saturating_duration_since(offer.touched);
            if offer.is_sent() && age >= SILENCE {
                offer.claimed = false;
                offer.presumed = true;
                spread.release(offer.piece);
                spread.add_copy(offer.piece);
            } else if !offer.is_sent() && age >= patience {
                offer.claimed = false;
                spread.release(offer.piece);
            }
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
    fn open_to(&mut self, now: Instant, key: PeerKey) {
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

/// Bytes that an unchoked peer should have to ask for: two pieces at least, so that it has the next one before it is
/// done with the last.
fn offer_goal(peer: &Peer, piece_length: u32) -> u64 {
    let soon = peer.upload.at_least() * OFFER_SECONDS;
    soon.max(MIN_OFFER).max(u64::from(piece_length) + 1)
}

/// Strikes an offer off the books: the peer has the piece, or is gone.
fn settle(spread: &mut Spread, offer: &Offer) {
    if offer.claimed {
        spread.release(offer.piece);
    }
    if offer.presumed {
        spread.remove_copy(offer.piece);
    }
}

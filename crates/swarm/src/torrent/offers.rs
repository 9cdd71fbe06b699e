//! Super-seeding (BEP 16): which piece is offered to whom, and what becomes of the offer.

use std::time::{Duration, Instant};

use headwater_metainfo::{BlockSpan, PieceIndex};
use headwater_wire::Message;

use super::Torrent;
use super::extended::dont_have;
use crate::PeerKey;
use crate::peer::Peer;
use crate::super_seed::View;

/// Time's worth of a peer's rate that is offered to it.
const OFFER_SECONDS: u64 = 2;
/// Bytes at least that are offered to an unchoked peer: what a request queue begins with. The less there is on the way to each, the sooner
/// the first pieces are complete and can be passed on.
const MIN_OFFER: u64 = 128 * 1024;
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

impl Torrent {
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
    pub(super) fn note_declined(&mut self, now: Instant, key: PeerKey) {
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

    /// Gives up offers that a peer does not take, and takes those for taken that were sent long ago.
    pub(super) fn review_offers(&mut self, now: Instant, key: PeerKey) {
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
}

/// Bytes that an unchoked peer should have to ask for: two pieces at least, so that it has the next one before it is
/// done with the last.
fn offer_goal(peer: &Peer, piece_length: u32) -> u64 {
    let soon = peer.upload.at_least() * OFFER_SECONDS;
    soon.max(MIN_OFFER).max(u64::from(piece_length) + 1)
}

//! Super-seeding (BEP 16): which pieces the swarm lacks, and what each peer was offered of them.
//!
//! A seed that is alone loses time with every byte that it sends twice. It says that it has nothing, then names each piece
//! to one peer only, so that no two fetch the same one. What it does when lies in `torrent/super_seeding.rs` and `torrent/offers.rs`.

use std::time::Instant;

use headwater_metainfo::{Bitfield, PieceIndex};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::SuperSeeding;
use crate::pieces::PeerPieces;

/// Pieces that are looked at in search of one that is fit to be offered.
const SAMPLE: usize = 16;
/// A piece that is in no list of fresh ones.
const NOWHERE: u32 = u32::MAX;

/// How a torrent seeds.
#[derive(Debug, Default)]
pub(crate) struct Seeding {
    pub(crate) mode: SuperSeeding,
    /// There as long as anything is hidden from anybody.
    pub(crate) spread: Option<Spread>,
    /// When another seed was last heard of.
    pub(crate) seed_met: Option<Instant>,
    /// The highest upload rate of late: what the link can do.
    pub(crate) best_rate: u64,
    /// Whether the link could carry more than it does.
    pub(crate) link_rests: bool,
}

/// How far the pieces have spread: who else has them, and to how many peers they are on their way.
///
/// Every change costs the same, however many pieces and peers there are.
#[derive(Debug)]
pub(crate) struct Spread {
    /// For each piece the peers that have it.
    copies: Vec<u32>,
    /// For each piece the peers that are fetching it from us.
    claims: Vec<u32>,
    /// Pieces that no peer has.
    missing: u32,
    /// Pieces that no peer has or is fetching.
    fresh: Vec<PieceIndex>,
    /// Where in `fresh` each piece is.
    positions: Vec<u32>,
}

impl Spread {
    /// Nobody has any of so many pieces.
    pub(crate) fn new(pieces: u32) -> Self {
        Self {
            copies: vec![0; pieces as usize],
            claims: vec![0; pieces as usize],
            missing: pieces,
            fresh: (0..pieces).map(PieceIndex).collect(),
            positions: (0..pieces).collect(),
        }
    }

    /// Whether every piece is with somebody else.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Whether no peer has or is fetching `piece`.
    pub(crate) fn is_fresh(&self, piece: PieceIndex) -> bool {
        self.positions[piece.as_usize()] != NOWHERE
    }

    /// Whether there is any piece that no peer has or is fetching.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    pub(crate) fn add_peer(&mut self, pieces: &PeerPieces) {
        pieces.iter().for_each(|piece| self.add_copy(piece));
    }

    pub(crate) fn remove_peer(&mut self, pieces: &PeerPieces) {
        pieces.iter().for_each(|piece| self.remove_copy(piece));
    }

    pub(crate) fn add_copy(&mut self, piece: PieceIndex) {
        let copies = &mut self.copies[piece.as_usize()];
        self.missing -= u32::from(*copies == 0);
        *copies += 1;
        self.sort(piece);
    }

    pub(crate) fn remove_copy(&mut self, piece: PieceIndex) {
        let copies = &mut self.copies[piece.as_usize()];
        *copies -= 1;
        self.missing += u32::from(*copies == 0);
        self.sort(piece);
    }

    /// A peer is about to fetch `piece` from us.
    pub(crate) fn claim(&mut self, piece: PieceIndex) {
        self.claims[piece.as_usize()] += 1;
        self.sort(piece);
    }

    /// It is not, or has done so.
    pub(crate) fn release(&mut self, piece: PieceIndex) {
        self.claims[piece.as_usize()] -= 1;
        self.sort(piece);
    }

    /// Puts a piece where it belongs.
    fn sort(&mut self, piece: PieceIndex) {
        let index = piece.as_usize();
        let belongs = self.copies[index] == 0 && self.claims[index] == 0;
        let position = self.positions[index];
        if belongs && position == NOWHERE {
            self.positions[index] = self.fresh.len() as u32;
            self.fresh.push(piece);
        } else if !belongs && position != NOWHERE {
            self.fresh.swap_remove(position as usize);
            if let Some(moved) = self.fresh.get(position as usize) {
                self.positions[moved.as_usize()] = position;
            }
            self.positions[index] = NOWHERE;
        }
    }

    /// A piece that nobody has or is fetching, for a peer that was told of `told`.
    pub(crate) fn pick_fresh(
        &self,
        rng: &mut Xoshiro256PlusPlus,
        told: &Bitfield,
    ) -> Option<PieceIndex> {
        let count = self.fresh.len();
        let start = (count > 0).then(|| rng.random_range(0..count))?;
        let turned = self.fresh[start..].iter().chain(&self.fresh[..start]);
        let mut some = turned.take(SAMPLE).copied();
        some.find(|&piece| !told.has(piece))
    }

    /// A piece that few have or are fetching, and that a peer lacks which was told of `told`.
    pub(crate) fn pick_rare(
        &self,
        rng: &mut Xoshiro256PlusPlus,
        had: &PeerPieces,
        told: &Bitfield,
    ) -> Option<PieceIndex> {
        let count = self.copies.len() as u32;
        let start = (count > 0).then(|| rng.random_range(0..count))?;
        let lacks = |piece: &PieceIndex| !had.has(*piece) && !told.has(*piece);
        let turned = (start..count).chain(0..start).map(PieceIndex);
        let some = turned.filter(lacks).take(SAMPLE);
        some.min_by_key(|piece| self.copies[piece.as_usize()] + self.claims[piece.as_usize()])
    }

    /// Panics unless the counts are those of `peers`: what each has, and what it was offered if anything is hidden from it.
    pub(crate) fn check_invariants<'a>(
        &self,
        peers: impl Iterator<Item = (&'a PeerPieces, &'a View)>,
    ) {
        let mut recount = Self::new(self.copies.len() as u32);
        for (pieces, view) in peers {
            recount.add_peer(pieces);
            let View::Hidden(offers) = view else { continue };
            offers.check_invariants(pieces);
            for offer in &offers.open {
                if offer.presumed {
                    recount.add_copy(offer.piece);
                }
                if offer.claimed {
                    recount.claim(offer.piece);
                }
            }
        }
        assert_eq!(recount.copies, self.copies);
        assert_eq!(recount.claims, self.claims);
        assert_eq!(recount.missing, self.missing);
        assert_eq!(recount.fresh.len(), self.fresh.len());
        for (position, piece) in self.fresh.iter().enumerate() {
            assert_eq!(self.positions[piece.as_usize()], position as u32);
            assert!(recount.is_fresh(*piece), "{piece:?}");
        }
    }
}

/// What a peer knows of what we have.
#[derive(Debug, Default)]
pub(crate) enum View {
    /// All of it.
    #[default]
    Open,
    /// What it was offered.
    Hidden(Box<Offers>),
    /// What it was told so far; it is being told the rest.
    Opening(Box<Opening>),
}

impl View {
    pub(crate) fn is_hidden(&self) -> bool {
        matches!(self, Self::Hidden(_))
    }

    /// Whether the peer was told that we have a piece, provided that we do.
    pub(crate) fn shows(&self, piece: PieceIndex) -> bool {
        match self {
            Self::Open => true,
            Self::Hidden(offers) => offers.told.has(piece),
            Self::Opening(opening) => opening.told.has(piece),
        }
    }

    /// The peer was told of a piece for other reasons than having been offered it.
    pub(crate) fn note_told(&mut self, piece: PieceIndex) {
        if let Self::Opening(opening) = self {
            opening.told.set(piece);
        }
    }

    /// Whether the peer is in the middle of a piece that it should finish, choked or not.
    pub(crate) fn is_finishing(&self, piece: PieceIndex) -> bool {
        match self {
            Self::Hidden(offers) => offers
                .open
                .iter()
                .any(|offer| offer.piece == piece && offer.claimed && offer.is_begun()),
            _ => false,
        }
    }
}

/// The telling of what was hidden.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) told: Bitfield,
    /// How far this turn has come.
    pub(crate) next: u32,
    /// The first turn is for what the peer lacks.
    pub(crate) is_first_turn: bool,
}

/// A piece that a peer was told of and has not got.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) piece: PieceIndex,
    size: u32,
    sent: u32,
    /// It is kept for this peer: nobody else is offered it.
    pub(crate) claimed: bool,
    /// It was sent long ago: the peer will have it, though it does not say so.
    pub(crate) presumed: bool,
    /// The peer does not want it.
    pub(crate) declined: bool,
    /// When the peer was last seen to fetch it.
    pub(crate) touched: Instant,
}

impl Offer {
    pub(crate) fn is_begun(&self) -> bool {
        self.sent > 0
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.sent >= self.size
    }

    fn unsent(&self) -> u64 {
        u64::from(self.size - self.sent)
    }
}

/// What one peer was offered.
#[derive(Debug)]
pub(crate) struct Offers {
    pub(crate) told: Bitfield,
    pub(crate) open: Vec<Offer>,
    /// When something was last offered, asked for or sent.
    pub(crate) active_at: Instant,
    /// Pieces that the peer does not seem to want.
    pub(crate) declined: usize,
}

impl Offers {
    pub(crate) fn new(now: Instant, pieces: u32) -> Self {
        Self {
            told: Bitfield::new(pieces),
            open: Vec::new(),
            active_at: now,
            declined: 0,
        }
    }

    pub(crate) fn push(&mut self, now: Instant, piece: PieceIndex, size: u32, claimed: bool) {
        self.told.set(piece);
        self.open.push(Offer {
            piece,
            size,
            sent: 0,
            claimed,
            presumed: false,
            declined: false,
            touched: now,
        });
        self.active_at = now;
    }

    /// Finds an offer; the latest ones are the likeliest.
    pub(crate) fn find(&mut self, piece: PieceIndex) -> Option<&mut Offer> {
        self.open
            .iter_mut()
            .rev()
            .find(|offer| offer.piece == piece)
    }

    /// Takes out the offer of a piece that the peer has got.
    pub(crate) fn close(&mut self, piece: PieceIndex) -> Option<Offer> {
        let at = self.open.iter().rposition(|offer| offer.piece == piece)?;
        Some(self.open.swap_remove(at))
    }

    /// A block of a piece was sent.
    pub(crate) fn note_sent(&mut self, now: Instant, piece: PieceIndex, length: u32) {
        self.active_at = now;
        if let Some(offer) = self.find(piece) {
            offer.sent = offer.sent.saturating_add(length).min(offer.size);
            offer.touched = now;
        }
    }

    /// Bytes that are kept for this peer and were not sent, and the number of pieces that they are in.
    pub(crate) fn in_hand(&self) -> (u64, usize) {
        let unsent = self.open.iter().filter(|offer| !offer.is_sent());
        let kept = unsent.filter(|offer| offer.claimed);
        kept.fold((0, 0), |(bytes, count), offer| {
            (bytes + offer.unsent(), count + 1)
        })
    }

    /// Pieces that the peer may still want of us.
    pub(crate) fn waiting(&self) -> usize {
        let waiting = |offer: &&Offer| !offer.is_sent() && !offer.declined;
        self.open.iter().filter(waiting).count()
    }

    fn check_invariants(&self, had: &PeerPieces) {
        for (index, offer) in self.open.iter().enumerate() {
            assert!(self.told.has(offer.piece), "{offer:?}");
            assert!(!had.has(offer.piece), "{offer:?}");
            assert!(offer.sent <= offer.size, "{offer:?}");
            assert!(!(offer.presumed && offer.claimed), "{offer:?}");
            let later = &self.open[index + 1..];
            assert!(later.iter().all(|other| other.piece != offer.piece));
        }
    }
}

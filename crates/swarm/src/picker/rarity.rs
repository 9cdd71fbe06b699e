//! Pieces sorted by how many peers have them, kept sorted at constant cost for each change.

use std::collections::BTreeSet;

use headwater_metainfo::PieceIndex;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use super::tier::Tier;
use crate::Priority;

/// Where the picker keeps a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: it is had or not wanted.
    Out,
    /// At this position of its bucket: wanted, and nothing of it was asked for.
    Queued(u32),
    /// In this slot of the partial pieces.
    Partial(u32),
}

/// What is known of one piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct PieceEntry {
    /// Peers that have it, seeds not counted: they have everything and are counted once for all.
    pub(super) availability: u32,
    /// Index of its tier, or [`NO_TIER`] when it is not wanted (any more).
    pub(super) tier: u32,
    pub(super) place: Place,
}

/// The tier of pieces that are not wanted.
pub(super) const NO_TIER: u32 = u32::MAX;

/// Where a queued piece comes in the order of fetching: its tier, then its availability, or its index when pieces are
/// fetched in order.
pub(super) type Standing = (u32, u32);

/// Every piece's entry, and the queued ones in the order in which they should be fetched.
#[derive(Debug, Clone)]
pub(super) struct Rarity {
    pieces: Vec<PieceEntry>,
    tiers: Vec<Tier>,
    /// The tiers that have queued pieces.
    filled: BTreeSet<u32>,
    /// The queued pieces by tier and index, kept only while they are fetched in order.
    in_order: Option<BTreeSet<Standing>>,
    rng: Xoshiro256PlusPlus,
}

impl Rarity {
    /// `pieces` pieces, none wanted and none available.
    pub(super) fn new(pieces: u32, rng: Xoshiro256PlusPlus) -> Self {
        let entry = PieceEntry {
            availability: 0,
            tier: NO_TIER,
            place: Place::Out,
        };
        Self {
            pieces: vec![entry; pieces as usize],
            tiers: Vec::new(),
            filled: BTreeSet::new(),
            in_order: None,
            rng,
        }
    }

    pub(super) fn entry(&self, piece: PieceIndex) -> PieceEntry {
        self.pieces[piece.as_usize()]
    }

    pub(super) fn len(&self) -> u32 {
        self.pieces.len() as u32
    }

    /// The most wanted tier that has queued pieces.
    pub(super) fn top(&self) -> Option<u32> {
        self.filled.first().copied()
    }

    /// Queued pieces of the most wanted tier.
    pub(super) fn top_len(&self) -> u32 {
        self.top().map_or(0, |tier| self.tiers[tier as usize].len())
    }

    /// The priority that the pieces of a tier have.
    pub(super) fn priority_of(&self, tier: u32) -> Priority {
        self.tiers[tier as usize].priority()
    }

    /// Where a piece stands in the order of fetching, if it is queued.
    pub(super) fn standing(&self, piece: PieceIndex) -> Option<Standing> {
        let entry = self.entry(piece);
        let second = match self.in_order {
            Some(_) => piece.0,
            None => entry.availability,
        };
        matches!(entry.place, Place::Queued(_)).then_some((entry.tier, second))
    }

    /// The first queued piece from `floor` on that `has` accepts; among equals, any. Pieces that fewer than `least` peers
    /// have are passed over.
    pub(super) fn first(
        &mut self,
        floor: Standing,
        least: u32,
        has: impl Fn(PieceIndex) -> bool,
    ) -> Option<PieceIndex> {
        if let Some(in_order) = &self.in_order {
            let mut pieces = in_order.range(floor..).map(|&(_, index)| PieceIndex(index));
            return pieces.find(|&piece| has(piece));
        }
        self.filled.range(floor.0..).find_map(|&tier| {
            let from = if tier == floor.0 { floor.1 } else { 0 };
            self.tiers[tier as usize].first(from.max(least), &mut self.rng, &has)
        })
    }

    /// Any queued piece of the most wanted tier that has one which `has` accepts.
    pub(super) fn any(&mut self, has: impl Fn(PieceIndex) -> bool) -> Option<PieceIndex> {
        let rng = &mut self.rng;
        self.filled
            .iter()
            .find_map(|&tier| self.tiers[tier as usize].any(rng, &has))
    }

    /// A random odd number.
    pub(super) fn random_odd(&mut self) -> u32 {
        self.rng.random::<u32>() | 1
    }

    /// Whether queued pieces are taken in order instead of the rarest first.
    pub(super) fn set_sequential(&mut self, sequential: bool) {
        self.in_order = sequential.then(BTreeSet::new);
        let Some(in_order) = &mut self.in_order else {
            return;
        };
        for (entry, index) in self.pieces.iter().zip(0..) {
            if matches!(entry.place, Place::Queued(_)) {
                in_order.insert((entry.tier, index));
            }
        }
    }

    pub(super) fn is_sequential(&self) -> bool {
        self.in_order.is_some()
    }

    /// Sorts anew: every piece to which `priority` gives more than 0 is wanted. Partial pieces keep their place, whether
    /// wanted or not.
    pub(super) fn set_priorities(&mut self, priority: impl Fn(PieceIndex) -> Priority) {
        let mut levels: Vec<_> = (0..self.len()).map(|i| priority(PieceIndex(i))).collect();
        levels.retain(|level| level.is_wanted());
        levels.sort_unstable_by(|a, b| b.cmp(a));
        levels.dedup();
        self.tiers = levels.into_iter().map(Tier::new).collect();
        self.filled.clear();
        if let Some(in_order) = &mut self.in_order {
            in_order.clear();
        }
        for piece in (0..self.len()).map(PieceIndex) {
            let tier = self.tier_of(priority(piece));
            let entry = &mut self.pieces[piece.as_usize()];
            entry.tier = tier;
            if !matches!(entry.place, Place::Partial(_)) {
                entry.place = Place::Out;
                self.push(piece);
            }
        }
    }

    /// The tier of `priority`, if any piece had that priority when they were last set.
    fn tier_of(&self, priority: Priority) -> u32 {
        self.tiers
            .binary_search_by(|tier| priority.cmp(&tier.priority()))
            .map_or(NO_TIER, |index| index as u32)
    }

    /// One more peer has `piece`.
    pub(super) fn raise(&mut self, piece: PieceIndex) {
        let entry = self.pieces[piece.as_usize()];
        self.change_availability(piece, entry, entry.availability + 1);
    }

    /// One peer less has `piece`.
    pub(super) fn lower(&mut self, piece: PieceIndex) {
        let entry = self.pieces[piece.as_usize()];
        let lower = entry.availability.checked_sub(1);
        debug_assert!(lower.is_some(), "{piece:?} lowered below 0");
        if let Some(lower) = lower {
            self.change_availability(piece, entry, lower);
        }
    }

    fn change_availability(&mut self, piece: PieceIndex, entry: PieceEntry, availability: u32) {
        self.pieces[piece.as_usize()].availability = availability;
        let Place::Queued(position) = entry.place else {
            return;
        };
        let tier = &mut self.tiers[entry.tier as usize];
        if let Some(moved) = tier.remove(entry.availability, position) {
            self.pieces[moved.as_usize()].place = entry.place;
        }
        let position = tier.push(availability, piece);
        self.pieces[piece.as_usize()].place = Place::Queued(position);
    }

    /// Makes a piece that is not queued wanted, with nothing of it asked for. Its priority has a tier.
    pub(super) fn queue(&mut self, piece: PieceIndex, priority: Priority) {
        let tier = self.tier_of(priority);
        let entry = &mut self.pieces[piece.as_usize()];
        debug_assert!(!matches!(entry.place, Place::Queued(_)));
        entry.tier = tier;
        entry.place = Place::Out;
        self.push(piece);
    }

    /// Queues a piece that is nowhere, if it is wanted.
    fn push(&mut self, piece: PieceIndex) {
        let entry = &mut self.pieces[piece.as_usize()];
        let index = entry.tier;
        if index == NO_TIER {
            return;
        }
        let tier = &mut self.tiers[index as usize];
        entry.place = Place::Queued(tier.push(entry.availability, piece));
        if tier.len() == 1 {
            self.filled.insert(index);
        }
        if let Some(in_order) = &mut self.in_order {
            in_order.insert((index, piece.0));
        }
    }

    /// Adds a tier for `priority` if no piece had it yet, so that a piece can be queued there. Says whether it did.
    pub(super) fn ensure_tier(&mut self, priority: Priority) -> bool {
        let Err(index) = self
            .tiers
            .binary_search_by(|tier| priority.cmp(&tier.priority()))
        else {
            return false;
        };
        self.tiers.insert(index, Tier::new(priority));
        for entry in &mut self.pieces {
            if entry.tier != NO_TIER && entry.tier >= index as u32 {
                entry.tier += 1;
            }
        }
        let filled = (0..).zip(&self.tiers).filter(|(_, tier)| tier.len() > 0);
        self.filled = filled.map(|(index, _)| index).collect();
        self.set_sequential(self.is_sequential());
        true
    }

    /// Takes a queued piece out of its tier, to `place`.
    pub(super) fn unqueue(&mut self, piece: PieceIndex, place: Place) {
        let entry = self.pieces[piece.as_usize()];
        self.pieces[piece.as_usize()].place = place;
        let Place::Queued(position) = entry.place else {
            return;
        };
        let tier = &mut self.tiers[entry.tier as usize];
        if let Some(moved) = tier.remove(entry.availability, position) {
            self.pieces[moved.as_usize()].place = entry.place;
        }
        if tier.len() == 0 {
            self.filled.remove(&entry.tier);
        }
        if let Some(in_order) = &mut self.in_order {
            in_order.remove(&(entry.tier, piece.0));
        }
    }

    /// Marks a piece as wanted no more.
    pub(super) fn forget(&mut self, piece: PieceIndex) {
        self.unqueue(piece, Place::Out);
        self.pieces[piece.as_usize()].tier = NO_TIER;
    }

    /// Panics unless every piece is where its entry says and every bucket holds what it should.
    pub(super) fn check_invariants(&self) {
        let mut queued = 0;
        for (tier, index) in self.tiers.iter().zip(0u32..) {
            let mut len = 0;
            for (availability, position, piece) in tier.pieces() {
                let entry = self.entry(piece);
                assert_eq!(entry.place, Place::Queued(position), "{piece:?}");
                assert_eq!(entry.tier, index, "{piece:?}");
                assert_eq!(entry.availability, availability, "{piece:?}");
                len += 1;
            }
            assert_eq!(tier.len(), len);
            assert_eq!(self.filled.contains(&index), len > 0);
            queued += len;
        }
        let places = self.pieces.iter();
        let claimed = places.filter(|entry| matches!(entry.place, Place::Queued(_)));
        assert_eq!(claimed.count() as u32, queued);
        let mut anew = self.clone();
        anew.set_sequential(self.is_sequential());
        assert_eq!(anew.in_order, self.in_order);
    }
}

//! Pieces sorted by how many peers have them, kept sorted at constant cost for each change.

use headwater_metainfo::PieceIndex;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::Priority;

/// Where the picker keeps a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: it is had or not wanted.
    Out,
    /// At this position of its tier: wanted, and nothing of it was asked for.
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

/// The queued pieces of one priority: a permutation, divided into buckets of equal availability, rarest first.
///
/// A change of availability by one moves a piece across one boundary: two swaps. The order inside a bucket is random.
#[derive(Debug, Clone)]
struct Tier {
    priority: Priority,
    order: Vec<PieceIndex>,
    /// For each availability the position past its bucket. The last one is the length of `order`.
    ends: Vec<u32>,
}

impl Tier {
    fn start(&self, availability: u32) -> u32 {
        match availability {
            0 => 0,
            _ => self.ends[availability as usize - 1],
        }
    }
}

/// Every piece's entry, and the queued ones in the order in which they should be fetched.
#[derive(Debug, Clone)]
pub(super) struct Rarity {
    pieces: Vec<PieceEntry>,
    tiers: Vec<Tier>,
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
            rng,
        }
    }

    pub(super) fn entry(&self, piece: PieceIndex) -> PieceEntry {
        self.pieces[piece.as_usize()]
    }

    pub(super) fn len(&self) -> u32 {
        self.pieces.len() as u32
    }

    /// Sorts anew: every piece to which `priority` gives more than 0 is wanted. Partial pieces keep their place, whether
    /// wanted or not.
    pub(super) fn set_priorities(&mut self, priority: impl Fn(PieceIndex) -> Priority) {
        let mut levels: Vec<_> = (0..self.len()).map(|i| priority(PieceIndex(i))).collect();
        levels.retain(|level| level.is_wanted());
        levels.sort_unstable_by(|a, b| b.cmp(a));
        levels.dedup();
        self.tiers = levels
            .into_iter()
            .map(|priority| Tier {
                priority,
                order: Vec::new(),
                ends: vec![0],
            })
            .collect();
        for index in 0..self.len() {
            self.assign_tier(PieceIndex(index), priority(PieceIndex(index)));
        }
        for tier in 0..self.tiers.len() {
            self.sort_tier(tier);
        }
    }

    fn assign_tier(&mut self, piece: PieceIndex, priority: Priority) {
        let tier = self.tier_of(priority);
        let entry = &mut self.pieces[piece.as_usize()];
        entry.tier = tier;
        if matches!(entry.place, Place::Partial(_)) {
            return;
        }
        entry.place = Place::Out;
        if tier != NO_TIER {
            self.tiers[tier as usize].order.push(piece);
        }
    }

    /// The tier of `priority`, if any piece had that priority when they were last set.
    fn tier_of(&self, priority: Priority) -> u32 {
        self.tiers
            .binary_search_by(|tier| priority.cmp(&tier.priority))
            .map_or(NO_TIER, |index| index as u32)
    }

    /// Puts a tier's pieces into random order, then into their buckets.
    fn sort_tier(&mut self, index: usize) {
        let tier = &mut self.tiers[index];
        for last in (1..tier.order.len()).rev() {
            let other = self.rng.random_range(0..=last);
            tier.order.swap(last, other);
        }
        let pieces = &mut self.pieces;
        tier.order
            .sort_by_key(|piece| pieces[piece.as_usize()].availability);
        tier.ends.clear();
        for (position, piece) in tier.order.iter().enumerate() {
            let entry = &mut pieces[piece.as_usize()];
            entry.place = Place::Queued(position as u32);
            while tier.ends.len() < entry.availability as usize {
                tier.ends.push(position as u32);
            }
        }
        tier.ends.push(tier.order.len() as u32);
    }

    /// One more peer has `piece`.
    pub(super) fn raise(&mut self, piece: PieceIndex) {
        let entry = self.pieces[piece.as_usize()];
        self.pieces[piece.as_usize()].availability += 1;
        let Place::Queued(position) = entry.place else {
            return;
        };
        let bucket = entry.availability as usize;
        let tier = &mut self.tiers[entry.tier as usize];
        while tier.ends.len() < bucket + 2 {
            tier.ends.push(tier.order.len() as u32);
        }
        tier.ends[bucket] -= 1;
        let last = tier.ends[bucket];
        self.swap(entry.tier, position, last);
        self.shuffle_into_bucket(piece);
    }

    /// One peer less has `piece`.
    pub(super) fn lower(&mut self, piece: PieceIndex) {
        let entry = self.pieces[piece.as_usize()];
        let lower = entry.availability.checked_sub(1);
        debug_assert!(lower.is_some(), "{piece:?} lowered below 0");
        let Some(lower) = lower else { return };
        self.pieces[piece.as_usize()].availability = lower;
        let Place::Queued(position) = entry.place else {
            return;
        };
        let tier = &mut self.tiers[entry.tier as usize];
        let first = tier.ends[lower as usize];
        tier.ends[lower as usize] += 1;
        self.swap(entry.tier, position, first);
        self.shuffle_into_bucket(piece);
    }

    /// Makes a piece that is not queued wanted, with nothing of it asked for. Its priority has a tier.
    pub(super) fn queue(&mut self, piece: PieceIndex, priority: Priority) {
        let index = self.tier_of(priority);
        let entry = &mut self.pieces[piece.as_usize()];
        debug_assert!(!matches!(entry.place, Place::Queued(_)));
        entry.tier = index;
        entry.place = Place::Out;
        if index == NO_TIER {
            return;
        }
        let bucket = entry.availability as usize;
        let tier = &mut self.tiers[index as usize];
        while tier.ends.len() <= bucket {
            tier.ends.push(tier.order.len() as u32);
        }
        tier.order.push(piece);
        // The hole is at the end; every later bucket moves its first piece behind its last one.
        let mut hole = tier.order.len() as u32 - 1;
        for later in (bucket + 1..tier.ends.len()).rev() {
            let first = tier.start(later as u32);
            tier.ends[later] += 1;
            if first != hole {
                let moved = tier.order[first as usize];
                tier.order[hole as usize] = moved;
                self.pieces[moved.as_usize()].place = Place::Queued(hole);
                hole = first;
            }
        }
        tier.ends[bucket] += 1;
        tier.order[hole as usize] = piece;
        self.pieces[piece.as_usize()].place = Place::Queued(hole);
        self.shuffle_into_bucket(piece);
    }

    /// Adds a tier for `priority` if no piece had it yet, so that a piece can be queued there.
    pub(super) fn ensure_tier(&mut self, priority: Priority) {
        let Err(index) = self
            .tiers
            .binary_search_by(|tier| priority.cmp(&tier.priority))
        else {
            return;
        };
        self.tiers.insert(
            index,
            Tier {
                priority,
                order: Vec::new(),
                ends: vec![0],
            },
        );
        for entry in &mut self.pieces {
            if entry.tier != NO_TIER && entry.tier >= index as u32 {
                entry.tier += 1;
            }
        }
    }

    /// Takes a queued piece out of its tier, to `place`.
    pub(super) fn unqueue(&mut self, piece: PieceIndex, place: Place) {
        let entry = self.pieces[piece.as_usize()];
        if let Place::Queued(position) = entry.place {
            let tier = &mut self.tiers[entry.tier as usize];
            let mut hole = position;
            for bucket in entry.availability as usize..tier.ends.len() {
                tier.ends[bucket] -= 1;
                let last = tier.ends[bucket];
                if last != hole {
                    let moved = tier.order[last as usize];
                    tier.order[hole as usize] = moved;
                    self.pieces[moved.as_usize()].place = Place::Queued(hole);
                    hole = last;
                }
            }
            tier.order.pop();
        }
        self.pieces[piece.as_usize()].place = place;
    }

    /// Marks a piece that is not queued as wanted no more.
    pub(super) fn forget(&mut self, piece: PieceIndex) {
        self.unqueue(piece, Place::Out);
        self.pieces[piece.as_usize()].tier = NO_TIER;
    }

    /// The tiers that have queued pieces, the most wanted one first, each with its pieces, the rarest first.
    pub(super) fn tiers(&self) -> impl Iterator<Item = (u32, &[PieceIndex])> {
        self.tiers
            .iter()
            .enumerate()
            .filter(|(_, tier)| !tier.order.is_empty())
            .map(|(index, tier)| (index as u32, tier.order.as_slice()))
    }

    /// The priority that the pieces of a tier have.
    pub(super) fn priority_of(&self, tier: u32) -> Priority {
        self.tiers[tier as usize].priority
    }

    /// A random number below `bound`, which is not 0.
    pub(super) fn random_below(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound)
    }

    /// Swaps a queued piece with a random one of the same bucket.
    fn shuffle_into_bucket(&mut self, piece: PieceIndex) {
        let entry = self.pieces[piece.as_usize()];
        let Place::Queued(position) = entry.place else {
            return;
        };
        let tier = &self.tiers[entry.tier as usize];
        let bucket = tier.start(entry.availability)..tier.ends[entry.availability as usize];
        let other = self.rng.random_range(bucket);
        self.swap(entry.tier, position, other);
    }

    fn swap(&mut self, tier: u32, a: u32, b: u32) {
        let order = &mut self.tiers[tier as usize].order;
        order.swap(a as usize, b as usize);
        self.pieces[order[a as usize].as_usize()].place = Place::Queued(a);
        self.pieces[order[b as usize].as_usize()].place = Place::Queued(b);
    }

    /// Panics unless every piece is where its entry says and every bucket holds what it should.
    pub(super) fn check_invariants(&self) {
        let mut queued = 0;
        for (index, tier) in self.tiers.iter().enumerate() {
            assert_eq!(tier.ends.last().copied(), Some(tier.order.len() as u32));
            assert!(tier.ends.is_sorted());
            for (position, piece) in tier.order.iter().enumerate() {
                let entry = self.entry(*piece);
                assert_eq!(entry.place, Place::Queued(position as u32), "{piece:?}");
                assert_eq!(entry.tier, index as u32, "{piece:?}");
                let bucket = tier.start(entry.availability)..tier.ends[entry.availability as usize];
                assert!(
                    bucket.contains(&(position as u32)),
                    "{piece:?} in {bucket:?}"
                );
            }
            queued += tier.order.len();
        }
        let places = self.pieces.iter();
        let claimed = places.filter(|entry| matches!(entry.place, Place::Queued(_)));
        assert_eq!(claimed.count(), queued);
    }
}

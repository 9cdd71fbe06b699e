//! The queued pieces of one priority.

use headwater_metainfo::PieceIndex;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::Priority;

/// Room that an emptied bucket may keep.
const KEPT_CAPACITY: usize = 64;

/// The queued pieces of one priority, in a bucket for each availability. The order inside a bucket means nothing: who
/// looks into one begins at a random place.
#[derive(Debug, Clone)]
pub(super) struct Tier {
    priority: Priority,
    buckets: Vec<Vec<PieceIndex>>,
    len: u32,
}

impl Tier {
    pub(super) fn new(priority: Priority) -> Self {
        Self {
            priority,
            buckets: Vec::new(),
            len: 0,
        }
    }

    pub(super) fn priority(&self) -> Priority {
        self.priority
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Adds a piece and says at which position of its bucket it is.
    pub(super) fn push(&mut self, availability: u32, piece: PieceIndex) -> u32 {
        let index = availability as usize;
        if self.buckets.len() <= index {
            self.buckets.resize_with(index + 1, Vec::new);
        }
        let bucket = &mut self.buckets[index];
        bucket.push(piece);
        self.len += 1;
        bucket.len() as u32 - 1
    }

    /// Takes a piece out. Another one may take its position.
    pub(super) fn remove(&mut self, availability: u32, position: u32) -> Option<PieceIndex> {
        let bucket = &mut self.buckets[availability as usize];
        bucket.swap_remove(position as usize);
        self.len -= 1;
        let moved = bucket.get(position as usize).copied();
        // As peers come, all pieces go through every bucket. Those behind them must not keep the room.
        if bucket.capacity() > KEPT_CAPACITY && bucket.len() < bucket.capacity() / 4 {
            bucket.shrink_to(bucket.len() * 2);
        }
        moved
    }

    /// One of the rarest pieces that `has` accepts, of those that `least` peers have at least.
    pub(super) fn first(
        &self,
        least: u32,
        rng: &mut Xoshiro256PlusPlus,
        has: impl Fn(PieceIndex) -> bool,
    ) -> Option<PieceIndex> {
        let buckets = self.buckets.iter().skip(least as usize);
        let mut filled = buckets.filter(|bucket| !bucket.is_empty());
        filled.find_map(|bucket| {
            let start = rng.random_range(0..bucket.len());
            let (before, after) = bucket.split_at(start);
            let mut pieces = after.iter().chain(before).copied();
            pieces.find(|&piece| has(piece))
        })
    }

    /// Any piece that `has` accepts.
    pub(super) fn any(
        &self,
        rng: &mut Xoshiro256PlusPlus,
        has: impl Fn(PieceIndex) -> bool,
    ) -> Option<PieceIndex> {
        let mut draw = rng.random_range(0..self.len.max(1)) as usize;
        let drawn = self.buckets.iter().position(|bucket| {
            let here = draw < bucket.len();
            draw -= if here { 0 } else { bucket.len() };
            here
        });
        let (before, after) = self.buckets.split_at(drawn?);
        let (head, tail) = after[0].split_at(draw);
        let others = after[1..].iter().chain(before).flatten();
        let mut pieces = tail.iter().chain(others).chain(head).copied();
        pieces.find(|&piece| has(piece))
    }

    /// Every piece with its availability and its position in that bucket.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u32, u32, PieceIndex)> + '_ {
        self.buckets.iter().zip(0..).flat_map(|(bucket, index)| {
            let places = bucket.iter().zip(0..);
            places.map(move |(&piece, position)| (index, position, piece))
        })
    }
}

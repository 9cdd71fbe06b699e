//! The partial pieces that have free blocks, by who may work on them.

use std::collections::BTreeSet;

/// Which peers look at a partial piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shelf {
    /// Nobody's, and nobody was asked for any of it: for everybody.
    Idle,
    /// Nobody's, with blocks on their way: for those who do not get pieces of their own.
    Shared,
    /// Somebody's own: for others only when there is nothing else.
    Owned,
}

/// The order in which partial pieces are preferred: by tier, then the one with the least left unless it is somebody's
/// own, then the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) tier: u32,
    pub(super) free: u32,
    pub(super) serial: u64,
    pub(super) slot: u32,
}

/// A place on a shelf.
pub(super) type Shelved = (Shelf, Rank);

#[derive(Debug, Clone, Default)]
pub(super) struct Shelves([BTreeSet<Rank>; 3]);

impl Shelves {
    /// The pieces on a shelf, the best first.
    pub(super) fn on(&self, shelf: Shelf) -> impl Iterator<Item = &Rank> {
        self.0[shelf as usize].iter()
    }

    /// The most wanted tier that any of them has.
    pub(super) fn top(&self) -> Option<u32> {
        let firsts = self.0.iter().filter_map(|shelf| shelf.first());
        firsts.map(|rank| rank.tier).min()
    }

    /// Moves a piece from where it stood to where it stands now.
    pub(super) fn shift(&mut self, from: Option<Shelved>, to: Option<Shelved>) {
        if from == to {
            return;
        }
        if let Some((shelf, rank)) = from {
            self.0[shelf as usize].remove(&rank);
        }
        if let Some((shelf, rank)) = to {
            self.0[shelf as usize].insert(rank);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(BTreeSet::len).sum()
    }

    pub(super) fn has(&self, (shelf, rank): Shelved) -> bool {
        self.0[shelf as usize].contains(&rank)
    }
}

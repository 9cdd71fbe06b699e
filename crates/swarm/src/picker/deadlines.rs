//! Pieces that somebody waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use headwater_metainfo::PieceIndex;
use smallvec::SmallVec;

use super::{BlockId, Picker, Picking, Place};
use crate::PeerKey;

/// When pieces are needed, in that order.
#[derive(Debug, Clone, Default)]
pub(super) struct Deadlines {
    of: BTreeMap<PieceIndex, Instant>,
    order: BTreeSet<(Instant, PieceIndex)>,
}

impl Deadlines {
    /// Gives a piece a deadline in place of the one that it had.
    pub(super) fn set(&mut self, piece: PieceIndex, deadline: Option<Instant>) {
        let before = match deadline {
            Some(deadline) => self.of.insert(piece, deadline),
            None => self.of.remove(&piece),
        };
        if let Some(before) = before {
            self.order.remove(&(before, piece));
        }
        if let Some(deadline) = deadline {
            self.order.insert((deadline, piece));
        }
    }
}

impl Picker {
    /// Gives a piece that is not had a deadline, or takes it away.
    pub(crate) fn set_deadline(&mut self, piece: PieceIndex, deadline: Option<Instant>) {
        self.deadlines.set(piece, deadline);
        self.version += 1;
    }

    pub(crate) fn clear_deadlines(&mut self) {
        self.deadlines = Deadlines::default();
        self.version += 1;
    }

    pub(crate) fn deadline(&self, piece: PieceIndex) -> Option<Instant> {
        self.deadlines.of.get(&piece).copied()
    }

    pub(crate) fn has_deadlines(&self) -> bool {
        !self.deadlines.order.is_empty()
    }

    /// Peers that were passed over for the sake of others may be needed after all: time has passed.
    pub(crate) fn reconsider_deadlines(&mut self) {
        self.version += u64::from(self.has_deadlines());
    }

    /// Wanted pieces with a deadline of which a peer may be asked for something, the most pressing first.
    pub(crate) fn urgent<'a>(
        &'a self,
        who: &'a Picking<'_>,
    ) -> impl Iterator<Item = (Instant, PieceIndex)> + 'a {
        let order = self.deadlines.order.iter().copied();
        order.filter(|&(_, piece)| self.may_hurry(who, piece))
    }

    /// Takes up to `count` blocks of a piece that nobody was asked for. The piece is shared by all who can help, unless
    /// it failed before.
    pub(crate) fn pick_urgent(
        &mut self,
        who: &Picking<'_>,
        piece: PieceIndex,
        count: usize,
        blocks: &mut Vec<BlockId>,
    ) {
        if blocks.len() >= count {
            return;
        }
        let slot = match self.rarity.entry(piece).place {
            Place::Queued(_) => {
                let slot = self.begin(who, piece);
                if self.partials[slot].exclusivity.is_none() {
                    self.set_owner(slot, None);
                }
                slot
            }
            Place::Partial(slot) => slot as usize,
            Place::Out => return,
        };
        self.take_blocks(who.key, slot, count, blocks);
    }

    /// Blocks of a piece that others were asked for and `peer` was not, with those others.
    pub(crate) fn outstanding(
        &self,
        piece: PieceIndex,
        peer: PeerKey,
    ) -> impl Iterator<Item = (BlockId, SmallVec<[PeerKey; 3]>)> + '_ {
        let partial = self.slot(piece).map(|slot| &self.partials[slot]);
        let blocks = partial.into_iter().flat_map(move |partial| {
            let each = 0..partial.blocks();
            each.map(move |index| (BlockId { piece, index }, partial.asked(index).collect()))
        });
        blocks.filter(move |(_, asked): &(_, SmallVec<_>)| {
            !asked.is_empty() && !asked.contains(&peer)
        })
    }

    fn may_hurry(&self, who: &Picking<'_>, piece: PieceIndex) -> bool {
        let allowed = who.allowed.is_none_or(|allowed| allowed.contains(&piece));
        if !allowed || who.parole || !self.wants(piece) || !who.has(piece) {
            return false;
        }
        self.slot(piece).is_none_or(|slot| {
            let partial = &self.partials[slot];
            partial.exclusivity.is_none() || partial.owner == Some(who.key)
        })
    }
}

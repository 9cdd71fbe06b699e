//! The choice itself: which piece a peer is asked for next.

use headwater_metainfo::PieceIndex;

use super::partial::Exclusivity;
use super::shelves::{Rank, Shelf};
use super::{BlockId, BlockState, NO_TIER, Partial, Picker, Place};
use crate::PeerKey;
use crate::pieces::PeerPieces;

/// Peers at most that are asked for the same block.
const MAX_ASKED: u8 = 3;

/// A peer with fewer pieces than this share of those queued is searched by its own pieces.
const SPARSE: u32 = 512;

/// A peer that could be asked for blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picking<'a> {
    pub(crate) key: PeerKey,
    pub(crate) pieces: &'a PeerPieces,
    /// Those of its pieces that others should fetch: a few, for some time.
    pub(crate) kept: &'a [PieceIndex],
    /// It is fast enough for a whole piece, so that it gets pieces of its own.
    pub(crate) fast: bool,
    /// It is under suspicion and gets only pieces that nobody else touches.
    pub(crate) parole: bool,
    /// Nothing is outstanding to it.
    pub(crate) idle: bool,
    /// While it chokes us: the only pieces that we may ask for.
    pub(crate) allowed: Option<&'a [PieceIndex]>,
    /// Pieces to begin before all others of their priority...
    pub(crate) preferred: &'a [PieceIndex],
    /// ...and then those that it suggested.
    pub(crate) suggested: &'a [PieceIndex],
    /// The piece of which it was asked last.
    pub(crate) current: Option<PieceIndex>,
    /// We have so little that any complete piece is worth more than a rare one.
    pub(crate) random: bool,
    /// Partial pieces past which no new ones are begun while old ones can be helped.
    pub(crate) many_partials: usize,
}

impl Picking<'_> {
    /// Whether it has a piece that it may be asked for.
    pub(super) fn has(&self, piece: PieceIndex) -> bool {
        self.pieces.has(piece) && !self.kept.contains(&piece)
    }

    fn owns(&self, partial: &Partial) -> bool {
        partial.owner == Some(self.key)
    }
}

impl Picker {
    /// Takes up to `count` blocks for a peer and puts them into `blocks`, in the order in which to ask for them.
    pub(crate) fn pick(&mut self, who: &Picking<'_>, count: usize, blocks: &mut Vec<BlockId>) {
        let mut who = *who;
        while blocks.len() < count {
            let Some(slot) = self.choose(&who) else {
                break;
            };
            who.current = Some(self.partials[slot].piece);
            who.idle = false;
            self.take_blocks(who.key, slot, count, blocks);
        }
    }

    /// A partial piece with free blocks, opened on the spot if need be.
    fn choose(&mut self, who: &Picking<'_>) -> Option<usize> {
        if let Some(allowed) = who.allowed {
            return self.choose_allowed(who, allowed);
        }
        let partial = self.suitable(who);
        let tier = |slot| self.partial_tier(slot);
        if let Some(slot) = partial
            && self.rarity.top().is_none_or(|top| tier(slot) <= top)
        {
            return Some(self.adopt(who, slot));
        }
        match (partial, self.fresh(who)) {
            (Some(slot), Some(piece))
                if self.partial_tier(slot) <= self.rarity.entry(piece).tier =>
            {
                Some(self.adopt(who, slot))
            }
            (_, Some(piece)) => Some(self.begin(who, piece)),
            (Some(slot), None) => Some(self.adopt(who, slot)),
            (None, None) => {
                let slot = self.in_need(who)?;
                Some(self.adopt(who, slot))
            }
        }
    }

    /// While choked: one of the pieces that are allowed all the same.
    fn choose_allowed(&mut self, who: &Picking<'_>, allowed: &[PieceIndex]) -> Option<usize> {
        for &piece in allowed.iter().filter(|&&piece| who.has(piece)) {
            match self.rarity.entry(piece).place {
                Place::Queued(_) => return Some(self.begin(who, piece)),
                Place::Partial(slot) => {
                    let slot = slot as usize;
                    let partial = &self.partials[slot];
                    let open = partial.exclusivity.is_none() || who.owns(partial);
                    let rank = self.rank(slot).filter(|_| open);
                    if rank.is_some_and(|rank| self.is_usable(who, &rank)) {
                        return Some(slot);
                    }
                }
                Place::Out => {}
            }
        }
        None
    }

    /// The partial piece to work on rather than begin a new one: the one that the peer is at, its own ones, those that
    /// nobody works on, and unless it should have pieces of its own, those of everybody. Priority comes first of all.
    fn suitable(&self, who: &Picking<'_>) -> Option<usize> {
        let current = self.current(who);
        if let Some(rank) = current
            && self.shelves.top().is_none_or(|top| rank.tier <= top)
        {
            return Some(rank.slot as usize);
        }
        let own = self.owned_by(who.key).filter_map(|slot| self.rank(slot));
        let own = own.filter(|rank| self.is_usable(who, rank)).min();
        let shared = if who.parole {
            None
        } else {
            let idle = self.first_on(Shelf::Idle, who, |_| true);
            let too_many = self.partials.len() >= who.many_partials;
            let joins = !who.fast || who.random || too_many;
            let shared = joins.then(|| self.first_on(Shelf::Shared, who, |_| true));
            [idle, shared.flatten()].into_iter().flatten().min()
        };
        let candidates = [current, own, shared].into_iter().flatten();
        let best = candidates.min_by_key(|rank| rank.tier)?;
        Some(best.slot as usize)
    }

    /// The piece that the peer is at, if something of it is left and it is nobody else's by now.
    fn current(&self, who: &Picking<'_>) -> Option<Rank> {
        let slot = self.slot(who.current?)?;
        let partial = &self.partials[slot];
        let ours = who.owns(partial) || partial.owner.is_none() && !who.parole;
        let rank = self.rank(slot).filter(|_| ours)?;
        self.is_usable(who, &rank).then_some(rank)
    }

    /// With nothing better to do, the peer may help with any partial piece that is not to come from one peer alone.
    fn in_need(&self, who: &Picking<'_>) -> Option<usize> {
        let shelves = [Shelf::Idle, Shelf::Shared, Shelf::Owned].into_iter();
        let helps = |partial: &Partial| may_help(who, partial);
        let firsts = shelves.filter_map(|shelf| self.first_on(shelf, who, helps));
        firsts.min().map(|rank| rank.slot as usize)
    }

    /// The best piece on a shelf that the peer has and `suits`.
    fn first_on(
        &self,
        shelf: Shelf,
        who: &Picking<'_>,
        suits: impl Fn(&Partial) -> bool,
    ) -> Option<Rank> {
        let mut ranks = self.shelves.on(shelf).copied();
        ranks.find(|rank| self.is_usable(who, rank) && suits(&self.partials[rank.slot as usize]))
    }

    /// Where a partial piece stands, if it has free blocks.
    fn rank(&self, slot: usize) -> Option<Rank> {
        self.partials[slot].shelved.map(|(_, rank)| rank)
    }

    fn partial_tier(&self, slot: usize) -> u32 {
        self.rarity.entry(self.partials[slot].piece).tier
    }

    /// Whether a partial piece with free blocks is wanted, and the peer has it.
    fn is_usable(&self, who: &Picking<'_>, rank: &Rank) -> bool {
        rank.tier != NO_TIER && who.has(self.partials[rank.slot as usize].piece)
    }

    /// Makes the peer the owner of a partial piece that nobody works on, where it should have one of its own; a piece
    /// that was another's alone, and is too slow in coming, becomes everybody's.
    fn adopt(&mut self, who: &Picking<'_>, slot: usize) -> usize {
        let partial = &self.partials[slot];
        if partial.owner.is_none() && partial.in_flight() == 0 && who.fast && !who.parole {
            self.set_owner(slot, Some(who.key));
        } else if partial.exclusivity.is_some() && !who.owns(partial) {
            self.set_owner(slot, None);
        }
        slot
    }

    /// Opens a queued piece for the peer.
    pub(super) fn begin(&mut self, who: &Picking<'_>, piece: PieceIndex) -> usize {
        let slot = self.open_piece(piece);
        let partial = &mut self.partials[slot];
        partial.exclusivity = match (who.parole, self.suspects.contains(&piece)) {
            (true, _) => Some(Exclusivity::Parole),
            (false, true) => Some(Exclusivity::Suspect),
            (false, false) => None,
        };
        let owned = who.fast || partial.exclusivity.is_some();
        self.set_owner(slot, owned.then_some(who.key));
        slot
    }

    /// A queued piece that the peer has.
    fn fresh(&mut self, who: &Picking<'_>) -> Option<PieceIndex> {
        if !self.rarity.is_sequential() {
            if let Some(piece) = self.suggested(who) {
                return Some(piece);
            }
            if who.random {
                return self.rarity.any(|piece| who.has(piece));
            }
            if who.pieces.count() < self.rarity.top_len() / SPARSE {
                return self.rarest_of_few(who);
            }
        }
        self.first_in_order(who)
    }

    /// A preferred or suggested piece of the highest priority, if it is queued.
    fn suggested(&self, who: &Picking<'_>) -> Option<PieceIndex> {
        let top = self.rarity.top()?;
        let mut pieces = who.preferred.iter().chain(who.suggested).copied();
        pieces.find(|&piece| {
            let entry = self.rarity.entry(piece);
            entry.tier == top && matches!(entry.place, Place::Queued(_)) && who.has(piece)
        })
    }

    /// The rarest piece, found by going through the peer's pieces instead of all that are queued.
    fn rarest_of_few(&mut self, who: &Picking<'_>) -> Option<PieceIndex> {
        let scramble = self.rarity.random_odd();
        let queued = who.pieces.iter().filter_map(|piece| {
            let standing = self.rarity.standing(piece).filter(|_| who.has(piece))?;
            // Among equals any will do, but not the same one for everybody.
            Some((standing, piece.0.wrapping_mul(scramble), piece))
        });
        queued.min().map(|(_, _, piece)| piece)
    }

    /// The first queued piece, by priority and then by rarity or number, that the peer has.
    fn first_in_order(&mut self, who: &Picking<'_>) -> Option<PieceIndex> {
        let has = |piece| who.has(piece);
        let rarity = &self.rarity;
        let floor = self.memos.floor(who.key, |piece| {
            rarity.standing(piece).filter(|_| has(piece))
        });
        // What only seeds have, no other peer has.
        let least = u32::from(!who.pieces.counts_as_seed());
        let found = self.rarity.first(floor, least, has);
        // What is kept from it may be its own again at any time.
        let kept = who.kept.iter().copied();
        let standings = found
            .into_iter()
            .chain(kept)
            .filter_map(|piece| self.rarity.standing(piece));
        self.memos
            .note(who.key, standings.min().unwrap_or((NO_TIER, 0)));
        found
    }

    /// The endgame: up to `count` of those `candidates` of which others were asked, and the peer may be asked too; those
    /// first of which fewest were asked, then as they come.
    pub(crate) fn pick_busy(
        &mut self,
        who: &Picking<'_>,
        candidates: &(impl Iterator<Item = BlockId> + Clone),
        count: usize,
        blocks: &mut Vec<BlockId>,
    ) {
        for asked in 1..MAX_ASKED {
            for block in candidates.clone() {
                if blocks.len() == count {
                    return;
                }
                if self.state(block) == BlockState::Requested(asked) && self.duplicate(who, block) {
                    blocks.push(block);
                }
            }
        }
    }

    /// Takes a block that others were asked for, if the peer may be asked for it too.
    pub(crate) fn duplicate(&mut self, who: &Picking<'_>, block: BlockId) -> bool {
        let Some(slot) = self.slot(block.piece) else {
            return false;
        };
        let partial = &self.partials[slot];
        let busy = matches!(partial.state(block.index), BlockState::Requested(n) if n < MAX_ASKED);
        let allowed = who
            .allowed
            .is_none_or(|allowed| allowed.contains(&block.piece));
        let fits = busy && allowed && self.wants(block.piece) && who.has(block.piece);
        if !fits
            || !may_help(who, partial)
            || partial.asked(block.index).any(|peer| peer == who.key)
        {
            return false;
        }
        self.partials[slot].take_busy(block.index, who.key);
        self.adopt(who, slot);
        true
    }
}

/// Whether a peer that has nothing better to do may work on a partial piece.
fn may_help(who: &Picking<'_>, partial: &Partial) -> bool {
    match partial.exclusivity {
        _ if who.owns(partial) => true,
        // A peer under suspicion spoils a piece for everybody, but is better than nobody at all.
        None => !who.parole || who.idle,
        Some(Exclusivity::Suspect) => !who.parole && who.idle,
        Some(Exclusivity::Parole) => false,
    }
}

//! The choice itself: which piece a peer is asked for next.

use headwater_metainfo::PieceIndex;

use super::partial::Exclusivity;
use super::{BlockId, BlockState, NO_TIER, Partial, Picker, Place};
use crate::PeerKey;
use crate::pieces::PeerPieces;

/// Peers at most that are asked for the same block in the endgame.
const MAX_ASKED: u8 = 3;

/// Blocks at most that an idle peer is given in the endgame at a time.
const ENDGAME_BLOCKS: usize = 4;

/// A peer with fewer pieces than this share of those queued is searched by its own pieces.
const SPARSE: usize = 8;

/// A peer that could be asked for blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picking<'a> {
    pub(crate) key: PeerKey,
    pub(crate) pieces: &'a PeerPieces,
    /// It is fast enough for a whole piece, so that it gets pieces of its own.
    pub(crate) fast: bool,
    /// It is under suspicion and gets only pieces that nobody else touches.
    pub(crate) parole: bool,
    /// Nothing is outstanding to it.
    pub(crate) idle: bool,
    /// While it chokes us: the only pieces that we may ask for.
    pub(crate) allowed: Option<&'a [PieceIndex]>,
    /// Pieces that it suggested.
    pub(crate) suggested: &'a [PieceIndex],
    /// The piece of which it was asked last.
    pub(crate) current: Option<PieceIndex>,
    /// We have so little that any complete piece is worth more than a rare one.
    pub(crate) random: bool,
    /// Partial pieces past which no new ones are begun while old ones can be helped.
    pub(crate) many_partials: usize,
}

impl Picking<'_> {
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
            let partial = &mut self.partials[slot];
            let piece = partial.piece;
            while blocks.len() < count
                && let Some(index) = partial.take_free()
            {
                self.unrequested -= 1;
                blocks.push(BlockId { piece, index });
            }
            self.sync_open(slot);
            who.current = Some(piece);
            who.idle = false;
        }
        if blocks.is_empty() && who.idle && self.is_endgame() {
            self.pick_busy(&who, count.min(ENDGAME_BLOCKS), blocks);
        }
    }

    /// A partial piece with free blocks, opened on the spot if need be.
    fn choose(&mut self, who: &Picking<'_>) -> Option<usize> {
        if let Some(allowed) = who.allowed {
            return self.choose_allowed(who, allowed);
        }
        let top_tier = self.rarity.tiers().next().map(|(tier, _)| tier);
        let preempts = |tier: u32| top_tier.is_some_and(|top| top < tier);
        if let Some(slot) = self.current(who)
            && !preempts(self.tier(slot))
        {
            return Some(slot);
        }
        let partial = self.best_partial(|partial| self.suits(who, partial), who);
        if let Some(slot) = partial
            && !preempts(self.tier(slot))
        {
            return Some(self.adopt(who, slot));
        }
        match (partial, self.fresh(who)) {
            (Some(slot), Some(piece)) if self.tier(slot) <= self.rarity.entry(piece).tier => {
                Some(self.adopt(who, slot))
            }
            (_, Some(piece)) => Some(self.begin(who, piece)),
            (Some(slot), None) => Some(self.adopt(who, slot)),
            (None, None) => {
                let slot = self.best_partial(|partial| may_help(who, partial), who)?;
                Some(self.adopt(who, slot))
            }
        }
    }

    /// While choked: one of the pieces that are allowed all the same.
    fn choose_allowed(&mut self, who: &Picking<'_>, allowed: &[PieceIndex]) -> Option<usize> {
        for &piece in allowed.iter().filter(|&&piece| who.pieces.has(piece)) {
            match self.rarity.entry(piece).place {
                Place::Queued(_) => return Some(self.begin(who, piece)),
                Place::Partial(slot) => {
                    let slot = slot as usize;
                    let partial = &self.partials[slot];
                    if self.usable(who, slot)
                        && (partial.exclusivity.is_none() || who.owns(partial))
                    {
                        return Some(slot);
                    }
                }
                Place::Out => {}
            }
        }
        None
    }

    /// The piece that the peer is at, if something of it is left.
    fn current(&self, who: &Picking<'_>) -> Option<usize> {
        let slot = self.slot(who.current?)?;
        let suits = self.usable(who, slot) && self.suits(who, &self.partials[slot]);
        suits.then_some(slot)
    }

    fn tier(&self, slot: usize) -> u32 {
        self.rarity.entry(self.partials[slot].piece).tier
    }

    /// Whether the peer can deliver something that is still needed of this piece.
    fn usable(&self, who: &Picking<'_>, slot: usize) -> bool {
        let partial = &self.partials[slot];
        partial.free() > 0 && who.pieces.has(partial.piece) && self.wants(partial.piece)
    }

    /// Whether a partial piece is one that the peer should work on rather than begin a new one.
    fn suits(&self, who: &Picking<'_>, partial: &Partial) -> bool {
        if who.parole {
            return who.owns(partial);
        }
        if let Some(owner) = partial.owner {
            return owner == who.key;
        }
        let abandoned = partial.in_flight() == 0;
        let too_many = self.partials.len() >= who.many_partials;
        let current = who.current == Some(partial.piece);
        !who.fast || who.random || abandoned || too_many || current
    }

    /// The partial piece to work on: by priority, then the one with the least left.
    fn best_partial(&self, suits: impl Fn(&Partial) -> bool, who: &Picking<'_>) -> Option<usize> {
        let slots = self.open.iter().map(|&slot| slot as usize);
        slots
            .filter(|&slot| self.usable(who, slot) && suits(&self.partials[slot]))
            .min_by_key(|&slot| {
                let partial = &self.partials[slot];
                (
                    self.tier(slot),
                    !who.owns(partial),
                    partial.free(),
                    partial.serial,
                )
            })
    }

    /// Makes the peer the owner of a partial piece that nobody works on, where it should have one of its own; a piece
    /// that was another's alone, and is too slow in coming, becomes everybody's.
    fn adopt(&mut self, who: &Picking<'_>, slot: usize) -> usize {
        let partial = &mut self.partials[slot];
        if partial.owner.is_none() && partial.in_flight() == 0 && who.fast && !who.parole {
            partial.owner = Some(who.key);
        } else if partial.exclusivity.is_some() && !who.owns(partial) {
            partial.owner = None;
            partial.exclusivity = None;
        }
        slot
    }

    /// Opens a queued piece for the peer.
    fn begin(&mut self, who: &Picking<'_>, piece: PieceIndex) -> usize {
        let slot = self.open_piece(piece);
        let partial = &mut self.partials[slot];
        partial.exclusivity = match (who.parole, self.suspects.contains(&piece)) {
            (true, _) => Some(Exclusivity::Parole),
            (false, true) => Some(Exclusivity::Suspect),
            (false, false) => None,
        };
        let owned = who.fast || partial.exclusivity.is_some();
        partial.owner = owned.then_some(who.key);
        slot
    }

    /// A queued piece that the peer has.
    fn fresh(&mut self, who: &Picking<'_>) -> Option<PieceIndex> {
        if self.sequential {
            return self.first_in_order(who);
        }
        if let Some(piece) = self.suggested(who) {
            return Some(piece);
        }
        if who.random {
            return self.random(who);
        }
        let (_, first) = self.rarity.tiers().next()?;
        if (who.pieces.count() as usize) < first.len() / SPARSE {
            return self.rarest_of_few(who);
        }
        let tiers = self.rarity.tiers();
        let pieces = tiers.flat_map(|(_, order)| order.iter().copied());
        pieces.into_iter().find(|&piece| who.pieces.has(piece))
    }

    /// A suggested piece of the highest priority, if it is queued.
    fn suggested(&self, who: &Picking<'_>) -> Option<PieceIndex> {
        let (top, _) = self.rarity.tiers().next()?;
        who.suggested.iter().copied().find(|&piece| {
            let entry = self.rarity.entry(piece);
            entry.tier == top && matches!(entry.place, Place::Queued(_)) && who.pieces.has(piece)
        })
    }

    /// The rarest piece, found by going through the peer's pieces instead of all that are queued.
    fn rarest_of_few(&self, who: &Picking<'_>) -> Option<PieceIndex> {
        let queued = who.pieces.iter().filter_map(|piece| {
            let entry = self.rarity.entry(piece);
            match entry.place {
                Place::Queued(position) => Some((entry.tier, position, piece)),
                _ => None,
            }
        });
        queued.min().map(|(_, _, piece)| piece)
    }

    /// Any queued piece of the highest priority for which the peer has one.
    fn random(&mut self, who: &Picking<'_>) -> Option<PieceIndex> {
        let queued: usize = self.rarity.tiers().map(|(_, order)| order.len()).sum();
        let draw = self.rarity.random_below(queued.max(1));
        self.rarity.tiers().find_map(|(_, order)| {
            let (before, after) = order.split_at(draw % order.len());
            let mut pieces = after.iter().chain(before).copied();
            pieces.find(|&piece| who.pieces.has(piece))
        })
    }

    /// The first queued piece of the highest priority.
    fn first_in_order(&self, who: &Picking<'_>) -> Option<PieceIndex> {
        let mut best: Option<(u32, PieceIndex)> = None;
        let (top, _) = self.rarity.tiers().next()?;
        for piece in (0..self.rarity.len()).map(PieceIndex) {
            let entry = self.rarity.entry(piece);
            let queued = matches!(entry.place, Place::Queued(_)) && who.pieces.has(piece);
            if !queued || best.is_some_and(|(tier, _)| tier <= entry.tier) {
                continue;
            }
            best = Some((entry.tier, piece));
            if entry.tier == top {
                break;
            }
        }
        best.map(|(_, piece)| piece)
    }

    /// The endgame: blocks that others were asked for, those first that they will come to last.
    fn pick_busy(&mut self, who: &Picking<'_>, count: usize, blocks: &mut Vec<BlockId>) {
        let mut slots: Vec<usize> = self.partials.iter().map(|(slot, _)| slot).collect();
        slots.retain(|&slot| self.may_duplicate(who, slot));
        slots.sort_unstable_by_key(|&slot| std::cmp::Reverse(self.partials[slot].serial));
        for asked in 1..MAX_ASKED {
            for &slot in &slots {
                let before = blocks.len();
                self.duplicate(slot, asked, count, blocks);
                if blocks.len() > before {
                    self.adopt(who, slot);
                }
            }
            if !blocks.is_empty() {
                return;
            }
        }
    }

    /// Takes those blocks of a piece that `asked` peers were asked for, from the last one on.
    fn duplicate(&mut self, slot: usize, asked: u8, count: usize, blocks: &mut Vec<BlockId>) {
        let partial = &mut self.partials[slot];
        for index in (0..partial.blocks()).rev() {
            if blocks.len() == count {
                return;
            }
            if partial.state(index) == BlockState::Requested(asked) {
                let piece = partial.piece;
                partial.take_busy(index);
                blocks.push(BlockId { piece, index });
            }
        }
    }

    fn may_duplicate(&self, who: &Picking<'_>, slot: usize) -> bool {
        let partial = &self.partials[slot];
        let allowed = who
            .allowed
            .is_none_or(|allowed| allowed.contains(&partial.piece));
        let entry = self.rarity.entry(partial.piece);
        let needed = entry.tier != NO_TIER && partial.in_flight() > 0;
        needed && allowed && may_help(who, partial) && who.pieces.has(partial.piece)
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

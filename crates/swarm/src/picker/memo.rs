//! Where each peer's search for a piece to begin goes on.
//!
//! A peer that lacks all rare pieces would go past them again for each piece that it begins. So it is noted for each peer
//! how far there was nothing for it. What may have changed since is little, and cheap to make up for: the peer got
//! pieces ([`Memos::gained`]), others were queued ([`Memos::queued`]), and each peer that went made any piece rarer by one at
//! most ([`Memos::dropped`]).

use std::collections::VecDeque;

use headwater_metainfo::PieceIndex;

use super::rarity::Standing;
use crate::PeerKey;

/// Newly queued pieces that are remembered. Who has missed more than that begins anew.
const MAX_QUEUED: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Memo {
    key: PeerKey,
    /// No queued piece before this is the peer's...
    floor: Standing,
    /// ...as of this many departures,
    dropped: u64,
    /// this many queued pieces
    queued: u64,
    /// and this order.
    order: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Memos {
    /// By the slots of their keys.
    peers: Vec<Option<Memo>>,
    recent: VecDeque<PieceIndex>,
    queued: u64,
    dropped: u64,
    order: u64,
}

impl Memos {
    /// The order of the pieces is another one.
    pub(super) fn reorder(&mut self) {
        self.order += 1;
        self.dropped = 0;
    }

    /// What a peer has is another matter altogether.
    pub(super) fn forget(&mut self, key: PeerKey) {
        if let Some(memo) = self.peers.get_mut(key.slot()) {
            *memo = None;
        }
    }

    /// Pieces are rarer than before, none by more than one.
    pub(super) fn dropped(&mut self) {
        self.dropped += 1;
    }

    /// A piece was queued.
    pub(super) fn queued(&mut self, piece: PieceIndex) {
        if self.recent.len() == MAX_QUEUED {
            self.recent.pop_front();
        }
        self.recent.push_back(piece);
        self.queued += 1;
    }

    /// A peer got a piece that is queued, and stands there.
    pub(super) fn gained(&mut self, key: PeerKey, standing: Standing) {
        if let Some(Some(memo)) = self.peers.get_mut(key.slot()) {
            memo.floor = lowered(memo.floor, self.dropped.saturating_sub(memo.dropped));
            memo.dropped = self.dropped;
            memo.floor = memo.floor.min(standing);
        }
    }

    /// Where a peer's search begins. `standing` is asked about pieces that were queued lately: where they stand, if they
    /// are still queued and the peer has them.
    pub(super) fn floor(
        &self,
        key: PeerKey,
        standing: impl Fn(PieceIndex) -> Option<Standing>,
    ) -> Standing {
        let memo = self.peers.get(key.slot()).copied().flatten();
        let valid = |memo: &Memo| memo.key == key && memo.order == self.order;
        let Some(memo) = memo.filter(valid) else {
            return (0, 0);
        };
        let missed = (self.queued - memo.queued) as usize;
        if missed > self.recent.len() {
            return (0, 0);
        }
        let floor = lowered(memo.floor, self.dropped - memo.dropped);
        let recent = self.recent.iter().rev().take(missed);
        let queued = recent.filter_map(|&piece| standing(piece));
        queued.fold(floor, Standing::min)
    }

    /// Notes that no queued piece before `floor` is the peer's.
    pub(super) fn note(&mut self, key: PeerKey, floor: Standing) {
        if self.peers.len() <= key.slot() {
            self.peers.resize(key.slot() + 1, None);
        }
        self.peers[key.slot()] = Some(Memo {
            key,
            floor,
            dropped: self.dropped,
            queued: self.queued,
            order: self.order,
        });
    }
}

fn lowered(floor: Standing, drops: u64) -> Standing {
    (floor.0, u64::from(floor.1).saturating_sub(drops) as u32)
}

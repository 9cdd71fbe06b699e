//! Which pieces are verified, and which of them may be claimed.

use std::sync::atomic::{AtomicU32, Ordering};

use headwater_metainfo::{Bitfield, PieceIndex};
use parking_lot::Mutex;

/// The verified pieces; asked without a lock.
#[derive(Debug)]
pub(super) struct Verified {
    words: Box<[AtomicU32]>,
    count: u32,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    /// Pieces written since the last sync began.
    since_sync: Vec<PieceIndex>,
    /// Pieces written before a sync that failed.
    doubtful: Vec<PieceIndex>,
}

/// What a sync that is under way will have made durable.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) have: Bitfield,
    written: Vec<PieceIndex>,
}

impl Verified {
    pub(super) fn new(count: u32) -> Self {
        let words = count.div_ceil(32);
        Self {
            words: (0..words).map(|_| AtomicU32::new(0)).collect(),
            count,
            written: Mutex::default(),
        }
    }

    pub(super) fn has(&self, piece: PieceIndex) -> bool {
        let word = self.words.get(piece.as_usize() / 32);
        word.is_some_and(|word| word.load(Ordering::Acquire) & mask(piece) != 0)
    }

    pub(super) fn set(&self, piece: PieceIndex) {
        self.words[piece.as_usize() / 32].fetch_or(mask(piece), Ordering::AcqRel);
    }

    pub(super) fn clear(&self, piece: PieceIndex) {
        self.words[piece.as_usize() / 32].fetch_and(!mask(piece), Ordering::AcqRel);
    }

    /// Sets a piece that has just been written; parts of a `doubtful` one were written before a sync that failed.
    pub(super) fn set_written(&self, piece: PieceIndex, doubtful: bool) {
        let mut written = self.written.lock();
        written.doubtful.retain(|other| *other != piece);
        if doubtful {
            written.doubtful.push(piece);
        } else {
            written.since_sync.push(piece);
        }
        self.set(piece);
    }

    pub(super) fn to_bitfield(&self) -> Bitfield {
        let mut bits = Bitfield::new(self.count);
        for piece in (0..self.count).map(PieceIndex) {
            if self.has(piece) {
                bits.set(piece);
            }
        }
        bits
    }

    /// What may be claimed if the sync that now begins succeeds.
    pub(super) fn begin_sync(&self) -> Claim {
        let mut written = self.written.lock();
        let mut have = self.to_bitfield();
        for piece in &written.doubtful {
            have.clear(*piece);
        }
        Claim {
            have,
            written: std::mem::take(&mut written.since_sync),
        }
    }

    pub(super) fn sync_failed(&self, claim: &Claim) {
        let mut written = self.written.lock();
        let Written {
            since_sync,
            doubtful,
        } = &mut *written;
        // One that was written again meanwhile has its own chance.
        let again: std::collections::HashSet<_> = since_sync.iter().collect();
        doubtful.extend(claim.written.iter().filter(|piece| !again.contains(piece)));
    }
}

fn mask(piece: PieceIndex) -> u32 {
    1 << (piece.0 % 32)
}

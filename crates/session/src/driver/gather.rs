//! Complete pieces that wait a moment for company.

use std::time::{Duration, Instant};

use headwater_metainfo::PieceIndex;
use headwater_swarm::Activity;

use super::Driver;
use crate::disk::Op;

/// How long a piece waits at most.
const PATIENCE: Duration = Duration::from_millis(25);
/// Pieces that must be expected in that time for it to be worth while.
const COMPANY: u64 = 4;
/// Pieces that are hashed together at most.
const ENOUGH: usize = 16;

/// Hashing many pieces at once costs a third of hashing them one by one. While so many come in that a moment's wait fills a batch,
/// complete pieces wait for that moment; at any ordinary rate none does.
#[derive(Debug, Default)]
pub(super) struct Gather {
    pieces: Vec<PieceIndex>,
    bytes: u64,
    until: Option<Instant>,
}

impl Gather {
    /// When what waits must go on.
    pub(super) fn due(&self) -> Option<Instant> {
        self.until
    }
}

impl Driver {
    /// Takes a complete piece in; at the end of what can be expected, it goes on with the next flush.
    pub(super) fn gather(&mut self, now: Instant, piece: PieceIndex) {
        let geometry = self.shared.info().geometry();
        self.gather.pieces.push(piece);
        self.gather.bytes += u64::from(geometry.piece_size(piece));
        if self.gather.until.is_none() {
            let expected = self.swarm.stats().download_rate * PATIENCE.as_millis() as u64 / 1000;
            let is_worth_while = expected >= COMPANY * u64::from(geometry.piece_length());
            let patience = if is_worth_while {
                PATIENCE
            } else {
                Duration::ZERO
            };
            self.gather.until = Some(now + patience);
        }
    }

    /// Hands over the pieces that have waited enough.
    pub(super) fn release_gathered(&mut self, now: Instant) {
        let gather = &mut self.gather;
        let is_due = gather.until.is_some_and(|until| until <= now);
        let is_enough = gather.pieces.len() >= ENOUGH
            || gather.bytes >= self.core.write_back_bytes as u64 / 4
            || gather.bytes >= self.swarm.left();
        if is_due || is_enough || self.swarm.activity() != Activity::Active {
            self.ops.extend(gather.pieces.drain(..).map(Op::Complete));
            gather.bytes = 0;
            gather.until = None;
        }
    }
}

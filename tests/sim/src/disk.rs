//! A peer's disk: how fast it is, what fails, and which blocks on it are spoilt.

use std::collections::BTreeSet;
use std::time::Duration;

use headwater_metainfo::{BlockDigest, BlockSpan, PieceIndex};

use crate::packet::is_spoilt;
use crate::time::{Rate, Time};

/// Time's worth of work past which a disk is behind.
const BACKLOG: Duration = Duration::from_secs(2);

/// What a disk is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpec {
    /// Reading and writing, in turn.
    pub rate: Rate,
    /// Pieces in a thousand that cannot be written at the first try.
    pub write_errors: u16,
    /// Blocks in a thousand that cannot be read; their pieces are lost.
    pub read_errors: u16,
}

impl Default for DiskSpec {
    fn default() -> Self {
        Self {
            rate: Rate::UNLIMITED,
            write_errors: 0,
            read_errors: 0,
        }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) spec: DiskSpec,
    busy_until: Time,
    spoilt: BTreeSet<(PieceIndex, u32)>,
}

impl Disk {
    pub(crate) fn new(spec: DiskSpec) -> Self {
        Self {
            spec,
            busy_until: Time::ZERO,
            spoilt: BTreeSet::new(),
        }
    }

    /// Gives it something to do, and says when that is done.
    pub(crate) fn occupy(&mut self, now: Time, bytes: u64) -> Time {
        self.busy_until = self.busy_until.max(now) + self.spec.rate.time_for(bytes);
        self.busy_until
    }

    /// Whether there is more to do than is good.
    pub(crate) fn is_behind(&self, now: Time) -> bool {
        self.busy_until > now + BACKLOG
    }

    /// When it will have caught up.
    pub(crate) fn caught_up_at(&self) -> Time {
        self.busy_until - BACKLOG
    }

    pub(crate) fn store(&mut self, block: BlockSpan, data: &[u8]) {
        let place = (block.piece, block.offset);
        if is_spoilt(data) {
            self.spoilt.insert(place);
        } else {
            self.spoilt.remove(&place);
        }
    }

    pub(crate) fn is_good(&self, piece: PieceIndex) -> bool {
        self.spoilt_blocks(piece).next().is_none()
    }

    /// What the store would say of a block.
    pub(crate) fn digest(&self, block: BlockSpan) -> BlockDigest {
        let is_spoilt = self.spoilt.contains(&(block.piece, block.offset));
        BlockDigest([u8::from(is_spoilt); 16])
    }

    pub(crate) fn discard(&mut self, piece: PieceIndex) {
        let spoilt: Vec<_> = self.spoilt_blocks(piece).collect();
        for offset in spoilt {
            self.spoilt.remove(&(piece, offset));
        }
    }

    /// The offsets of the piece's blocks that are spoilt.
    fn spoilt_blocks(&self, piece: PieceIndex) -> impl Iterator<Item = u32> + '_ {
        let blocks = self.spoilt.range((piece, 0)..=(piece, u32::MAX));
        blocks.map(|&(_, offset)| offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(piece: u32, offset: u32) -> BlockSpan {
        BlockSpan {
            piece: PieceIndex(piece),
            offset,
            length: 16_384,
        }
    }

    #[test]
    fn work_is_done_in_turn_and_more_than_two_seconds_of_it_are_a_backlog() {
        let mut disk = Disk::new(DiskSpec {
            rate: Rate(1_000),
            ..DiskSpec::default()
        });
        let second = Duration::from_secs(1);
        assert_eq!(disk.occupy(Time::ZERO, 2_000), Time::ZERO + second * 2);
        assert!(!disk.is_behind(Time::ZERO));
        assert_eq!(disk.occupy(Time::ZERO, 1_000), Time::ZERO + second * 3);
        assert!(disk.is_behind(Time::ZERO));
        assert!(!disk.is_behind(disk.caught_up_at()));
        // It has rested meanwhile.
        let later = Time::ZERO + second * 10;
        assert_eq!(disk.occupy(later, 1_000), later + second);
    }

    #[test]
    fn a_spoilt_block_spoils_its_piece_until_it_is_written_again() {
        let mut disk = Disk::new(DiskSpec::default());
        disk.store(block(1, 16_384), &[1]);
        disk.store(block(2, 0), &[1]);
        assert!(!disk.is_good(PieceIndex(1)) && disk.is_good(PieceIndex(0)));
        assert_ne!(disk.digest(block(1, 16_384)), disk.digest(block(1, 0)));
        disk.store(block(1, 16_384), &[0]);
        disk.discard(PieceIndex(2));
        assert!(disk.is_good(PieceIndex(1)) && disk.is_good(PieceIndex(2)));
    }
}

//! The part file's format: a head, then slots, one for each piece that has something here.
//!
//! ```text
//! file   head (4096 bytes), slot 0, slot 1, ...
//! head   "HWPARTS\n", version u32, piece length u32, info-hash [20], crc32 of these u32
//! slot   record A, record B, piece_length bytes of data (holes where other files' bytes belong)
//! record crc32 u32 of what follows, sequence u32, piece u32 (u32::MAX = the slot is free), count u32,
//!        count * (start u32, end u32): what of the piece is here, as positions in the piece
//! ```
//! Numbers are big-endian. A record is only ever written over the older one of its pair, so a write that is cut off in
//! the middle leaves the one before it, and each slot stands for itself: no index exists that could disagree.

use headwater_metainfo::{BLOCK_LENGTH, InfoHash};

use crate::ranges::RangeSet;

/// Bytes of the head.
pub(super) const HEAD_LENGTH: u64 = 4096;

const MAGIC: [u8; 8] = *b"HWPARTS\n";
const VERSION: u32 = 1;
/// Bytes of the head that mean something.
const HEAD_USED: usize = 40;
/// Bytes of a record before its ranges.
const RECORD_FIXED: usize = 16;
const FREE: u32 = u32::MAX;

pub(super) fn encode_head(info_hash: InfoHash, piece_length: u32) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_LENGTH as usize);
    head.extend(MAGIC);
    head.extend(VERSION.to_be_bytes());
    head.extend(piece_length.to_be_bytes());
    head.extend(info_hash.as_bytes());
    head.extend(crc32fast::hash(&head).to_be_bytes());
    head.resize(HEAD_LENGTH as usize, 0);
    head
}

pub(super) fn is_head_of(head: &[u8], info_hash: InfoHash, piece_length: u32) -> bool {
    head.get(..HEAD_USED) == encode_head(info_hash, piece_length).get(..HEAD_USED)
}

/// What a slot says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Grows by one with each record of the slot.
    pub(super) sequence: u32,
    /// `None`: the slot is free.
    pub(super) piece: Option<u32>,
    /// Positions in the piece whose bytes are here.
    pub(super) ranges: RangeSet,
}

/// Sizes that follow from the piece length.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotShape {
    piece_length: u32,
}

impl SlotShape {
    pub(super) fn new(piece_length: u32) -> Self {
        Self { piece_length }
    }

    /// Bytes of one record, padding included. There is room for more ranges than blocks that arrive in the worst
    /// order can leave.
    pub(super) fn record_length(self) -> u64 {
        let ranges = u64::from(self.piece_length / BLOCK_LENGTH) / 2 + 128;
        (RECORD_FIXED as u64 + 8 * ranges).next_multiple_of(4096)
    }

    pub(super) fn max_ranges(self) -> usize {
        (self.record_length() as usize - RECORD_FIXED) / 8
    }

    pub(super) fn slot_length(self) -> u64 {
        2 * self.record_length() + u64::from(self.piece_length)
    }

    pub(super) fn slot_start(self, slot: u32) -> u64 {
        HEAD_LENGTH + u64::from(slot) * self.slot_length()
    }

    /// Where the record with this sequence number belongs.
    pub(super) fn record_start(self, slot: u32, sequence: u32) -> u64 {
        self.slot_start(slot) + u64::from(sequence % 2) * self.record_length()
    }

    /// Where the piece's first byte would be.
    pub(super) fn data_start(self, slot: u32) -> u64 {
        self.slot_start(slot) + 2 * self.record_length()
    }
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(RECORD_FIXED + 8 * self.ranges.iter().len());
        body.extend([0; 4]);
        body.extend(self.sequence.to_be_bytes());
        body.extend(self.piece.unwrap_or(FREE).to_be_bytes());
        body.extend((self.ranges.iter().len() as u32).to_be_bytes());
        for range in self.ranges.iter() {
            body.extend((range.start as u32).to_be_bytes());
            body.extend((range.end as u32).to_be_bytes());
        }
        let crc = crc32fast::hash(&body[4..]);
        body[..4].copy_from_slice(&crc.to_be_bytes());
        body
    }

    /// Reads a record of a torrent with `piece_count` pieces of `piece_length` bytes; `None` if it is damaged.
    pub(super) fn decode(bytes: &[u8], piece_count: u32, piece_length: u32) -> Option<Self> {
        let sequence = number(bytes, 4)?;
        let piece = Some(number(bytes, 8)?).filter(|&piece| piece != FREE);
        let count = number(bytes, 12)? as usize;
        let end = RECORD_FIXED.checked_add(count.checked_mul(8)?)?;
        if number(bytes, 0)? != crc32fast::hash(bytes.get(4..end)?) {
            return None;
        }
        let mut ranges = RangeSet::default();
        for at in (RECORD_FIXED..end).step_by(8) {
            let range = number(bytes, at)?..number(bytes, at + 4)?;
            if range.is_empty() || range.end > piece_length {
                return None;
            }
            ranges.insert(range.start.into()..range.end.into());
        }
        if piece.is_some_and(|piece| piece >= piece_count) {
            return None;
        }
        Some(Self {
            sequence,
            piece,
            ranges,
        })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(sequence: u32, piece: Option<u32>, ranges: &[(u64, u64)]) -> Record {
        let mut set = RangeSet::default();
        for &(from, length) in ranges {
            set.insert(from..from + length);
        }
        Record {
            sequence,
            piece,
            ranges: set,
        }
    }

    #[test]
    fn there_is_room_for_every_second_block() {
        for piece_length in [1, 16_384, 1 << 20, 512 << 20] {
            let shape = SlotShape::new(piece_length);
            assert!(shape.max_ranges() as u32 > piece_length.div_ceil(BLOCK_LENGTH).div_ceil(2));
        }
    }

    proptest! {
        #[test]
        fn records_come_back(sequence: u32, piece in prop::option::of(0u32..50),
                             ranges in prop::collection::vec((0u64..900, 1u64..100), 0..20)) {
            let record = record(sequence, piece, &ranges);
            let mut bytes = record.encode();
            bytes.resize(4096, 0xaa);
            prop_assert_eq!(Record::decode(&bytes, 50, 1_000), Some(record));
        }

        #[test]
        fn a_changed_bit_is_noticed(ranges in prop::collection::vec((0u64..900, 1u64..100), 0..20), at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = record(7, Some(3), &ranges).encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Record::decode(&bytes, 50, 1_000), None);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Record::decode(&bytes, 50, 1_000);
        }
    }
}

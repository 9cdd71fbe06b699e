//! The one bitfield type of the workspace.

use std::fmt;

use crate::PieceIndex;

/// Bytes that are no bitfield of the expected length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitfieldError {
    /// Not one bit for each piece, rounded up to bytes.
    #[error("bitfield has {got} bytes where {expected} belong")]
    Length {
        /// Bytes given.
        got: usize,
        /// Bytes that belong there.
        expected: usize,
    },
    /// A bit past the last piece is set.
    #[error("bitfield has spare bits set")]
    SpareBits,
}

/// A set of pieces (or of blocks in a piece) in the wire's order: the high bit of the first byte is piece 0 (BEP 3).
///
/// The number of set bits is kept, so that [`count`](Self::count) costs nothing.
///
/// ```
/// use headwater_metainfo::{Bitfield, PieceIndex};
///
/// let mut have = Bitfield::new(10);
/// have.set(PieceIndex(9));
/// assert_eq!(have.as_bytes(), [0, 0b0100_0000]);
/// assert_eq!(have.count(), 1);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Bitfield {
    bytes: Box<[u8]>,
    len: u32,
    count: u32,
}

impl Bitfield {
    /// `len` bits, none set.
    pub fn new(len: u32) -> Self {
        Self {
            bytes: vec![0; len.div_ceil(8) as usize].into(),
            len,
            count: 0,
        }
    }

    /// `len` bits, all set.
    pub fn full(len: u32) -> Self {
        let mut bytes = vec![0xff; len.div_ceil(8) as usize];
        if let Some(last) = bytes.last_mut() {
            *last &= !spare_mask(len);
        }
        Self {
            bytes: bytes.into(),
            len,
            count: len,
        }
    }

    /// Takes the wire's bytes for `len` pieces.
    pub fn from_bytes(bytes: &[u8], len: u32) -> Result<Self, BitfieldError> {
        let expected = len.div_ceil(8) as usize;
        if bytes.len() != expected {
            return Err(BitfieldError::Length {
                got: bytes.len(),
                expected,
            });
        }
        if bytes.last().is_some_and(|last| last & spare_mask(len) != 0) {
            return Err(BitfieldError::SpareBits);
        }
        let count = bytes.iter().map(|byte| byte.count_ones()).sum();
        Ok(Self {
            bytes: bytes.into(),
            len,
            count,
        })
    }

    /// The wire's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bits, set or not.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether it has no bits at all.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bits that are set.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether every bit is set.
    pub const fn is_full(&self) -> bool {
        self.count == self.len
    }

    /// Whether no bit is set.
    pub const fn is_clear(&self) -> bool {
        self.count == 0
    }

    /// Whether `piece` is set; false past the end.
    pub fn has(&self, piece: PieceIndex) -> bool {
        piece.0 < self.len && self.bytes[piece.as_usize() / 8] & mask(piece) != 0
    }

    /// Sets `piece` and says whether that changed anything.
    ///
    /// # Panics
    /// When `piece` is past the end.
    pub fn set(&mut self, piece: PieceIndex) -> bool {
        assert!(piece.0 < self.len, "{piece:?} of {}", self.len);
        let changed = !self.has(piece);
        self.bytes[piece.as_usize() / 8] |= mask(piece);
        self.count += u32::from(changed);
        changed
    }

    /// Clears `piece` and says whether that changed anything.
    ///
    /// # Panics
    /// When `piece` is past the end.
    pub fn clear(&mut self, piece: PieceIndex) -> bool {
        assert!(piece.0 < self.len, "{piece:?} of {}", self.len);
        let changed = self.has(piece);
        self.bytes[piece.as_usize() / 8] &= !mask(piece);
        self.count -= u32::from(changed);
        changed
    }

    /// The set pieces, in order.
    pub fn ones(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.words()
            .flat_map(|(start, word)| SetBits(word).map(move |bit| PieceIndex(start + bit)))
    }

    /// The pieces that are not set, in order.
    pub fn zeros(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.words()
            .flat_map(|(start, word)| SetBits(!word).map(move |bit| PieceIndex(start + bit)))
            .take_while(|piece| piece.0 < self.len)
    }

    /// The bits, 64 at a time, the first one highest; the last word is filled up with zeros.
    fn words(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let words = self.bytes.chunks(8).map(|chunk| {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            u64::from_be_bytes(bytes)
        });
        (0..).step_by(64).zip(words)
    }

    /// Whether any piece is set here and not in `other`.
    pub fn has_any_beyond(&self, other: &Self) -> bool {
        self.bytes
            .iter()
            .zip(&other.bytes)
            .any(|(mine, theirs)| mine & !theirs != 0)
    }
}

impl fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitfield({} of {})", self.count, self.len)
    }
}

/// Positions of the set bits of a word, from the high one.
struct SetBits(u64);

impl Iterator for SetBits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let bit = self.0.leading_zeros();
        if bit == u64::BITS {
            return None;
        }
        self.0 &= !(1 << (u64::BITS - 1 - bit));
        Some(bit)
    }
}

const fn mask(piece: PieceIndex) -> u8 {
    0x80 >> (piece.0 % 8)
}

/// The bits of the last byte that stand for no piece.
const fn spare_mask(len: u32) -> u8 {
    if len.is_multiple_of(8) {
        0
    } else {
        0xff >> (len % 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn spare_bits_and_lengths_are_checked() {
        assert_eq!(
            Bitfield::from_bytes(&[0xff, 0xe0], 10),
            Err(BitfieldError::SpareBits)
        );
        assert!(Bitfield::from_bytes(&[0xff], 10).is_err());
        assert!(Bitfield::from_bytes(&[0xff, 0xc0], 10).unwrap().is_full());
        assert_eq!(Bitfield::full(10).as_bytes(), [0xff, 0xc0]);
        assert!(Bitfield::from_bytes(&[], 0).unwrap().is_full());
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(len in 1u32..200, operations in prop::collection::vec((any::<bool>(), 0u32..200), 0..100)) {
            let mut bits = Bitfield::new(len);
            let mut model = BTreeSet::new();
            for (set, index) in operations {
                let piece = PieceIndex(index % len);
                if set {
                    prop_assert_eq!(bits.set(piece), model.insert(piece));
                } else {
                    prop_assert_eq!(bits.clear(piece), model.remove(&piece));
                }
            }
            prop_assert_eq!(bits.count() as usize, model.len());
            prop_assert!(bits.ones().eq(model.iter().copied()));
            prop_assert!(bits.zeros().all(|piece| !model.contains(&piece)));
            prop_assert_eq!(bits.zeros().count() + model.len(), len as usize);
            prop_assert_eq!(Bitfield::from_bytes(bits.as_bytes(), len), Ok(bits));
        }
    }
}

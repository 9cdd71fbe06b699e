//! Piece and block arithmetic.

use std::fmt;
use std::ops::Range;

/// Length of a block, the unit that peers ask for: 16 KiB. The last block of a piece may be shorter.
pub const BLOCK_LENGTH: u32 = 16 * 1024;

/// Position of a piece in its torrent, from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PieceIndex(pub u32);

impl PieceIndex {
    /// As an index into a slice with an entry for each piece.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PieceIndex({})", self.0)
    }
}

/// A run of bytes inside one piece, as `request`, `piece` and `cancel` messages carry it (BEP 3).
///
/// Whether it lies inside the torrent is for [`PieceGeometry::contains`] to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockSpan {
    /// The piece.
    pub piece: PieceIndex,
    /// First byte, counted from the start of the piece.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

impl BlockSpan {
    /// Index of the 16 KiB block in which the span starts.
    pub const fn block_index(&self) -> u32 {
        self.offset / BLOCK_LENGTH
    }
}

/// A size or piece length that makes no torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// The piece length is zero.
    #[error("piece length is 0")]
    ZeroPieceLength,
    /// The piece length is above [`PieceGeometry::MAX_PIECE_LENGTH`].
    #[error("piece length {0} is above 512 MiB")]
    PieceLengthTooLarge(u64),
    /// More pieces than [`PieceGeometry::MAX_PIECES`].
    #[error("{0} pieces are more than 2097152")]
    TooManyPieces(u64),
}

/// How a torrent's bytes divide into pieces and blocks.
///
/// ```
/// use headwater_metainfo::{PieceGeometry, PieceIndex};
///
/// let geometry = PieceGeometry::new(100_000, 65_536)?;
/// assert_eq!(geometry.piece_count(), 2);
/// assert_eq!(geometry.piece_size(PieceIndex(1)), 34_464);
/// assert_eq!(geometry.blocks(PieceIndex(1)).count(), 3);
/// # Ok::<(), headwater_metainfo::GeometryError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceGeometry {
    total_size: u64,
    piece_length: u32,
    piece_count: u32,
}

impl PieceGeometry {
    /// Largest piece length that is accepted: 512 MiB.
    pub const MAX_PIECE_LENGTH: u32 = 512 * 1024 * 1024;
    /// Most pieces that are accepted: 2^21.
    pub const MAX_PIECES: u32 = 1 << 21;

    /// Divides `total_size` bytes into pieces of `piece_length`; the last piece holds the rest.
    pub fn new(total_size: u64, piece_length: u64) -> Result<Self, GeometryError> {
        if piece_length == 0 {
            return Err(GeometryError::ZeroPieceLength);
        }
        if piece_length > u64::from(Self::MAX_PIECE_LENGTH) {
            return Err(GeometryError::PieceLengthTooLarge(piece_length));
        }
        let pieces = total_size.div_ceil(piece_length);
        if pieces > u64::from(Self::MAX_PIECES) {
            return Err(GeometryError::TooManyPieces(pieces));
        }
        Ok(Self {
            total_size,
            piece_length: piece_length as u32,
            piece_count: pieces as u32,
        })
    }

    /// Bytes in the torrent.
    pub const fn total_size(&self) -> u64 {
        self.total_size
    }

    /// Bytes in every piece but the last.
    pub const fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Pieces in the torrent.
    pub const fn piece_count(&self) -> u32 {
        self.piece_count
    }

    /// Every piece, in order.
    pub fn pieces(
        &self,
    ) -> impl DoubleEndedIterator<Item = PieceIndex> + ExactSizeIterator + use<> {
        (0..self.piece_count).map(PieceIndex)
    }

    /// `index` as a piece, if the torrent has that many.
    pub fn piece(&self, index: u32) -> Option<PieceIndex> {
        (index < self.piece_count).then_some(PieceIndex(index))
    }

    /// Bytes in `piece`: the piece length, or what is left for the last one; 0 past the end.
    pub fn piece_size(&self, piece: PieceIndex) -> u32 {
        let range = self.piece_range(piece);
        (range.end - range.start) as u32
    }

    /// The bytes of the torrent that `piece` holds; empty past the end.
    pub fn piece_range(&self, piece: PieceIndex) -> Range<u64> {
        let start = self.piece_start(piece).min(self.total_size);
        let end = (start + u64::from(self.piece_length)).min(self.total_size);
        start..end
    }

    /// Position of the first byte of `piece` in the torrent.
    pub fn piece_start(&self, piece: PieceIndex) -> u64 {
        u64::from(piece.0) * u64::from(self.piece_length)
    }

    /// The pieces that hold any byte of `bytes`, a range of positions in the torrent.
    pub fn pieces_touching(&self, bytes: Range<u64>) -> Range<u32> {
        let end = bytes.end.min(self.total_size);
        if bytes.start >= end {
            return 0..0;
        }
        let length = u64::from(self.piece_length);
        (bytes.start / length) as u32..end.div_ceil(length) as u32
    }

    /// Blocks in `piece`.
    pub fn block_count(&self, piece: PieceIndex) -> u32 {
        self.piece_size(piece).div_ceil(BLOCK_LENGTH)
    }

    /// Block number `index` of `piece`, if the piece has that many.
    pub fn block(&self, piece: PieceIndex, index: u32) -> Option<BlockSpan> {
        let size = self.piece_size(piece);
        let offset = index.checked_mul(BLOCK_LENGTH)?;
        (offset < size).then(|| BlockSpan {
            piece,
            offset,
            length: BLOCK_LENGTH.min(size - offset),
        })
    }

    /// Every block of `piece`, in order.
    pub fn blocks(&self, piece: PieceIndex) -> impl Iterator<Item = BlockSpan> + use<> {
        let this = *self;
        (0..this.block_count(piece)).filter_map(move |index| this.block(piece, index))
    }

    /// Whether `span` is not empty and lies inside one piece of the torrent.
    pub fn contains(&self, span: BlockSpan) -> bool {
        let end = u64::from(span.offset) + u64::from(span.length);
        span.length > 0 && end <= u64::from(self.piece_size(span.piece))
    }

    /// Whether `span` is exactly one of the blocks that [`blocks`](Self::blocks) gives.
    pub fn is_block(&self, span: BlockSpan) -> bool {
        span.offset.is_multiple_of(BLOCK_LENGTH)
            && self.block(span.piece, span.block_index()) == Some(span)
    }

    /// Position of the first byte of `span` in the torrent.
    pub fn span_start(&self, span: BlockSpan) -> u64 {
        self.piece_start(span.piece) + u64::from(span.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_exact_multiple_has_no_extra_piece() {
        let geometry = PieceGeometry::new(4 * 65_536, 65_536).unwrap();
        assert_eq!(geometry.piece_count(), 4);
        assert_eq!(geometry.piece_size(PieceIndex(3)), 65_536);
        assert_eq!(geometry.piece_size(PieceIndex(4)), 0);
    }

    #[test]
    fn nothing_is_made_of_absurd_lengths() {
        assert_eq!(
            PieceGeometry::new(1, 0),
            Err(GeometryError::ZeroPieceLength)
        );
        assert!(PieceGeometry::new(1, 1 << 30).is_err());
        assert!(PieceGeometry::new(u64::MAX, 16_384).is_err());
        assert_eq!(PieceGeometry::new(0, 16_384).unwrap().piece_count(), 0);
    }

    proptest! {
        #[test]
        fn blocks_tile_the_torrent(total in 0u64..2_000_000, length in 1u64..200_000) {
            prop_assume!(total / length < 4_000);
            let geometry = PieceGeometry::new(total, length).unwrap();
            let mut position = 0;
            for piece in geometry.pieces() {
                for block in geometry.blocks(piece) {
                    prop_assert_eq!(geometry.span_start(block), position);
                    prop_assert!(geometry.is_block(block) && geometry.contains(block));
                    position += u64::from(block.length);
                }
                prop_assert_eq!(geometry.piece_range(piece).end, position);
            }
            prop_assert_eq!(position, total);
        }

        #[test]
        fn pieces_touching_agrees_with_overlap(total in 1u64..500_000, length in 1_000u64..50_000,
                                               a in 0u64..600_000, b in 0u64..600_000) {
            let geometry = PieceGeometry::new(total, length).unwrap();
            let touching = geometry.pieces_touching(a..b);
            for piece in geometry.pieces() {
                let range = geometry.piece_range(piece);
                let overlaps = range.start.max(a) < range.end.min(b);
                prop_assert_eq!(touching.contains(&piece.0), overlaps);
            }
        }
    }
}

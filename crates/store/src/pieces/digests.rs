//! What the blocks of a good piece are.

use headwater_hash::Sha1Stream;
use headwater_metainfo::{BLOCK_LENGTH, BlockDigest, PieceIndex};

use super::PieceStore;
use crate::StoreError;

impl PieceStore {
    /// The digest of each block of a verified piece, in order, for comparing with what was in a bad copy of it.
    ///
    /// The piece is read and its hash checked once more: the digests are those of the very bytes that have it. If they do
    /// not, the piece is no longer verified, and the error is [`StoreError::NotVerified`].
    pub fn block_digests(&self, piece: PieceIndex) -> Result<Vec<BlockDigest>, StoreError> {
        if !self.has_piece(piece) {
            return Err(StoreError::OutOfRange(piece));
        }
        self.check_verified(piece)?;
        let expected = self.contents.piece_hash(piece);
        let expected = expected.ok_or(StoreError::NoHash(piece))?;
        let (mut whole, mut digests) = (Sha1Stream::new(), Vec::new());
        let mut buf = vec![0; BLOCK_LENGTH as usize];
        for span in self.geometry.blocks(piece) {
            let block = &mut buf[..span.length as usize];
            self.storage
                .read_at(self.geometry.span_start(span), block)
                .map_err(|error| self.note_absence(piece.0..piece.0 + 1, error))?;
            whole.update(block);
            digests.push(BlockDigest::of(block));
        }
        if whole.finish() == expected {
            Ok(digests)
        } else {
            self.verified.clear(piece);
            Err(StoreError::NotVerified(piece))
        }
    }
}

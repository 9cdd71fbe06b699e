//! From blocks to verified pieces, and early writes.

use std::io::IoSlice;

use headwater_metainfo::{BLOCK_LENGTH, BlockDigest, PieceIndex};

use super::buffer::{Block, Taken, runs_in_memory};
use super::{Completed, PieceCheck, PieceStore};
use crate::{StorageError, StoreError};

/// A complete piece, ready to be hashed.
struct Ready {
    piece: PieceIndex,
    expected: [u8; 20],
    taken: Taken,
    /// The blocks that had to be read back, in order.
    read_back: Vec<Vec<u8>>,
}

impl PieceStore {
    /// Hashes complete pieces, all at once, writes the good ones and forgets the bad ones. In the order given.
    ///
    /// `Passed` means verified and written. After an error of the storage the piece's blocks are gone, and nobody is to blame
    /// but the disk. [`StoreError::Incomplete`] leaves the blocks where they are.
    pub fn complete(
        &self,
        pieces: &[PieceIndex],
    ) -> Vec<(PieceIndex, Result<PieceCheck, StoreError>)> {
        self.complete_each(pieces, |_| PieceCheck::Failed, PieceCheck::Passed)
    }

    /// The same as [`complete`](Self::complete), and says of the bad ones what was in which block. That costs a second hash of a
    /// piece, but only of one that is bad.
    pub fn complete_with_digests(
        &self,
        pieces: &[PieceIndex],
    ) -> Vec<(PieceIndex, Result<Completed, StoreError>)> {
        let failed = |ready: &Ready| Completed::Failed(ready.block_digests());
        self.complete_each(pieces, failed, Completed::Passed)
    }

    fn complete_each<T: Clone>(
        &self,
        pieces: &[PieceIndex],
        failed: impl Fn(&Ready) -> T,
        passed: T,
    ) -> Vec<(PieceIndex, Result<T, StoreError>)> {
        let ready: Vec<_> = pieces.iter().map(|piece| self.make_ready(*piece)).collect();
        let mut digests = hash_all(&ready).into_iter();
        let mut results = Vec::with_capacity(pieces.len());
        for (&piece, ready) in pieces.iter().zip(ready) {
            let result = ready.and_then(|ready| {
                if digests.next() == Some(ready.expected) {
                    self.write_verified(&ready)?;
                    Ok(passed.clone())
                } else {
                    self.verified.clear(piece);
                    Ok(failed(&ready))
                }
            });
            results.push((piece, result));
        }
        results
    }

    fn make_ready(&self, piece: PieceIndex) -> Result<Ready, StoreError> {
        if !self.has_piece(piece) {
            return Err(StoreError::OutOfRange(piece));
        }
        let expected = self.contents.piece_hash(piece);
        let expected = expected.ok_or(StoreError::NoHash(piece))?;
        let taken = self.buffer.take_complete(piece);
        let taken = taken.ok_or(StoreError::Incomplete(piece))?;
        let read_back = self.read_back(piece, &taken)?;
        Ok(Ready {
            piece,
            expected,
            taken,
            read_back,
        })
    }

    fn read_back(&self, piece: PieceIndex, taken: &Taken) -> Result<Vec<Vec<u8>>, StorageError> {
        let blocks = self.geometry.blocks(piece).zip(&taken.blocks);
        let on_disk = blocks.filter(|(_, block)| block.is_on_disk());
        on_disk
            .map(|(span, _)| {
                let mut buf = vec![0; span.length as usize];
                let start = self.geometry.span_start(span);
                self.storage.read_at(start, &mut buf)?;
                Ok(buf)
            })
            .collect()
    }

    fn write_verified(&self, ready: &Ready) -> Result<(), StoreError> {
        self.write_blocks(ready.piece, &ready.taken.blocks, |_, _| {})?;
        self.verified.set_written(ready.piece, ready.taken.doubtful);
        Ok(())
    }

    /// Writes the blocks that are in memory, a run of neighbours at a time; `done` gets each run's first block and count.
    fn write_blocks(
        &self,
        piece: PieceIndex,
        blocks: &[Block],
        mut done: impl FnMut(usize, usize),
    ) -> Result<(), StorageError> {
        for (first, run) in runs_in_memory(blocks) {
            let slices: Vec<_> = run.iter().map(|data| IoSlice::new(data)).collect();
            let offset = first as u64 * u64::from(BLOCK_LENGTH);
            let start = self.geometry.piece_start(piece) + offset;
            self.storage.write_at(start, &slices)?;
            done(first, run.len());
        }
        Ok(())
    }

    /// Writes blocks until there is some room in the budget again.
    pub(super) fn write_early(&self) -> Result<(), StoreError> {
        let _alone = self.early.lock();
        let enough = self.buffer.budget() / 4 * 3;
        if !self.buffer.is_over_budget() {
            return Ok(());
        }
        for (piece, _) in self.buffer.by_urgency() {
            if self.buffer.bytes() <= enough {
                break;
            }
            self.write_piece_early(piece)?;
        }
        Ok(())
    }

    /// Writes all blocks that wait.
    pub(super) fn write_everything(&self) -> Result<(), StoreError> {
        for (piece, _) in self.buffer.entries() {
            self.write_piece_early(piece)?;
        }
        Ok(())
    }

    /// The piece stays locked meanwhile: were it discarded and fetched again, old blocks could otherwise come to lie over
    /// new ones.
    fn write_piece_early(&self, piece: PieceIndex) -> Result<(), StoreError> {
        let Some(entry) = self.buffer.get(piece) else {
            return Ok(());
        };
        let mut partial = entry.lock();
        if partial.is_closed() {
            return Ok(());
        }
        let mut written = Vec::new();
        let result = self.write_blocks(piece, &partial.blocks, |first, count| {
            written.push((first, count));
        });
        for (first, count) in written {
            partial.written(first, count);
        }
        Ok(result?)
    }
}

/// The digests of those that are ready, in order.
fn hash_all(ready: &[Result<Ready, StoreError>]) -> Vec<headwater_hash::Sha1Digest> {
    let messages: Vec<Vec<&[u8]>> = ready.iter().flatten().map(Ready::message).collect();
    let messages: Vec<&[&[u8]]> = messages.iter().map(Vec::as_slice).collect();
    headwater_hash::sha1_many(&messages)
}

impl Ready {
    /// What each block was, if it is certain that it is what was last added.
    fn block_digests(&self) -> Vec<Option<BlockDigest>> {
        let blocks = self.message();
        let messages: Vec<&[&[u8]]> = blocks.iter().map(std::slice::from_ref).collect();
        let digests = headwater_hash::sha256_many(&messages).into_iter();
        let certain = self.taken.blocks.iter().map(|block| match block {
            Block::Memory(_) => true,
            Block::Disk => !self.taken.doubtful,
            Block::Restored | Block::Missing => false,
        });
        digests
            .zip(certain)
            .map(|(digest, certain)| certain.then(|| digest.into()))
            .collect()
    }

    fn message(&self) -> Vec<&[u8]> {
        let mut read_back = self.read_back.iter();
        let blocks = self.taken.blocks.iter();
        blocks
            .filter_map(|block| match block {
                Block::Memory(data) => Some(&data[..]),
                Block::Disk | Block::Restored => read_back.next().map(Vec::as_slice),
                Block::Missing => None,
            })
            .collect()
    }
}

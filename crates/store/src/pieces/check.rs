//! Hash checks of what is on disk.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater_hash::{Engine, Messages, Reader, Sha1, Sha1Digest};
use headwater_metainfo::PieceIndex;
use parking_lot::Mutex;

use super::{PieceCheck, PieceStore};
use crate::{Storage, StorageError, StoreError};

/// Bytes in a batch, unless a piece for each lane is more.
const BATCH_LENGTH: u32 = 4 * 1024 * 1024;

type Report<'a> = &'a dyn Fn(PieceIndex, Result<PieceCheck, StoreError>);

impl PieceStore {
    /// Reads and hashes one piece. What is missing or too short has failed; an error means that nobody knows.
    ///
    /// A piece that passes is verified from now on, any other is not.
    pub fn check(&self, piece: PieceIndex) -> Result<PieceCheck, StoreError> {
        let result = Mutex::new(Err(StoreError::OutOfRange(piece)));
        self.check_batch(&[piece], &mut Reader::new(), &|_, outcome| {
            *result.lock() = outcome;
        });
        result.into_inner()
    }

    /// [Checks](Self::check) `pieces` on up to `threads` threads, telling `report` of each as it is done, in any order and
    /// from any of the threads, until all are done or `cancel` is set. Returns whether all are done.
    ///
    /// Several pieces are read and hashed side by side, a part of each in turn. What is not in the system's page cache is
    /// read ahead, and given up again afterwards; what was never written to a sparse file is not read at all.
    pub fn check_many(
        &self,
        pieces: &[PieceIndex],
        threads: usize,
        report: &(dyn Fn(PieceIndex, Result<PieceCheck, StoreError>) + Sync),
        cancel: &AtomicBool,
    ) -> bool {
        let lanes = Engine::best_for_sha1().lanes();
        let batch = lanes.max((BATCH_LENGTH / self.geometry.piece_length()) as usize);
        let batches: VecDeque<_> = pieces.chunks(batch).collect();
        let threads = threads.clamp(1, batches.len().max(1));
        let batches = Mutex::new(batches);
        let work = || {
            let mut reader = Reader::new();
            while !cancel.load(Ordering::Relaxed) {
                let Some(batch) = batches.lock().pop_front() else {
                    return;
                };
                self.check_batch(batch, &mut reader, &|piece, result| report(piece, result));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        batches.into_inner().is_empty()
    }

    fn check_batch(&self, pieces: &[PieceIndex], reader: &mut Reader, report: Report<'_>) {
        let mut to_read = Vec::with_capacity(pieces.len());
        for &piece in pieces {
            if !self.has_piece(piece) {
                report(piece, Err(StoreError::OutOfRange(piece)));
            } else if self.storage.is_hole(self.geometry.piece_range(piece)) {
                report(piece, self.judge(piece, Ok(self.digest_of_zeros(piece))));
            } else {
                to_read.push(piece);
            }
        }
        let sizes: Vec<_> = to_read
            .iter()
            .map(|&piece| u64::from(self.geometry.piece_size(piece)))
            .collect();
        let starts = to_read
            .iter()
            .map(|&piece| self.geometry.piece_start(piece));
        let mut on_disk = OnDisk::new(&*self.storage, starts.collect());
        let digests = reader.digests::<Sha1, _>(&sizes, &mut on_disk);
        for (piece, digest) in to_read.into_iter().zip(digests) {
            report(piece, self.judge(piece, digest));
        }
    }

    /// All pieces but the last are alike.
    fn digest_of_zeros(&self, piece: PieceIndex) -> Sha1Digest {
        let size = self.geometry.piece_size(piece);
        if size < self.geometry.piece_length() {
            return headwater_hash::sha1_of_zeros(size.into());
        }
        *self
            .zero_digest
            .get_or_init(|| headwater_hash::sha1_of_zeros(size.into()))
    }

    fn judge(
        &self,
        piece: PieceIndex,
        digest: Result<Sha1Digest, StorageError>,
    ) -> Result<PieceCheck, StoreError> {
        let expected = self.contents.piece_hash(piece);
        let expected = expected.ok_or(StoreError::NoHash(piece));
        match (digest, expected) {
            (Ok(digest), Ok(expected)) if digest == expected => {
                self.verified.set(piece);
                Ok(PieceCheck::Passed)
            }
            (digest, expected) => {
                self.verified.clear(piece);
                expected?;
                match digest {
                    Err(error) if !error.kind().is_absence() => Err(error.into()),
                    _ => Ok(PieceCheck::Failed),
                }
            }
        }
    }
}

/// Pieces that are read for a check.
struct OnDisk<'a> {
    storage: &'a dyn Storage,
    /// Where each piece starts in the torrent.
    starts: Vec<u64>,
    /// What was brought into memory of each piece, in order.
    brought: Vec<VecDeque<Range<u64>>>,
}

impl<'a> OnDisk<'a> {
    fn new(storage: &'a dyn Storage, starts: Vec<u64>) -> Self {
        Self {
            storage,
            brought: starts.iter().map(|_| VecDeque::new()).collect(),
            starts,
        }
    }

    fn in_torrent(&self, piece: usize, range: Range<u64>) -> Range<u64> {
        self.starts[piece] + range.start..self.starts[piece] + range.end
    }
}

impl Messages for OnDisk<'_> {
    type Error = StorageError;

    fn read(&mut self, piece: usize, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.storage.read_once(self.starts[piece] + offset, buf)
    }

    fn ahead(&mut self, piece: usize, range: Range<u64>) {
        let brought = self.storage.read_ahead(self.in_torrent(piece, range));
        self.brought[piece].extend(brought);
    }

    fn behind(&mut self, piece: usize, range: Range<u64>) {
        let end = self.in_torrent(piece, range).end;
        while let Some(range) = self.brought[piece].pop_front_if(|range| range.end <= end) {
            self.storage.let_go(range);
        }
    }
}

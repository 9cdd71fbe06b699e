//! Hash checks of what is on disk.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use headwater_hash::{Engine, Messages, Reader, Sha1, Sha1Digest};
use headwater_metainfo::PieceIndex;
use parking_lot::Mutex;

use super::{PieceCheck, PieceStore};
use crate::{Storage, StorageError, StoreError};

/// Bytes in a batch, unless a piece for each lane is more.
const BATCH_LENGTH: u32 = 4 * 1024 * 1024;

/// Bytes of each piece of the next batch that are read ahead while one is hashed.
const BEGINNING: u64 = 1024 * 1024;

type Report<'a> = &'a dyn Fn(PieceIndex, Result<PieceCheck, StoreError>);

impl PieceStore {
    /// Reads and hashes one piece. What is missing or too short has failed; an error means that nobody knows.
    ///
    /// A piece that passes is verified from now on, any other is not.
    pub fn check(&self, piece: PieceIndex) -> Result<PieceCheck, StoreError> {
        let result = Mutex::new(Err(StoreError::OutOfRange(piece)));
        let report = |_, outcome| *result.lock() = outcome;
        let batch = self.begin_batch(&[piece], &report);
        self.read_batch(batch, &mut Reader::new(), &report);
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
        let (batches, done) = (Mutex::new(batches), AtomicUsize::new(0));
        let work = || {
            let mut reader = Reader::new();
            let begin = || Some(self.begin_batch(batches.lock().pop_front()?, report));
            let mut next = begin();
            let mut is_cold = false;
            while let Some(batch) = next.filter(|_| !cancel.load(Ordering::Relaxed)) {
                next = begin();
                // While this one is hashed, the disk has something to do.
                if let Some(next) = next.as_mut().filter(|_| is_cold) {
                    next.on_disk.begin_to_read();
                }
                is_cold = self.read_batch(batch, &mut reader, report);
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        done.into_inner() == pieces.len().div_ceil(batch)
    }

    /// Sees to the pieces of which nothing need be read.
    fn begin_batch(&self, pieces: &[PieceIndex], report: Report<'_>) -> Batch<'_> {
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
        let ranges = to_read
            .iter()
            .map(|&piece| self.geometry.piece_range(piece));
        Batch {
            on_disk: OnDisk::new(&*self.storage, ranges.collect()),
            pieces: to_read,
        }
    }

    /// Whether anything of it was not in memory.
    fn read_batch(&self, mut batch: Batch<'_>, reader: &mut Reader, report: Report<'_>) -> bool {
        let sizes = batch.on_disk.ranges.iter();
        let sizes: Vec<_> = sizes.map(|range| range.end - range.start).collect();
        let digests = reader.digests::<Sha1, _>(&sizes, &mut batch.on_disk);
        for (piece, digest) in batch.pieces.into_iter().zip(digests) {
            report(piece, self.judge(piece, digest));
        }
        batch.on_disk.is_cold
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

/// Pieces that a thread checks side by side.
struct Batch<'a> {
    pieces: Vec<PieceIndex>,
    on_disk: OnDisk<'a>,
}

/// Where the pieces of a batch lie, and what of them was brought into memory.
struct OnDisk<'a> {
    storage: &'a dyn Storage,
    /// Each piece's bytes in the torrent.
    ranges: Vec<Range<u64>>,
    /// What was brought in of each, in order.
    brought: Vec<VecDeque<Range<u64>>>,
    /// Something was.
    is_cold: bool,
}

impl<'a> OnDisk<'a> {
    fn new(storage: &'a dyn Storage, ranges: Vec<Range<u64>>) -> Self {
        Self {
            storage,
            brought: ranges.iter().map(|_| VecDeque::new()).collect(),
            ranges,
            is_cold: false,
        }
    }

    /// Announces the beginning of every piece.
    fn begin_to_read(&mut self) {
        for piece in 0..self.ranges.len() {
            let length = self.ranges[piece].end - self.ranges[piece].start;
            self.ahead(piece, 0..length.min(BEGINNING));
        }
    }
}

impl Messages for OnDisk<'_> {
    type Error = StorageError;

    fn read(&mut self, piece: usize, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.storage
            .read_once(self.ranges[piece].start + offset, buf)
    }

    /// What was announced before is in memory now, or on its way, and nothing new is brought in.
    fn ahead(&mut self, piece: usize, range: Range<u64>) {
        let start = self.ranges[piece].start;
        let brought = self
            .storage
            .read_ahead(start + range.start..start + range.end);
        self.is_cold |= !brought.is_empty();
        self.brought[piece].extend(brought);
    }

    fn behind(&mut self, piece: usize, range: Range<u64>) {
        let end = self.ranges[piece].start + range.end;
        while let Some(range) = self.brought[piece].pop_front_if(|range| range.end <= end) {
            self.storage.let_go(range);
        }
    }
}

impl Drop for OnDisk<'_> {
    /// Of a batch that was given up.
    fn drop(&mut self) {
        for range in self
            .brought
            .iter_mut()
            .flat_map(|brought| brought.drain(..))
        {
            self.storage.let_go(range);
        }
    }
}

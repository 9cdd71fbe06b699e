//! Hash checks of what is on disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater_hash::Sha1Digest;
use headwater_metainfo::PieceIndex;
use parking_lot::Mutex;
use sha1::{Digest, Sha1};

use super::{PieceCheck, PieceStore};
use crate::{StorageError, StoreError};

/// Bytes that a checking thread reads before it hashes them, several pieces side by side.
const BATCH_LENGTH: usize = 8 * 1024 * 1024;
/// Most pieces in a batch: the lanes of the widest engine.
const BATCH_PIECES: usize = 16;
/// Bytes read at a time of a piece that is longer than a batch.
const STREAM_LENGTH: usize = 256 * 1024;

type Report<'a> = &'a mut dyn FnMut(PieceIndex, Result<PieceCheck, StoreError>);

impl PieceStore {
    /// Reads and hashes one piece. What is missing or too short has failed; an error means that nobody knows.
    ///
    /// A piece that passes is verified from now on, any other is not.
    pub fn check(&self, piece: PieceIndex) -> Result<PieceCheck, StoreError> {
        let mut result = Err(StoreError::OutOfRange(piece));
        self.check_batch(&[piece], &mut Vec::new(), &mut |_, outcome| {
            result = outcome;
        });
        result
    }

    /// [Checks](Self::check) `pieces` on up to `threads` threads, telling `report` of each as it is done, in any order and
    /// from any of the threads, until all are done or `cancel` is set. Returns whether all are done.
    pub fn check_many(
        &self,
        pieces: &[PieceIndex],
        threads: usize,
        report: &(dyn Fn(PieceIndex, Result<PieceCheck, StoreError>) + Sync),
        cancel: &AtomicBool,
    ) -> bool {
        let fit = BATCH_LENGTH / self.geometry.piece_length() as usize;
        let batches: VecDeque<_> = pieces.chunks(fit.clamp(1, BATCH_PIECES)).collect();
        let threads = threads.clamp(1, batches.len().max(1));
        let batches = Mutex::new(batches);
        let work = || {
            let mut buf = Vec::new();
            while !cancel.load(Ordering::Relaxed) {
                let Some(batch) = batches.lock().pop_front() else {
                    return;
                };
                self.check_batch(batch, &mut buf, &mut |piece, result| report(piece, result));
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

    fn check_batch(&self, pieces: &[PieceIndex], buf: &mut Vec<u8>, report: Report<'_>) {
        let size = |piece: PieceIndex| self.geometry.piece_size(piece) as usize;
        if pieces.iter().map(|piece| size(*piece)).sum::<usize>() > BATCH_LENGTH {
            for &piece in pieces {
                let digest = self.digest_by_stream(piece, buf);
                report(piece, self.judge(piece, digest));
            }
            return;
        }
        let mut read = Vec::with_capacity(pieces.len());
        let mut used = 0;
        for &piece in pieces {
            let end = used + size(piece);
            if buf.len() < end {
                buf.resize(end, 0);
            }
            let start = self.geometry.piece_start(piece);
            match self.storage.read_at(start, &mut buf[used..end]) {
                Ok(()) => read.push((piece, used..end)),
                Err(error) => report(piece, self.judge(piece, Err(error))),
            }
            used = end;
        }
        let parts: Vec<[&[u8]; 1]> = read.iter().map(|(_, at)| [&buf[at.clone()]]).collect();
        let messages: Vec<&[&[u8]]> = parts.iter().map(<[_; 1]>::as_slice).collect();
        let digests = headwater_hash::sha1_many(&messages);
        for ((piece, _), digest) in read.into_iter().zip(digests) {
            report(piece, self.judge(piece, Ok(digest)));
        }
    }

    fn digest_by_stream(
        &self,
        piece: PieceIndex,
        buf: &mut Vec<u8>,
    ) -> Result<Sha1Digest, StorageError> {
        buf.resize(STREAM_LENGTH, 0);
        let range = self.geometry.piece_range(piece);
        let mut hasher = Sha1::new();
        let mut position = range.start;
        while position < range.end {
            let length = (range.end - position).min(STREAM_LENGTH as u64);
            let now = &mut buf[..length as usize];
            self.storage.read_at(position, now)?;
            hasher.update(now);
            position += length;
        }
        Ok(hasher.finalize().into())
    }

    fn judge(
        &self,
        piece: PieceIndex,
        digest: Result<Sha1Digest, StorageError>,
    ) -> Result<PieceCheck, StoreError> {
        if !self.has_piece(piece) {
            return Err(StoreError::OutOfRange(piece));
        }
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

//! Reading and hashing a torrent's files.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use headwater_hash::Sha1Digest;

use super::hasher::{PieceHasher, batch_pieces, hash_pieces};
use super::{CreateError, Creator};
use crate::{FileIndex, FileSpan, PieceIndex};

/// Files that several threads read at any place.
///
/// Files are numbered as in the list given to [`Creator::new`].
pub trait Source: Sync {
    /// Reads bytes of `file` from `offset` on into `buffer` and says how many; 0 at the file's end.
    fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// Files in memory.
impl<D: AsRef<[u8]> + Sync> Source for Vec<D> {
    fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let data = self.get(file).ok_or(io::ErrorKind::NotFound)?.as_ref();
        let start = usize::try_from(offset).map_or(data.len(), |start| start.min(data.len()));
        (&data[start..]).read(buffer)
    }
}

impl Creator {
    /// The hash of each piece, read from `source` by `threads` threads.
    ///
    /// `progress` is called from all of them with the number of bytes that were read and hashed since its last call, and may
    /// interrupt the work.
    pub fn hash(
        &self,
        source: &impl Source,
        threads: NonZeroUsize,
        progress: impl Fn(u64) -> ControlFlow<()> + Sync,
    ) -> Result<Vec<Sha1Digest>, CreateError> {
        let job = Job::new(self, source, progress);
        thread::scope(|scope| {
            for _ in 1..threads.get().min(job.batches()) {
                scope.spawn(|| job.run());
            }
            job.run();
        });
        job.finish()
    }

    /// The hash of each piece, read from one reader after the other in the torrent's order.
    ///
    /// `open` gets a file's number in the list given to [`new`](Self::new), and gives its bytes from the first on; `progress`
    /// is called as in [`hash`](Self::hash).
    pub fn hash_readers<R: Read>(
        &self,
        mut open: impl FnMut(usize) -> io::Result<R>,
        mut progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Vec<Sha1Digest>, CreateError> {
        let mut hasher = PieceHasher::new(self.geometry);
        for (file, entry) in self.layout.iter() {
            let mut reader =
                open(self.origin(file)).map_err(|error| self.read_error(file, error))?;
            let mut left = entry.length();
            while left > 0 {
                let got = retrying(|| hasher.read_from(&mut reader, left));
                let got = got.map_err(|error| self.read_error(file, error))? as u64;
                left -= self.require_some(file, got)?;
                interruptible(progress(got))?;
            }
            let beyond = retrying(|| reader.read(&mut [0]));
            self.require_end(file, beyond)?;
        }
        Ok(hasher.finish())
    }

    fn read_error(&self, file: FileIndex, source: io::Error) -> CreateError {
        let path = self.shown_path(file);
        CreateError::Read { path, source }
    }

    fn require_some(&self, file: FileIndex, got: u64) -> Result<u64, CreateError> {
        match got {
            0 => Err(CreateError::Shorter(self.shown_path(file))),
            got => Ok(got),
        }
    }

    fn require_end(&self, file: FileIndex, beyond: io::Result<usize>) -> Result<(), CreateError> {
        match beyond {
            Ok(0) => Ok(()),
            Ok(_) => Err(CreateError::Longer(self.shown_path(file))),
            Err(error) => Err(self.read_error(file, error)),
        }
    }
}

fn interruptible(flow: ControlFlow<()>) -> Result<(), CreateError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(CreateError::Interrupted),
    }
}

fn retrying<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Work that threads take batch by batch, in the torrent's order, so that files are read nearly in sequence.
struct Job<'a, S, P> {
    creator: &'a Creator,
    source: &'a S,
    progress: P,
    batch_pieces: u32,
    next_piece: AtomicU32,
    has_failed: AtomicBool,
    outcome: Mutex<Result<Vec<Sha1Digest>, CreateError>>,
}

impl<'a, S: Source, P: Fn(u64) -> ControlFlow<()> + Sync> Job<'a, S, P> {
    fn new(creator: &'a Creator, source: &'a S, progress: P) -> Self {
        let pieces = creator.geometry.piece_count() as usize;
        Self {
            creator,
            source,
            progress,
            batch_pieces: batch_pieces(&creator.geometry) as u32,
            next_piece: AtomicU32::new(0),
            has_failed: AtomicBool::new(false),
            outcome: Mutex::new(Ok(vec![[0; 20]; pieces])),
        }
    }

    fn batches(&self) -> usize {
        let pieces = self.creator.geometry.piece_count();
        pieces.div_ceil(self.batch_pieces) as usize
    }

    /// Works until nothing is left or one thread has failed.
    fn run(&self) {
        let mut buffer = Vec::new();
        while let Some(pieces) = self.next_batch() {
            let first = pieces.start as usize;
            match self.hash_batch(pieces, &mut buffer) {
                Ok(hashes) => self.record(first, &hashes),
                Err(error) => self.fail(error),
            }
        }
    }

    fn next_batch(&self) -> Option<Range<u32>> {
        let count = self.creator.geometry.piece_count();
        // Piece counts end far below where the counter could wrap.
        let first = self
            .next_piece
            .fetch_add(self.batch_pieces, Ordering::Relaxed);
        let is_wanted = first < count && !self.has_failed.load(Ordering::Relaxed);
        is_wanted.then(|| first..count.min(first + self.batch_pieces))
    }

    fn hash_batch(
        &self,
        pieces: Range<u32>,
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<Sha1Digest>, CreateError> {
        let geometry = &self.creator.geometry;
        let start = geometry.piece_start(PieceIndex(pieces.start));
        let end = geometry.piece_range(PieceIndex(pieces.end - 1)).end;
        buffer.resize((end - start) as usize, 0);
        let mut rest = &mut buffer[..];
        for span in self.creator.layout.spans(start, end - start) {
            let (part, later) = rest.split_at_mut(span.length as usize);
            self.read_span(span, part)?;
            rest = later;
        }
        let hashes = hash_pieces(buffer, geometry);
        interruptible((self.progress)(end - start))?;
        Ok(hashes)
    }

    /// Fills `buffer`, and at the end of a file makes sure that it is the end.
    fn read_span(&self, span: FileSpan, buffer: &mut [u8]) -> Result<(), CreateError> {
        let (creator, file) = (self.creator, span.file);
        let read = |offset, buffer: &mut [u8]| {
            retrying(|| self.source.read_at(creator.origin(file), offset, buffer))
        };
        let mut done = 0;
        while done < buffer.len() {
            let got = read(span.offset + done as u64, &mut buffer[done..]);
            let got = got.map_err(|error| creator.read_error(file, error))?;
            done += creator.require_some(file, got as u64)? as usize;
        }
        let end = span.offset + span.length;
        if end == creator.files[file.as_usize()].length {
            creator.require_end(file, read(end, &mut [0]))?;
        }
        Ok(())
    }

    fn record(&self, first: usize, hashes: &[Sha1Digest]) {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(all) = &mut *outcome {
            all[first..first + hashes.len()].copy_from_slice(hashes);
        }
    }

    fn fail(&self, error: CreateError) {
        self.has_failed.store(true, Ordering::Relaxed);
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if outcome.is_ok() {
            *outcome = Err(error);
        }
    }

    fn finish(self) -> Result<Vec<Sha1Digest>, CreateError> {
        self.outcome
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

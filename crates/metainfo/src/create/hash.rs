//! Reading and hashing a torrent's files.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use headwater_hash::{Engine, Messages, Reader, Sha1, Sha1Digest, sha1_of_zeros};

use super::hasher::PieceHasher;
use super::{CreateError, Creator};
use crate::{FileIndex, FileSpan, PieceIndex};

/// Bytes in a batch, unless a piece for each lane is more.
const BATCH_BYTES: u32 = 4 * 1024 * 1024;

/// Files that several threads read at any place.
///
/// Files are numbered as in the list given to [`Creator::new`].
pub trait Source: Sync {
    /// Reads bytes of `file` from `offset` on into `buffer` and says how many; 0 at the file's end.
    fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Begins to read `range` of `file`, without waiting for it. Gives what of it was not in memory before: to be [let
    /// go](Self::let_go) once it was read.
    fn read_ahead(&self, file: usize, range: Range<u64>) -> Vec<Range<u64>> {
        let _ = (file, range);
        Vec::new()
    }

    /// Gives up a range that [`read_ahead`](Self::read_ahead) brought into memory.
    fn let_go(&self, file: usize, brought: Range<u64>) {
        let _ = (file, brought);
    }

    /// Whether `file` has all of `range`, and it reads as zeros because nothing was ever written there. `false` if nobody can tell.
    fn is_hole(&self, file: usize, range: Range<u64>) -> bool {
        let _ = (file, range);
        false
    }
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
    /// The hash of a whole piece of zeros, once there was one.
    zero_digest: OnceLock<Sha1Digest>,
    outcome: Mutex<Result<Vec<Sha1Digest>, CreateError>>,
}

impl<'a, S: Source, P: Fn(u64) -> ControlFlow<()> + Sync> Job<'a, S, P> {
    fn new(creator: &'a Creator, source: &'a S, progress: P) -> Self {
        let pieces = creator.geometry.piece_count() as usize;
        let lanes = Engine::best_for_sha1().lanes() as u32;
        Self {
            creator,
            source,
            progress,
            batch_pieces: lanes.max(BATCH_BYTES / creator.geometry.piece_length()),
            next_piece: AtomicU32::new(0),
            has_failed: AtomicBool::new(false),
            zero_digest: OnceLock::new(),
            outcome: Mutex::new(Ok(vec![[0; 20]; pieces])),
        }
    }

    fn batches(&self) -> usize {
        let pieces = self.creator.geometry.piece_count();
        pieces.div_ceil(self.batch_pieces) as usize
    }

    /// Works until nothing is left or one thread has failed.
    fn run(&self) {
        let mut reader = Reader::new();
        while let Some(pieces) = self.next_batch() {
            if let Err(error) = self.hash_batch(pieces, &mut reader) {
                self.fail(error);
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

    fn hash_batch(&self, pieces: Range<u32>, reader: &mut Reader) -> Result<(), CreateError> {
        let mut to_read = Vec::with_capacity(pieces.len());
        for piece in pieces.map(PieceIndex) {
            if self.is_hole(piece)? {
                self.record(piece, self.digest_of_zeros(piece));
            } else {
                to_read.push(piece);
            }
        }
        let geometry = self.creator.geometry;
        let sizes: Vec<_> = to_read
            .iter()
            .map(|&piece| u64::from(geometry.piece_size(piece)))
            .collect();
        let mut side_by_side = SideBySide {
            job: self,
            pieces: &to_read,
            brought: to_read.iter().map(|_| VecDeque::new()).collect(),
        };
        let digests = reader.digests::<Sha1, _>(&sizes, &mut side_by_side);
        for (&piece, digest) in to_read.iter().zip(digests) {
            self.record(piece, digest?);
        }
        Ok(())
    }

    /// Whether nothing was ever written where the piece lies; then it counts as read.
    fn is_hole(&self, piece: PieceIndex) -> Result<bool, CreateError> {
        let range = self.creator.geometry.piece_range(piece);
        let is_hole = |span: FileSpan| {
            let part = span.offset..span.offset + span.length;
            self.source.is_hole(self.creator.origin(span.file), part)
        };
        if !self.spans(&range).all(is_hole) {
            return Ok(false);
        }
        for span in self.spans(&range) {
            self.require_end_after(span)?;
        }
        interruptible((self.progress)(range.end - range.start))?;
        Ok(true)
    }

    fn digest_of_zeros(&self, piece: PieceIndex) -> Sha1Digest {
        let size = self.creator.geometry.piece_size(piece);
        if size < self.creator.geometry.piece_length() {
            return sha1_of_zeros(size.into());
        }
        *self.zero_digest.get_or_init(|| sha1_of_zeros(size.into()))
    }

    /// Fills `buffer` with the torrent's bytes from `start` on.
    fn read(&self, start: u64, mut buffer: &mut [u8]) -> Result<(), CreateError> {
        let length = buffer.len() as u64;
        for span in self.spans(&(start..start + length)) {
            let (part, later) = buffer.split_at_mut(span.length as usize);
            self.read_span(span, part)?;
            buffer = later;
        }
        interruptible((self.progress)(length))
    }

    /// Fills `buffer`, and at the end of a file makes sure that it is the end.
    fn read_span(&self, span: FileSpan, buffer: &mut [u8]) -> Result<(), CreateError> {
        let mut done = 0;
        while done < buffer.len() {
            let offset = span.offset + done as u64;
            let got = self.read_some(span.file, offset, &mut buffer[done..]);
            let got = got.map_err(|error| self.creator.read_error(span.file, error))?;
            done += self.creator.require_some(span.file, got as u64)? as usize;
        }
        self.require_end_after(span)
    }

    fn require_end_after(&self, span: FileSpan) -> Result<(), CreateError> {
        let end = span.offset + span.length;
        if end < self.creator.files[span.file.as_usize()].length {
            return Ok(());
        }
        let beyond = self.read_some(span.file, end, &mut [0]);
        self.creator.require_end(span.file, beyond)
    }

    fn read_some(&self, file: FileIndex, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let origin = self.creator.origin(file);
        retrying(|| self.source.read_at(origin, offset, buffer))
    }

    fn spans(&self, range: &Range<u64>) -> impl Iterator<Item = FileSpan> + use<'a, S, P> {
        self.creator
            .layout
            .spans(range.start, range.end - range.start)
    }

    fn record(&self, piece: PieceIndex, digest: Sha1Digest) {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(all) = &mut *outcome {
            all[piece.as_usize()] = digest;
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

/// Pieces that are read a part of each in turn.
struct SideBySide<'a, 'j, S, P> {
    job: &'a Job<'j, S, P>,
    pieces: &'a [PieceIndex],
    /// What was brought into memory for each piece: a part of a file, and where that ends in the torrent.
    brought: Vec<VecDeque<Brought>>,
}

/// A part of a file that was not in memory before.
struct Brought {
    file: usize,
    part: Range<u64>,
    /// Where it ends in the torrent.
    end: u64,
}

impl<S: Source, P: Fn(u64) -> ControlFlow<()> + Sync> SideBySide<'_, '_, S, P> {
    fn start_of(&self, piece: usize) -> u64 {
        self.job.creator.geometry.piece_start(self.pieces[piece])
    }
}

impl<S: Source, P: Fn(u64) -> ControlFlow<()> + Sync> Messages for SideBySide<'_, '_, S, P> {
    type Error = CreateError;

    fn read(&mut self, piece: usize, offset: u64, buf: &mut [u8]) -> Result<(), CreateError> {
        self.job.read(self.start_of(piece) + offset, buf)
    }

    fn ahead(&mut self, piece: usize, range: Range<u64>) {
        let mut position = self.start_of(piece) + range.start;
        for span in self
            .job
            .spans(&(position..self.start_of(piece) + range.end))
        {
            let file = self.job.creator.origin(span.file);
            let part = span.offset..span.offset + span.length;
            position += span.length;
            for part in self.job.source.read_ahead(file, part.clone()) {
                let end = position - (span.offset + span.length - part.end);
                self.brought[piece].push_back(Brought { file, part, end });
            }
        }
    }

    fn behind(&mut self, piece: usize, range: Range<u64>) {
        let end = self.start_of(piece) + range.end;
        while let Some(brought) = self.brought[piece].pop_front_if(|brought| brought.end <= end) {
            self.job.source.let_go(brought.file, brought.part);
        }
    }
}

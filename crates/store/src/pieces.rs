//! Pieces: assembled from blocks, verified, and only then given out.

mod buffer;
mod check;
mod complete;
mod digests;
mod verified;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use headwater_hash::Sha1Digest;
use headwater_metainfo::{Bitfield, BlockDigest, BlockSpan, FileIndex, PieceGeometry, PieceIndex};
use parking_lot::Mutex;

use crate::{Contents, FileStamp, Storage, StorageError, StorageErrorKind, StoreError};
use buffer::WriteBack;
use verified::Verified;

/// Whether a piece's bytes are what its hash says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PieceCheck {
    /// They are, and they are on disk.
    Passed,
    /// They are not, or they are not all there.
    Failed,
}

/// What became of a complete piece. See [`PieceStore::complete_with_digests`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completed {
    /// It has its hash, and is on disk.
    Passed,
    /// It has not. What each block was, in order; `None` for one that may not be what was last added: it was
    /// [restored](PieceStore::restore_partial), or what was written early may be lost because a sync failed.
    Failed(Vec<Option<BlockDigest>>),
}

/// How a [`PieceStore`] works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes of blocks that wait in memory for their pieces to be complete. Past it, blocks are written unverified, and read
    /// back when their piece is complete.
    pub write_back_bytes: usize,
}

impl Default for Options {
    /// 32 MiB.
    fn default() -> Self {
        Self {
            write_back_bytes: 32 * 1024 * 1024,
        }
    }
}

/// What is durable at one moment, for resume data. See [`PieceStore::checkpoint`].
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Pieces that are verified and durable.
    pub have: Bitfield,
    /// Blocks that are durable, of pieces that are not complete.
    pub partial: Vec<(PieceIndex, Bitfield)>,
    /// Every file's stamp, taken after all of that was durable.
    pub stamps: Vec<FileStamp>,
}

/// The pieces of one torrent: a bounded write-back buffer, verification, and reads of what is verified.
///
/// Shared by `Arc` between disk threads; every call may block, but for [`read_block_cached`](Self::read_block_cached). Different pieces are completed, checked and read at the
/// same time without waiting for each other.
///
/// - A block is kept in memory as it was received, without a copy, until its piece is complete; then the piece is hashed from
///   memory and, if it is good, written with one vectored write a file. **Bad data never reaches a file**, and a failed
///   write is an error, not a piece that we have.
/// - When more than [`Options::write_back_bytes`] wait, blocks are written early, and verified by reading them back.
/// - **Only verified pieces are read**: those that [`complete`](Self::complete) or [`check`](Self::check) passed, or that
///   [`trust`](Self::trust) was told of.
///
/// # Durability
/// A passed piece has been given to the system: it survives the process, not the machine. It survives the
/// machine once [`checkpoint`](Self::checkpoint) (or [`flush`](Self::flush)) has returned. Resume data must claim what a checkpoint says and
/// nothing else, and be saved after it.
///
/// ```
/// use std::sync::Arc;
/// use headwater_metainfo::PieceIndex;
/// use headwater_store::{Contents, MemoryStorage, Options, PieceCheck, PieceStore, testing::Sample};
///
/// let torrent = Arc::new(Sample::new([("a", 30_000), ("b", 50_000)], 65_536));
/// let storage = Arc::new(MemoryStorage::new(torrent.layout()));
/// let store = PieceStore::new(torrent.clone(), storage, Options::default());
///
/// let piece = PieceIndex(1);
/// for block in torrent.geometry().blocks(piece) {
///     store.add_block(block, torrent.block(block))?;
/// }
/// let results = store.complete(&[piece]);
/// assert!(matches!(results[..], [(_, Ok(PieceCheck::Passed))]));
/// let block = torrent.geometry().block(piece, 0).unwrap();
/// assert_eq!(store.read_block(block)?, torrent.block(block));
/// # Ok::<(), headwater_store::StoreError>(())
/// ```
#[derive(Debug)]
pub struct PieceStore {
    contents: Arc<dyn Contents>,
    geometry: PieceGeometry,
    storage: Arc<dyn Storage>,
    buffer: WriteBack,
    verified: Verified,
    /// Taken by whoever writes early.
    early: Mutex<()>,
    /// Taken by whoever makes a checkpoint: what a failed sync leaves in doubt must not be claimed by another.
    checkpoint: Mutex<()>,
    /// The SHA-1 of a whole piece of zeros, once somebody asked.
    zero_digest: OnceLock<Sha1Digest>,
}

impl PieceStore {
    /// A store that has verified nothing yet.
    pub fn new(contents: Arc<dyn Contents>, storage: Arc<dyn Storage>, options: Options) -> Self {
        let geometry = contents.geometry();
        Self {
            geometry,
            storage,
            buffer: WriteBack::new(options.write_back_bytes),
            verified: Verified::new(geometry.piece_count()),
            early: Mutex::new(()),
            checkpoint: Mutex::new(()),
            zero_digest: OnceLock::new(),
            contents,
        }
    }

    /// The back end.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Takes `pieces` as verified, because resume data that was [validated](crate::ResumeData::validate) says so.
    pub fn trust(&self, pieces: &Bitfield) {
        for piece in pieces.ones().filter(|piece| self.has_piece(*piece)) {
            self.verified.set(piece);
        }
    }

    /// Takes `pieces` as not verified any more.
    pub fn distrust(&self, pieces: impl IntoIterator<Item = PieceIndex>) {
        for piece in pieces.into_iter().filter(|piece| self.has_piece(*piece)) {
            self.verified.clear(piece);
        }
    }

    /// Takes the set `blocks` of an incomplete piece as being on disk, because resume data says so; they are verified with
    /// the rest of the piece. Does nothing if the piece has no such number of blocks.
    pub fn restore_partial(&self, piece: PieceIndex, blocks: &Bitfield) {
        if blocks.len() == self.geometry.block_count(piece) && !self.verified.has(piece) {
            self.buffer.restore(piece, blocks);
        }
    }

    /// The verified pieces.
    pub fn verified(&self) -> Bitfield {
        self.verified.to_bitfield()
    }

    /// Bytes of blocks that wait in memory.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.bytes()
    }

    /// Whether more waits than it should: time to ask peers for less.
    pub fn is_over_budget(&self) -> bool {
        self.buffer.is_over_budget()
    }

    /// Takes a block of an incomplete piece. One that is there already is dropped.
    ///
    /// If the buffer is over its budget, this call writes some of what waits; an error of that is returned, and what could
    /// not be written stays in memory.
    pub fn add_block(&self, span: BlockSpan, data: Bytes) -> Result<(), StoreError> {
        if !self.geometry.is_block(span) || data.len() != span.length as usize {
            let got = data.len();
            return Err(StoreError::NotABlock { span, got });
        }
        let blocks = self.geometry.block_count(span.piece);
        self.buffer.add(span, data, blocks);
        if self.buffer.is_over_budget() {
            self.write_early()?;
        }
        Ok(())
    }

    /// Forgets the blocks of a piece.
    pub fn discard(&self, piece: PieceIndex) {
        self.buffer.discard(piece);
    }

    /// A block (or any range inside of one piece) of a verified piece, **to be handed to the kernel and not to be looked
    /// at**: see [`Storage::read_shared`].
    ///
    /// If the data turns out to be gone, the piece is no longer verified.
    pub fn read_block(&self, span: BlockSpan) -> Result<Bytes, StoreError> {
        if !self.geometry.contains(span) {
            return Err(StoreError::OutOfRange(span.piece));
        }
        let start = self.geometry.span_start(span);
        self.check_verified(span.piece)?;
        self.storage
            .read_shared(start, span.length as usize)
            .map_err(|error| self.note_absence(span.piece.0..span.piece.0 + 1, error))
    }

    /// What [`read_block`](Self::read_block) gives, if that needs no waiting for a disk: the one call that an event loop may make.
    ///
    /// `None` says nothing about the block: ask [`read_block`](Self::read_block) on a disk thread.
    pub fn read_block_cached(&self, span: BlockSpan) -> Option<Bytes> {
        if !self.geometry.contains(span) || !self.verified.has(span.piece) {
            return None;
        }
        let start = self.geometry.span_start(span);
        self.storage.read_cached(start, span.length as usize)
    }

    /// Fills `buf` with the torrent's bytes from `offset` on, if all pieces that they touch are verified.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        let end = offset.checked_add(buf.len() as u64);
        let Some(end) = end.filter(|&end| end <= self.geometry.total_size()) else {
            return Err(StoreError::OutOfRange(PieceIndex(
                self.geometry.piece_count(),
            )));
        };
        let pieces = self.geometry.pieces_touching(offset..end);
        for piece in pieces.clone() {
            self.check_verified(PieceIndex(piece))?;
        }
        self.storage
            .read_at(offset, buf)
            .map_err(|error| self.note_absence(pieces, error))
    }

    /// Cuts surplus bytes off `file` and gives it its attributes, if all of its pieces are verified; says whether they are.
    pub fn finish_file(&self, file: FileIndex) -> Result<bool, StoreError> {
        let mut pieces = self.contents.layout().pieces_of(file, &self.geometry);
        let complete = pieces.all(|piece| self.verified.has(PieceIndex(piece)));
        if complete {
            self.storage.finish_file(file)?;
        }
        Ok(complete)
    }

    /// Writes what waits, makes everything durable, and says what of the incomplete pieces is on disk.
    pub fn flush(&self) -> Result<Vec<(PieceIndex, Bitfield)>, StoreError> {
        Ok(self.checkpoint()?.partial)
    }

    /// Writes what waits, makes everything durable, and says what resume data may claim.
    ///
    /// When making it durable fails, the system may have dropped what it could not write; what was written since the
    /// last checkpoint is then never claimed again, until it has been written again or the program has been restarted and has checked it.
    pub fn checkpoint(&self) -> Result<Checkpoint, StoreError> {
        let _alone = self.checkpoint.lock();
        self.write_everything()?;
        // Taken before the sync: what is verified meanwhile belongs to the next checkpoint.
        let partial = self.buffer.on_disk();
        let claim = self.verified.begin_sync();
        if let Err(error) = self.storage.sync() {
            self.verified.sync_failed(&claim);
            self.buffer.sync_failed();
            return Err(error.into());
        }
        Ok(Checkpoint {
            have: claim.have,
            partial,
            stamps: self.storage.stamps()?,
        })
    }

    fn has_piece(&self, piece: PieceIndex) -> bool {
        piece.0 < self.geometry.piece_count()
    }

    fn check_verified(&self, piece: PieceIndex) -> Result<(), StoreError> {
        if self.verified.has(piece) {
            Ok(())
        } else {
            Err(StoreError::NotVerified(piece))
        }
    }

    /// What is gone is no longer verified.
    fn note_absence(&self, pieces: Range<u32>, error: StorageError) -> StoreError {
        if error.kind() == StorageErrorKind::Changed {
            self.distrust_files_of(pieces);
        } else if error.kind().is_absence() {
            pieces.for_each(|piece| self.verified.clear(PieceIndex(piece)));
        }
        error.into()
    }

    /// Nobody knows what is left of files that have changed.
    fn distrust_files_of(&self, pieces: Range<u32>) {
        let layout = self.contents.layout();
        let start = self.geometry.piece_start(PieceIndex(pieces.start));
        let end = self.geometry.piece_range(PieceIndex(pieces.end - 1)).end;
        for span in layout.spans(start, end - start) {
            for piece in layout.pieces_of(span.file, &self.geometry) {
                self.verified.clear(PieceIndex(piece));
            }
        }
        self.storage.renew(start..end);
    }
}

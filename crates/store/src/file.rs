//! A torrent's bytes in files below a directory.

mod buffers;
mod copy;
mod delete;
mod map;
mod names;
mod open;
mod places;
mod pool;
mod prepare;
mod relocate;
mod reserve;
mod scan;
mod seen;
mod span;
mod tidy;
mod times;

use std::io::{Error as IoError, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use headwater_metainfo::{FileEntry, FileIndex, SafePath};
use parking_lot::{Mutex, RwLock};

use crate::part::PartFile;
use crate::positioned::Gather;
use crate::{Contents, FileStamp, Operation, Step, Storage, StorageError, StorageErrorKind};
use names::Names;
pub(crate) use names::are_distinct;
use open::Location;
use places::{Places, Segment};
use pool::{Key, OpenFile};
pub use pool::{Pool, PoolOptions};
use seen::Seen;
pub(crate) use seen::id;
pub use tidy::Leftovers;
use times::Times;

/// When space for a file is taken from the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allocation {
    /// All of it, before data is accepted: a full disk shows at once, and the file lies in few fragments. Where the
    /// file system cannot do that, like [`Sparse`](Self::Sparse).
    #[default]
    Reserve,
    /// As data comes in.
    Sparse,
}

/// How a [`FileStorage`] treats its files.
#[derive(Debug, Clone, Default)]
pub struct FileOptions {
    /// When space is taken.
    pub allocation: Allocation,
    /// Open files for reading only; never write, create or change anything. For seeding in place.
    pub read_only: bool,
    /// Follow symbolic links that lead out of the base directory. Otherwise they are an error. The base directory itself
    /// may always be a link.
    pub follow_links: bool,
    /// One entry a file; empty means that all are wanted.
    pub wanted: Vec<bool>,
    /// Files that lie elsewhere than the torrent says, relative to the base directory: what [`Storage::rename_file`] was
    /// told in earlier runs.
    pub renamed: Vec<(FileIndex, SafePath)>,
    /// The pool of open files and maps; share one between all torrents of a program.
    pub pool: Pool,
    /// Use only what every system has: no maps, no vectored writes, no reserved space. For file systems that handle one of these
    /// badly, and for tests.
    pub portable: bool,
}

/// A [`Storage`] of files below a base directory.
///
/// Files are opened when they are needed and closed when the [`Pool`] is full. Nothing is created before
/// [`prepare`](Storage::prepare) or the first write, and no existing file is ever cut before
/// [`finish_file`](Storage::finish_file). Compare [`stamps`](Storage::stamps) with resume data, and check what is
/// there, *before* `prepare`: reserving space makes files longer and changes their stamps.
///
/// Data of skipped files that shares a piece with wanted ones goes to a hidden part file, `.INFOHASH.parts`, in the base
/// directory; a skipped file that exists is used as it is. When a file becomes wanted, its data moves to where it
/// belongs, and the part file is removed with its last byte.
///
/// ```
/// use std::io::IoSlice;
/// use std::sync::Arc;
/// use headwater_store::{FileOptions, FileStorage, Storage, testing::Sample};
///
/// let dir = tempfile::tempdir()?;
/// let torrent = Arc::new(Sample::new([("album/one.flac", 100), ("album/two.flac", 50)], 64));
/// let storage = FileStorage::new(torrent, dir.path(), FileOptions::default())?;
/// storage.prepare()?;
/// storage.write_at(90, &[IoSlice::new(b"across two files")])?;
/// assert_eq!(std::fs::read(dir.path().join("album/two.flac"))?[..6], *b" files");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileStorage {
    contents: Arc<dyn Contents>,
    /// Changed only by who holds `changing` and `places`; looked at for opening and for errors, not for each block.
    names: RwLock<Arc<Names>>,
    allocation: Allocation,
    read_only: bool,
    follow_links: bool,
    portable: bool,
    pool: Pool,
    owner: u64,
    /// Where each file's writes go. Held shared by every operation, and alone while data moves.
    places: RwLock<Places>,
    /// Taken by whoever changes where files are or how long they are. Before `places`.
    changing: Mutex<()>,
    part: RwLock<PartFile>,
    /// Files written since the last sync.
    dirty: Box<[AtomicBool]>,
    /// The files that are or were open, as they were when they were opened first.
    seen: Seen,
    /// Files that become wanted are to be made ready at once.
    is_prepared: AtomicBool,
    /// The file system does not say whether bytes are in memory.
    cannot_tell: AtomicBool,
    /// When each file was last changed, as far as its data was verified; none unless files are only read.
    times: Times,
    /// Folders with new entries since the last sync.
    dirty_folders: Mutex<std::collections::BTreeSet<PathBuf>>,
}

/// A way to open a file.
type Open = fn(&FileStorage, FileIndex) -> Result<Arc<OpenFile>, StorageError>;

impl FileStorage {
    /// The files of a torrent below `dir`, which need not exist; a relative one counts from the current directory.
    ///
    /// An existing part file is read, nothing else is opened.
    pub fn new(
        contents: Arc<dyn Contents>,
        dir: impl AsRef<Path>,
        options: FileOptions,
    ) -> Result<Self, StorageError> {
        let dir = dir.as_ref();
        let base = std::path::absolute(dir)
            .map_err(|error| StorageError::from_io(Operation::Open, dir, error))?;
        let names = Names::new(base, contents.layout(), options.renamed)?;
        if !options.read_only {
            delete::settle_interrupted(&names, &*contents)?;
        }
        let part_path = names.part_file(contents.info_hash());
        let part = PartFile::open(
            part_path.clone(),
            contents.info_hash(),
            contents.geometry(),
            options.read_only,
            options.portable,
        )
        .map_err(|error| StorageError::from_io(Operation::Open, part_path, error))?;
        let count = contents.layout().len();
        let owner = options.pool.new_owner();
        let storage = Self {
            contents,
            names: RwLock::new(Arc::new(names)),
            allocation: options.allocation,
            read_only: options.read_only,
            follow_links: options.follow_links,
            portable: options.portable || cfg!(not(target_os = "linux")),
            pool: options.pool,
            owner,
            places: RwLock::default(),
            changing: Mutex::new(()),
            part: RwLock::new(part),
            dirty: (0..count).map(|_| AtomicBool::new(false)).collect(),
            seen: Seen::new(count),
            is_prepared: AtomicBool::new(false),
            cannot_tell: AtomicBool::new(false),
            times: Times::new(if options.read_only { count } else { 0 }),
            dirty_folders: Mutex::default(),
        };
        storage.places.write().of = storage.initial_places(&options.wanted)?;
        Ok(storage)
    }

    /// The base directory, absolute.
    pub fn base_dir(&self) -> PathBuf {
        self.names().base.clone()
    }

    /// Where `file` is or will be.
    pub fn path_of(&self, file: FileIndex) -> Option<PathBuf> {
        self.contents.layout().file(file)?;
        Some(self.path(file))
    }

    fn names(&self) -> Arc<Names> {
        self.names.read().clone()
    }

    fn path(&self, file: FileIndex) -> PathBuf {
        self.names().path(self.contents.layout(), file)
    }

    fn entry(&self, file: FileIndex) -> &FileEntry {
        &self.contents.layout().files()[file.as_usize()]
    }

    fn location<'a>(&'a self, names: &'a Names, file: FileIndex) -> Location<'a> {
        Location {
            base: &names.base,
            path: names.relative(self.contents.layout(), file),
            follow_links: self.follow_links,
            portable: self.portable,
        }
    }

    fn key(&self, file: FileIndex) -> Key {
        Key {
            owner: self.owner,
            file: file.0,
            for_scan: false,
        }
    }

    fn error(&self, operation: Operation, file: FileIndex, cause: IoError) -> StorageError {
        StorageError::from_io(operation, self.path(file), cause)
    }

    /// Closes everything; whatever stands in a file's place the next time is taken for it.
    fn forget_open(&self) {
        self.pool.forget_all(self.owner);
        self.seen.forget();
    }

    fn out_of_range(&self, operation: Operation) -> StorageError {
        let cause = "outside of the torrent";
        let kind = StorageErrorKind::OutOfRange;
        StorageError::new(operation, self.base_dir(), kind, cause)
    }

    /// Fills `buf` with `range`, from files as `open` gives them and from the part file.
    fn read_range(
        &self,
        range: Range<u64>,
        mut buf: &mut [u8],
        open: Open,
    ) -> Result<(), StorageError> {
        let _places = self.places.read();
        let layout = self.contents.layout();
        for span in layout.spans(range.start, range.end - range.start) {
            let (now, rest) = buf.split_at_mut(span.length as usize);
            if self.entry(span.file).is_pad() {
                now.fill(0);
            } else {
                self.read_mixed(span, now, open)?;
            }
            buf = rest;
        }
        Ok(())
    }

    fn check_writable(&self, operation: Operation) -> Result<(), StorageError> {
        if !self.read_only {
            return Ok(());
        }
        let cause = "opened for reading only";
        Err(StorageError::new(
            operation,
            self.base_dir(),
            StorageErrorKind::ReadOnly,
            cause,
        ))
    }

    fn check_range(
        &self,
        operation: Operation,
        offset: u64,
        length: u64,
    ) -> Result<Range<u64>, StorageError> {
        let end = offset.checked_add(length);
        let end = end.filter(|&end| end <= self.contents.layout().total_size());
        Ok(offset..end.ok_or_else(|| self.out_of_range(operation))?)
    }

    fn write_in_places(
        &self,
        places: &Places,
        range: Range<u64>,
        data: &[IoSlice<'_>],
    ) -> Result<(), StorageError> {
        let mut gather = Gather::new(data);
        let mut now = Vec::with_capacity(data.len());
        for segment in places::segments(self.contents.layout(), &places.of, range) {
            let range = segment.range(self.contents.layout());
            gather.take(range.end - range.start, &mut now);
            match segment {
                Segment::Real(span) => {
                    self.write_span(span, &mut now)?;
                    self.forget_in_part(range)?;
                }
                Segment::Part(_) => self.write_part(range, &now)?,
                Segment::Pad(span) => self.check_pad(span, &now)?,
            }
        }
        Ok(())
    }
}

impl Storage for FileStorage {
    fn prepare(&self) -> Result<(), StorageError> {
        if self.read_only {
            return Ok(());
        }
        self.prepare_all()
    }

    fn write_at(&self, offset: u64, data: &[IoSlice<'_>]) -> Result<(), StorageError> {
        self.check_writable(Operation::Write)?;
        let length = data.iter().map(|part| part.len() as u64).sum();
        let range = self.check_range(Operation::Write, offset, length)?;
        let places = self.places.read();
        let written = self.write_in_places(&places, range.clone(), data);
        // Afterwards: a copy that is under way must read it again.
        places.note_write(range);
        written
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        let range = self.check_range(Operation::Read, offset, buf.len() as u64)?;
        self.read_range(range, buf, Self::open_for_reading)
    }

    fn read_shared(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        let range = self.check_range(Operation::Read, offset, length as u64)?;
        {
            let _places = self.places.read();
            if let Some(span) = self.mappable(&range)
                && let Some(bytes) = self.share_span(span)?
            {
                return Ok(bytes);
            }
        }
        let mut buffer = self.pool.buffers().take(length);
        self.read_at(offset, buffer.as_mut())?;
        self.check_unchanged(range)?;
        Ok(buffer.into_bytes())
    }

    fn renew(&self, range: Range<u64>) {
        let length = range.end - range.start;
        for span in self.contents.layout().spans(range.start, length) {
            let now = prepare::stamp_of(std::fs::metadata(self.path(span.file)));
            self.times.renew(span.file, now);
        }
    }

    fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        let range = self.check_range(Operation::Read, offset, length as u64);
        let _places = self.places.try_read()?;
        self.read_without_waiting(&range.ok()?)
    }

    fn read_ahead(&self, range: Range<u64>) -> Vec<Range<u64>> {
        self.scan_ahead(range)
    }

    fn read_once(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        let range = self.check_range(Operation::Read, offset, buf.len() as u64)?;
        self.read_range(range, buf, Self::open_for_scan)
    }

    fn let_go(&self, brought: Range<u64>) {
        self.scan_behind(brought);
    }

    fn is_hole(&self, range: Range<u64>) -> bool {
        self.is_unwritten(range)
    }

    fn set_wanted(&self, wanted: &[bool]) -> Result<(), StorageError> {
        self.move_to_places(wanted)
    }

    fn sync(&self) -> Result<(), StorageError> {
        if self.read_only {
            return Ok(());
        }
        self.sync_all()
    }

    fn finish_file(&self, file: FileIndex) -> Result<(), StorageError> {
        self.check_writable(Operation::Change)?;
        if self.contents.layout().file(file).is_none() {
            return Err(self.out_of_range(Operation::Change));
        }
        self.finish(file)
    }

    fn release(&self) -> Result<(), StorageError> {
        self.forget_open();
        Ok(())
    }

    fn stamps(&self) -> Result<Vec<FileStamp>, StorageError> {
        Ok(self.all_stamps())
    }

    fn relocate(&self, dir: &Path, step: Step<'_>) -> Result<Leftovers, StorageError> {
        self.check_writable(Operation::Change)?;
        self.move_to(dir, step)
    }

    fn rename_file(&self, file: FileIndex, path: &SafePath) -> Result<Leftovers, StorageError> {
        self.check_writable(Operation::Change)?;
        if self.contents.layout().file(file).is_none() {
            return Err(self.out_of_range(Operation::Change));
        }
        self.rename_to(file, path)
    }

    fn delete(&self, step: Step<'_>) -> Result<(), StorageError> {
        self.check_writable(Operation::Change)?;
        self.delete_all(step)
    }
}

impl Drop for FileStorage {
    fn drop(&mut self) {
        self.pool.forget_all(self.owner);
    }
}

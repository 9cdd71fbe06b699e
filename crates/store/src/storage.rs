//! The trait behind which a torrent's bytes live.

use std::fmt::Debug;
use std::io::IoSlice;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use headwater_metainfo::{FileIndex, SafePath};

use crate::{Leftovers, Operation, StorageError, StorageErrorKind};

/// Size and time of a file when it was looked at: how resume data knows that a file is still the one that was verified.
///
/// A skipped file whose data lies in the part file has the part file's stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FileStamp {
    /// Bytes; `None` if the file is not there.
    pub size: Option<u64>,
    /// Last modification, in nanoseconds since 1970, as precise as the file system is; 0 if the file is not there.
    pub modified: i64,
    /// Whether this is the stamp of the part file.
    pub in_part_file: bool,
}

impl FileStamp {
    /// The stamp of a file that is not there.
    pub const MISSING: Self = Self {
        size: None,
        modified: 0,
        in_part_file: false,
    };
}

/// Called before each file that a long operation comes to, and now and then while it copies a large one. An error ends the
/// operation, and what it had done is undone: for progress, for cancelling, and for faults in tests.
pub type Step<'a> = &'a mut dyn FnMut(FileIndex) -> Result<(), StorageError>;

/// A back end: the bytes of one torrent, addressed by their position in the torrent.
///
/// Every call may block and may come from any thread, several at a time. An operation either does all that it was
/// asked or returns an error: a short read or write is an error, and bytes that were never written are never read as
/// zeros. After a failed write the range holds anything.
///
/// Data that [`write_at`](Self::write_at) took survives the process at once and the machine after
/// [`sync`](Self::sync), for back ends that keep it at all.
pub trait Storage: Send + Sync + Debug + 'static {
    /// Makes ready what is wanted: folders, empty files, links and reserved space; moves to real files what the part
    /// file holds of them. Nothing that exists is cut or emptied. Safe to call again.
    fn prepare(&self) -> Result<(), StorageError>;

    /// Writes the concatenation of `data` from `offset` on.
    fn write_at(&self, offset: u64, data: &[IoSlice<'_>]) -> Result<(), StorageError>;

    /// Fills `buf` with the bytes from `offset` on.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError>;

    /// `length` bytes from `offset` on, **to be handed to the kernel and not to be looked at**.
    ///
    /// A file back end may answer with mapped memory, if it is [told to](crate::PoolOptions::max_mapped_bytes). The pages are in memory when the call returns, so that the
    /// system call that sends them does not wait for a disk; should the file be cut meanwhile, that system call fails
    /// with `EFAULT`. A program that reads the bytes itself gets a signal instead: use [`read_at`](Self::read_at) for
    /// whatever is hashed, encrypted or parsed.
    fn read_shared(&self, offset: u64, length: usize) -> Result<Bytes, StorageError>;

    /// What [`read_shared`](Self::read_shared) gives, if that needs no waiting: an event loop may call this.
    ///
    /// `None` if the bytes would have to come from a disk, if nobody can tell, or if something is wrong with them.
    fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        let _ = (offset, length);
        None
    }

    /// Begins to read `range`, without waiting for it, because it is about to be read once, for a hash check. Gives what of it was
    /// not in memory before: to be [let go](Self::let_go) once it was read.
    fn read_ahead(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let _ = range;
        Vec::new()
    }

    /// Fills `buf` as [`read_at`](Self::read_at) does, for a hash check: nobody will read the same bytes again soon.
    fn read_once(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.read_at(offset, buf)
    }

    /// Gives up a range that [`read_ahead`](Self::read_ahead) brought into memory.
    fn let_go(&self, brought: Range<u64>) {
        let _ = brought;
    }

    /// Whether all of `range` is there and reads as zeros because nothing was ever written there, as in a sparse file. `false` if
    /// that is not so, or if nobody can tell.
    fn is_hole(&self, range: Range<u64>) -> bool {
        let _ = range;
        false
    }

    /// Takes the files that hold bytes of `range` as they are now: their data is about to be checked again.
    ///
    /// To be called after [`read_shared`](Self::read_shared) failed with [`Changed`](crate::StorageErrorKind::Changed),
    /// once nothing in these files counts as verified any more. Until then it goes on failing.
    fn renew(&self, range: Range<u64>) {
        let _ = range;
    }

    /// Says which files are wanted, one entry a file. The data of others is kept apart from the wanted files' if the
    /// back end can do that. All files are wanted at first, unless the back end was made otherwise.
    ///
    /// On an error the back end is as it was, but for data that has already moved to where it belongs.
    fn set_wanted(&self, wanted: &[bool]) -> Result<(), StorageError>;

    /// Makes durable all that was written before the call.
    fn sync(&self) -> Result<(), StorageError>;

    /// Cuts what lies past the end of `file` and gives it its attributes. To be called when all of its pieces are
    /// verified: before that, nothing is cut.
    fn finish_file(&self, file: FileIndex) -> Result<(), StorageError>;

    /// Closes files and maps; they are opened again when needed, and whatever stands in their place then is taken for them.
    fn release(&self) -> Result<(), StorageError>;

    /// The stamp of each file, as it is on disk now.
    fn stamps(&self) -> Result<Vec<FileStamp>, StorageError>;

    /// Moves everything below another directory, which is made if it is not there, also on another file system. Reads and
    /// writes may go on meanwhile.
    ///
    /// Either all is at the new place when it returns, durable, and used from there, with the stamps that it had; or it
    /// fails and all is as it was. Nothing at the new place is written over: what is in the way is
    /// [`StorageErrorKind::Exists`]. What is left at the old place goes with
    /// [`Leftovers::remove`], once it is on record where the data is now. Until then it is at both places.
    ///
    /// [`StorageErrorKind::Unsupported`] from a back end that keeps no files.
    fn relocate(&self, dir: &Path, step: Step<'_>) -> Result<Leftovers, StorageError> {
        let _ = step;
        Err(unsupported(Operation::Move, dir))
    }

    /// Gives a file another place below the base directory, its folders included. As with [`relocate`](Self::relocate),
    /// it is all or nothing, nothing is written over, and the old name goes with the [`Leftovers`].
    ///
    /// The back end forgets that when it is dropped: resume data carries it over a restart. Links of the torrent that lead
    /// to the file are left as they are.
    fn rename_file(&self, file: FileIndex, path: &SafePath) -> Result<Leftovers, StorageError> {
        let _ = file;
        Err(unsupported(Operation::Move, Path::new(path.as_str())))
    }

    /// Removes the torrent's data, and folders that this leaves empty, but never the base directory or what is not the
    /// torrent's. What was verified is not there any more: whoever goes on checks again.
    ///
    /// On an error of the system everything is back where it was, unless all was marked as removed already; then the rest is
    /// removed when the storage is opened the next time.
    ///
    /// [`StorageErrorKind::Unsupported`] from a back end that cannot do that.
    fn delete(&self, step: Step<'_>) -> Result<(), StorageError> {
        let _ = step;
        Err(unsupported(Operation::Remove, Path::new("the data")))
    }
}

fn unsupported(operation: Operation, path: &Path) -> StorageError {
    let kind = StorageErrorKind::Unsupported;
    let cause = "this torrent is not kept in files";
    StorageError::new(operation, path, kind, cause)
}

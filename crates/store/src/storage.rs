//! The trait behind which a torrent's bytes live.

use std::fmt::Debug;
use std::io::IoSlice;
use std::ops::Range;

use bytes::Bytes;
use headwater_metainfo::FileIndex;

use crate::StorageError;

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

    /// Closes files and maps; they are opened again when needed.
    fn release(&self) -> Result<(), StorageError>;

    /// The stamp of each file, as it is on disk now.
    fn stamps(&self) -> Result<Vec<FileStamp>, StorageError>;
}

//! What can go wrong between a torrent's bytes and a disk, and whose fault it is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_metainfo::{BlockSpan, PieceIndex};

/// What a [`StorageError`] comes down to: what a program decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// No room: the disk is full, a quota is used up, or the file is larger than the file system allows.
    DiskFull,
    /// Not permitted, or the file system is mounted read-only.
    Permission,
    /// The file is not there, or bytes are asked for that were never written.
    Missing,
    /// The file ends before the bytes that belong there.
    Truncated,
    /// The file has changed since its data was verified, and nobody but others can have done it.
    Changed,
    /// A folder or a device stands where a file belongs, or a file where a folder belongs.
    WrongType,
    /// A symbolic link on the way leads out of the base directory.
    OutsideBase,
    /// The storage was opened for reading only.
    ReadOnly,
    /// Bytes are asked for, or given, that no file of the torrent holds.
    OutOfRange,
    /// Another file stands there than the one that was used until now.
    Replaced,
    /// Something is there already, and nothing is written over.
    Exists,
    /// The back end cannot do that: keep a pad file (BEP 47) whose bytes are not zeros, or move what it has not in files.
    Unsupported,
    /// Anything else that the system reports, such as a read error of the device.
    Io,
}

impl StorageErrorKind {
    /// Sorts an error of the system.
    pub fn of(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Self::DiskFull,
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Self::Permission,
            Kind::NotFound => Self::Missing,
            Kind::UnexpectedEof => Self::Truncated,
            Kind::IsADirectory | Kind::NotADirectory => Self::WrongType,
            Kind::AlreadyExists => Self::Exists,
            Kind::StaleNetworkFileHandle => Self::Replaced,
            // What openat2 with RESOLVE_BENEATH says, and O_NOFOLLOW at a link.
            Kind::CrossesDevices => Self::OutsideBase,
            _ => Self::Io,
        }
    }

    /// Whether the data is simply not there (any more), which for a hash check is an answer and no error.
    pub const fn is_absence(self) -> bool {
        matches!(self, Self::Missing | Self::Truncated | Self::Changed)
    }

    /// Whether what was in the file is in doubt: it was taken away, cut or put in another one's place by somebody else. What is
    /// had of it is to be checked before it is offered again.
    pub const fn casts_doubt(self) -> bool {
        matches!(
            self,
            Self::Missing | Self::Truncated | Self::Replaced | Self::WrongType | Self::OutsideBase
        )
    }

    /// Whether the user has to make room or give permission: exit code 5 of the command line.
    pub const fn is_full_or_forbidden(self) -> bool {
        matches!(self, Self::DiskFull | Self::Permission | Self::ReadOnly)
    }
}

/// What was being done when a [`StorageError`] came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening a file.
    Open,
    /// Creating a file, a folder or a link.
    Create,
    /// Reserving space.
    Reserve,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Making written data durable.
    Sync,
    /// Cutting a file, or changing its attributes.
    Change,
    /// Moving or renaming a file.
    Move,
    /// Removing a file.
    Remove,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::Reserve => "reserve space for",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Change => "change",
            Self::Move => "move",
            Self::Remove => "remove",
        })
    }
}

/// An operation on a torrent's bytes that failed: which, on which file, and why.
///
/// ```
/// use headwater_store::{Operation, StorageError, StorageErrorKind};
///
/// let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
/// let error = StorageError::from_io(Operation::Write, "/srv/album/one.flac", full);
/// assert_eq!(error.kind(), StorageErrorKind::DiskFull);
/// assert_eq!(error.to_string(), "cannot write /srv/album/one.flac: no storage space");
/// ```
#[derive(Debug, Clone)]
pub struct StorageError(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    operation: Operation,
    path: PathBuf,
    kind: StorageErrorKind,
    cause: Arc<io::Error>,
}

impl StorageError {
    /// An error of the system.
    pub fn from_io(operation: Operation, path: impl Into<PathBuf>, cause: io::Error) -> Self {
        let kind = StorageErrorKind::of(&cause);
        Self::with_kind(operation, path, kind, cause)
    }

    /// An error that this crate found; `cause` says it in words.
    pub fn new(
        operation: Operation,
        path: impl Into<PathBuf>,
        kind: StorageErrorKind,
        cause: impl Into<String>,
    ) -> Self {
        Self::with_kind(operation, path, kind, io::Error::other(cause.into()))
    }

    fn with_kind(
        operation: Operation,
        path: impl Into<PathBuf>,
        kind: StorageErrorKind,
        cause: io::Error,
    ) -> Self {
        Self(Box::new(Inner {
            operation,
            path: path.into(),
            kind,
            cause: Arc::new(cause),
        }))
    }

    /// What it comes down to.
    pub fn kind(&self) -> StorageErrorKind {
        self.0.kind
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The system's error.
    pub fn cause(&self) -> &io::Error {
        &self.0.cause
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            operation,
            path,
            cause,
            ..
        } = &*self.0;
        write!(f, "cannot {operation} {}: {cause}", path.display())
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0.cause)
    }
}

/// Why a [`PieceStore`](crate::PieceStore) did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The back end failed: the disk's fault, or the user's.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The span is no block of the torrent, or the data has another length: the caller's fault.
    #[error("bytes {}+{} of piece {} with {got} bytes of data are no block of this torrent", .span.offset, .span.length, .span.piece)]
    NotABlock {
        /// The span.
        span: BlockSpan,
        /// Bytes of data that came with it.
        got: usize,
    },
    /// The torrent has no such piece, or the range lies outside of it: the caller's fault.
    #[error("piece {0} or the range in it is not in this torrent")]
    OutOfRange(PieceIndex),
    /// Not all blocks of the piece have been added.
    #[error("piece {0} is not complete")]
    Incomplete(PieceIndex),
    /// The piece has not been verified, so nothing of it is given out.
    #[error("piece {0} is not verified")]
    NotVerified(PieceIndex),
    /// The torrent has no SHA-1 for this piece.
    #[error("no hash is known for piece {0}")]
    NoHash(PieceIndex),
}

impl StoreError {
    /// The back end's error, if that is what it is.
    pub fn storage(&self) -> Option<&StorageError> {
        match self {
            Self::Storage(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_s_errors_are_sorted() {
        use StorageErrorKind as Kind;
        use rustix::io::Errno;
        let expected = [
            (
                Kind::DiskFull,
                &[Errno::NOSPC, Errno::DQUOT, Errno::FBIG][..],
            ),
            (Kind::Permission, &[Errno::ACCESS, Errno::PERM, Errno::ROFS]),
            (Kind::Missing, &[Errno::NOENT]),
            (Kind::WrongType, &[Errno::ISDIR, Errno::NOTDIR]),
            (Kind::OutsideBase, &[Errno::XDEV]),
            (Kind::Exists, &[Errno::EXIST]),
            (Kind::Replaced, &[Errno::STALE]),
            (Kind::Io, &[Errno::IO, Errno::NOMEM, Errno::MFILE]),
        ];
        for (kind, errors) in expected {
            for &errno in errors {
                assert_eq!(StorageErrorKind::of(&errno.into()), kind, "{errno:?}");
            }
        }
    }
}

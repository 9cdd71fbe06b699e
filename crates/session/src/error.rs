//! What can go wrong, one type an operation.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use headwater_metainfo::{FileIndex, InfoHash, MetainfoError};
use headwater_store::{StorageError, StoreError};

/// Why a session could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Somebody else listens there; another port may be free.
    #[error("{0} is in use by another program")]
    AddrInUse(SocketAddr),
    /// The address is not one of this machine's, or listening is not permitted.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The system gives no threads.
    #[error("cannot start a disk thread: {0}")]
    Thread(io::Error),
}

/// Why a torrent could not be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The torrent file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The torrent cannot be fetched.
    #[error("cannot fetch {url}: {error}")]
    Fetch {
        /// From where.
        url: String,
        /// Why.
        error: FetchError,
    },
    /// What was read is no torrent, or none that can be loaded.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
    /// The session has it already.
    #[error("the torrent {0} has been added already")]
    AlreadyAdded(InfoHash),
    /// A priority is given for a file that the torrent does not have.
    #[error(transparent)]
    NoSuchFile(#[from] NoSuchFile),
    /// The base directory cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The session is shut down.
    #[error("the session is shut down")]
    Closed,
}

/// Why a torrent could not be fetched over HTTP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Not an `http` or `https` URL.
    #[error("it is no http or https address")]
    Url,
    /// The server did not answer with success.
    #[error("the server answered {0}")]
    Status(u16),
    /// Redirects lead nowhere.
    #[error("too many redirects")]
    Redirects,
    /// A redirect from a secure to an insecure address, or to something that is no address.
    #[error("it redirects to an address that is not followed")]
    Redirect,
    /// More than a torrent may have.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// It took too long.
    #[error("it took too long")]
    Timeout,
    /// The connection could not be made, or broke.
    #[error("{0}")]
    Connection(String),
}

/// The torrent does not have that many files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no file {file}: the torrent has {count}, counted from 0")]
pub struct NoSuchFile {
    /// What was asked for.
    pub file: FileIndex,
    /// Files in the torrent.
    pub count: u32,
}

/// Why a hash check was not made, or not to its end.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HashcheckError {
    /// The torrent does not have all of these pieces.
    #[error("pieces {} to {} are not all there: the torrent has {count}, counted from 0", .pieces.start, .pieces.end.saturating_sub(1))]
    NoSuchPiece {
        /// What was asked for.
        pieces: Range<u32>,
        /// Pieces in the torrent.
        count: u32,
    },
    /// The torrent does not have this file.
    #[error(transparent)]
    NoSuchFile(#[from] NoSuchFile),
    /// It was cancelled.
    #[error("the check was cancelled")]
    Cancelled,
    /// The disk failed. That data is not there at all is no such failure.
    #[error(transparent)]
    Storage(#[from] StoreError),
    /// The torrent was removed, or the session shut down.
    #[error("the torrent is closed")]
    Closed,
}

/// Why a torrent stopped working.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct TorrentError(Arc<StoreError>);

impl TorrentError {
    /// The disk's error, if it was the disk.
    pub fn storage(&self) -> Option<&StorageError> {
        self.0.storage()
    }

    /// What the store says.
    pub fn store(&self) -> &StoreError {
        &self.0
    }
}

impl From<StoreError> for TorrentError {
    fn from(error: StoreError) -> Self {
        Self(Arc::new(error))
    }
}

impl From<StorageError> for TorrentError {
    fn from(error: StorageError) -> Self {
        StoreError::from(error).into()
    }
}

/// Why waiting for a torrent came to no good end.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The disk failed; see [`Detail::Failed`](crate::Detail::Failed).
    #[error(transparent)]
    Failed(#[from] TorrentError),
    /// The torrent was removed, or the session shut down.
    #[error("the torrent is closed")]
    Closed,
}

/// Why a torrent's files were not moved. They are where they were.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The disk failed, or something is in the way.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The torrent was removed, or the session shut down.
    #[error("the torrent is closed")]
    Closed,
}

/// Why a file was not renamed. It is where it was.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RenameError {
    /// The torrent does not have this file.
    #[error(transparent)]
    NoSuchFile(#[from] NoSuchFile),
    /// The path is absolute, leads out of the base directory, or has a name that some systems cannot have.
    #[error("{0:?} is no safe path below the base directory")]
    UnsafePath(PathBuf),
    /// The disk failed, or something is in the way.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The torrent was removed, or the session shut down.
    #[error("the torrent is closed")]
    Closed,
}

/// The torrent was removed, or its session shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the torrent is closed")]
pub struct Closed;

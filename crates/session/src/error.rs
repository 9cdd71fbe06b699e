//! What can go wrong, one type an operation.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use headwater_metainfo::{FileIndex, InfoError, InfoHash, MagnetError, MetainfoError};
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
    /// The text is no magnet link.
    #[error(transparent)]
    Magnet(#[from] MagnetError),
    /// A magnet link was to be [loaded](crate::Source::load); only a session can get what it stands for.
    #[error(
        "a magnet link does not say what the torrent holds: add it to a session, which asks its peers"
    )]
    NoMetadata,
    /// A magnet link of a v2 torrent without v1 data.
    #[error("v2 torrents are not supported yet")]
    V2Only,
    /// The session has it already.
    #[error("the torrent {0} has been added already")]
    AlreadyAdded(InfoHash),
    /// A priority is given for a file that the torrent does not have.
    #[error(transparent)]
    NoSuchFile(#[from] NoSuchFile),
    /// No files could be chosen.
    #[error(transparent)]
    Selection(#[from] SelectionError),
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

/// Why it could not be decided which files are wanted.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// A priority is given for, or a magnet link selects, a file that the torrent does not have.
    #[error(transparent)]
    NoSuchFile(#[from] NoSuchFile),
    /// What [`Add::choose_files`](crate::Add::choose_files) was given says no.
    #[error("{0}")]
    Refused(Arc<dyn std::error::Error + Send + Sync>),
}

/// Why nothing can be done with the metadata of a magnet link, although it has come.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// It describes no torrent that can be loaded.
    #[error(transparent)]
    Info(#[from] InfoError),
    /// The link's v1 and v2 info-hashes belong to different torrents.
    #[error("the magnet link's two info-hashes belong to different torrents")]
    OtherTorrent,
    /// It could not be decided which files are wanted.
    #[error(transparent)]
    Selection(#[from] SelectionError),
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
    /// It is not known yet what the torrent holds.
    #[error("the metadata is not there yet")]
    NoMetadata,
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
pub struct TorrentError(Arc<Cause>);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Metadata(MetadataError),
}

impl TorrentError {
    /// The disk's error, if it was the disk.
    pub fn storage(&self) -> Option<&StorageError> {
        self.store()?.storage()
    }

    /// What the store says, if it was the store.
    pub fn store(&self) -> Option<&StoreError> {
        match &*self.0 {
            Cause::Store(error) => Some(error),
            Cause::Metadata(_) => None,
        }
    }

    /// What is wrong with the metadata, if it was that.
    pub fn metadata(&self) -> Option<&MetadataError> {
        match &*self.0 {
            Cause::Metadata(error) => Some(error),
            Cause::Store(_) => None,
        }
    }
}

impl From<StoreError> for TorrentError {
    fn from(error: StoreError) -> Self {
        Self(Arc::new(Cause::Store(error)))
    }
}

impl From<MetadataError> for TorrentError {
    fn from(error: MetadataError) -> Self {
        Self(Arc::new(Cause::Metadata(error)))
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
    /// The disk failed, or the metadata is of no use; see [`Detail::Failed`](crate::Detail::Failed).
    #[error(transparent)]
    Failed(#[from] TorrentError),
    /// It is not known yet what the torrent holds.
    #[error("the metadata is not there yet")]
    NoMetadata,
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
    /// It is not known yet which files there are.
    #[error("the metadata is not there yet")]
    NoMetadata,
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

//! Resume data: what a torrent has, kept over restarts.

mod codec;
mod file;
mod validate;

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use headwater_metainfo::{Bitfield, FileIndex, InfoHash, PieceIndex, SafePath};

use crate::{Checkpoint, FileStamp};
pub use file::replace_file;
pub use validate::Trusted;

/// Largest resume data that is read: 64 MiB.
pub const MAX_RESUME_SIZE: usize = 64 * 1024 * 1024;

/// What of a torrent is on disk, and what a program wants to remember with it.
///
/// It claims what a [`Checkpoint`] says and nothing else, and the stamp of each file as it was then. After a restart,
/// [`validate`](Self::validate) takes the claim back for every file whose stamp is another one now: those are to be checked, and
/// only those.
///
/// The part file carries its own index, so resume data need not; a skipped file whose data lies there has the part file's
/// stamp.
///
/// ```
/// use std::sync::Arc;
/// use headwater_store::{Contents, FileOptions, FileStorage, Options, PieceStore, ResumeData, Storage, testing::Sample};
///
/// let dir = tempfile::tempdir()?;
/// let torrent = Arc::new(Sample::new([("a", 30_000), ("b", 50_000)], 16_384));
/// std::fs::write(dir.path().join("a"), &torrent.data()[..30_000])?;
/// std::fs::write(dir.path().join("b"), &torrent.data()[30_000..])?;
/// let storage = Arc::new(FileStorage::new(torrent.clone(), dir.path(), FileOptions::default())?);
/// let store = PieceStore::new(torrent.clone(), storage.clone(), Options::default());
/// for piece in torrent.geometry().pieces() {
///     store.check(piece)?;
/// }
/// let resume = ResumeData::new(torrent.info_hash(), store.checkpoint()?);
/// resume.save(dir.path().join("state"))?;
///
/// // Later, in another process: b has grown.
/// std::fs::write(dir.path().join("b"), [&torrent.data()[30_000..], b"!"].concat())?;
/// let resume = ResumeData::load(dir.path().join("state"))?;
/// let trusted = resume.validate(&*torrent, &storage.stamps()?)?;
/// assert_eq!(trusted.have.count(), 1, "the piece that lies in a alone");
/// assert_eq!(trusted.changed.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeData {
    /// The torrent (cut to 20 bytes for v2).
    pub info_hash: InfoHash,
    /// Pieces that are verified and durable.
    pub have: Bitfield,
    /// Blocks that are durable, of pieces that are not complete.
    pub partial: Vec<(PieceIndex, Bitfield)>,
    /// Every file's stamp.
    pub stamps: Vec<FileStamp>,
    /// Every file's priority, 0 = skip; or empty.
    pub priorities: Vec<u8>,
    /// Files that lie elsewhere than the torrent says, in order, relative to the base directory: for
    /// [`FileOptions::renamed`](crate::FileOptions::renamed).
    pub renamed: Vec<(FileIndex, SafePath)>,
    /// Payload bytes sent, over all restarts.
    pub uploaded: u64,
    /// Payload bytes received, over all restarts.
    pub downloaded: u64,
    /// The raw info dictionary, of a torrent that got it from peers and has it nowhere else. Whether its hash is
    /// [`info_hash`](Self::info_hash) is for the reader to check.
    pub metadata: Option<Bytes>,
}

impl ResumeData {
    /// The claim of a checkpoint, with no priorities and no totals.
    pub fn new(info_hash: InfoHash, checkpoint: Checkpoint) -> Self {
        Self {
            info_hash,
            have: checkpoint.have,
            partial: checkpoint.partial,
            stamps: checkpoint.stamps,
            priorities: Vec::new(),
            renamed: Vec::new(),
            uploaded: 0,
            downloaded: 0,
            metadata: None,
        }
    }
}

/// Why resume data cannot be used, or was not saved. A torrent is then to be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The file could not be read or written.
    #[error("cannot {operation} {}: {cause}", .path.display())]
    Io {
        /// "read" or "write".
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        cause: io::Error,
    },
    /// Larger than [`MAX_RESUME_SIZE`].
    #[error("resume data is larger than 64 MiB")]
    TooLarge,
    /// Something else than resume data.
    #[error("this is not resume data")]
    NotResumeData,
    /// Written by another version of this library.
    #[error("resume data has version {0}, which is not known here")]
    Version(u32),
    /// Damaged.
    #[error("resume data is damaged: its checksum is wrong")]
    Checksum,
    /// The checksum holds and yet a part makes no sense.
    #[error("resume data makes no sense at `{0}`")]
    Malformed(&'static str),
    /// It belongs to another torrent.
    #[error("resume data belongs to another torrent")]
    OtherTorrent,
}

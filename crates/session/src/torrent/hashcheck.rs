//! Hash checks at the user's wish.

use std::future::{Future, IntoFuture};
use std::ops::{Range, RangeFull};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use headwater_metainfo::{FileIndex, Info, PieceIndex};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{HashcheckError, NoSuchFile, Progress};

/// What a hash check is to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// Everything.
    All,
    /// One piece.
    Piece(PieceIndex),
    /// A run of pieces.
    Pieces(Range<u32>),
    /// The pieces that hold any byte of a file.
    File(FileIndex),
    /// The pieces that are not had: finds data that was put there by other means.
    Missing,
}

impl From<RangeFull> for Check {
    fn from(_: RangeFull) -> Self {
        Self::All
    }
}

impl From<PieceIndex> for Check {
    fn from(piece: PieceIndex) -> Self {
        Self::Piece(piece)
    }
}

impl From<Range<u32>> for Check {
    fn from(pieces: Range<u32>) -> Self {
        Self::Pieces(pieces)
    }
}

impl From<FileIndex> for Check {
    fn from(file: FileIndex) -> Self {
        Self::File(file)
    }
}

/// What a hash check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Pieces that are right.
    pub passed: u32,
    /// Pieces that are wrong or missing, in order.
    pub failed: Vec<PieceIndex>,
}

/// A hash check that is under way. Await it for what it finds.
///
/// It goes on when this is dropped; [`cancel`](Self::cancel) ends it.
#[derive(Debug)]
pub struct Hashcheck {
    pub(super) tally: Arc<Tally>,
    pub(super) outcome: oneshot::Receiver<Result<CheckReport, HashcheckError>>,
}

impl Hashcheck {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            done: self.tally.done.load(Ordering::Relaxed),
            total: self.tally.total,
        }
    }

    /// Ends it soon. What it has found until then stands.
    pub fn cancel(&self) {
        self.tally.cancel();
    }

    /// Something that can end it while it is awaited.
    pub fn canceller(&self) -> impl Fn() + Send + Sync + 'static {
        let tally = self.tally.clone();
        move || tally.cancel()
    }
}

impl IntoFuture for Hashcheck {
    type Output = Result<CheckReport, HashcheckError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.outcome.await.unwrap_or(Err(HashcheckError::Closed)) })
    }
}

/// A check's count, and the wish to end it.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) done: AtomicU32,
    pub(crate) total: u32,
    /// For the checking threads.
    pub(crate) cancelled: AtomicBool,
    /// For a check that waits for its turn.
    pub(crate) cancel: CancellationToken,
}

impl Tally {
    pub(crate) fn new(total: u32) -> Arc<Self> {
        Arc::new(Self {
            done: AtomicU32::new(0),
            total,
            cancelled: AtomicBool::new(false),
            cancel: CancellationToken::new(),
        })
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.cancel.cancel();
    }
}

/// A check for the loop to make.
#[derive(Debug)]
pub(crate) struct CheckOrder {
    pub(crate) pieces: Vec<PieceIndex>,
    pub(crate) tally: Arc<Tally>,
    /// It must be done before the torrent starts.
    pub(crate) is_initial: bool,
    /// Whom to tell; nobody if nobody asked for it.
    pub(crate) reply: Option<oneshot::Sender<Result<CheckReport, HashcheckError>>>,
}

/// The pieces that `check` means; [`Check::Missing`] is given as all that `is_missing` says.
pub(super) fn resolve(
    check: Check,
    info: &Info,
    is_missing: impl Fn(PieceIndex) -> bool,
) -> Result<Vec<PieceIndex>, HashcheckError> {
    let geometry = info.geometry();
    let count = geometry.piece_count();
    let range = match check {
        Check::All => 0..count,
        Check::Piece(PieceIndex(index)) => index..index.saturating_add(1),
        Check::Pieces(range) => range,
        Check::File(file) => pieces_of(info, file)?,
        Check::Missing => {
            return Ok(geometry
                .pieces()
                .filter(|&piece| is_missing(piece))
                .collect());
        }
    };
    if range.start > range.end || range.end > count {
        let pieces = range;
        return Err(HashcheckError::NoSuchPiece { pieces, count });
    }
    Ok(range.map(PieceIndex).collect())
}

fn pieces_of(info: &Info, file: FileIndex) -> Result<Range<u32>, NoSuchFile> {
    let count = info.layout().len() as u32;
    if file.0 >= count {
        return Err(NoSuchFile { file, count });
    }
    Ok(info.layout().pieces_of(file, &info.geometry()))
}

//! What a torrent is told to do and what it is doing.

use std::fmt;

use headwater_swarm::Activity;

use crate::TorrentError;

/// What a torrent is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum State {
    /// Everything.
    #[default]
    Active,
    /// Connections are made and accepted, but nothing is asked for or served.
    Paused,
    /// Trackers are told, peers are closed, files are closed, and incoming connections are refused.
    Stopped,
}

impl State {
    pub(crate) const fn activity(self) -> Activity {
        match self {
            Self::Active => Activity::Active,
            Self::Paused => Activity::Paused,
            Self::Stopped => Activity::Stopped,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

/// What a torrent is doing at the moment, within its [`State`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Detail {
    /// Resume data is read and files are made ready.
    Starting,
    /// Nothing is known but the info-hash; peers are asked for the rest.
    FetchingMetadata,
    /// Data on disk is hashed.
    Checking(Progress),
    /// Something is wanted and not had.
    Downloading,
    /// All that is wanted is had.
    Seeding,
    /// Told to pause or to stop, and done with it.
    Idle,
    /// Told to stop, and still closing files and saving.
    Stopping,
    /// The disk failed, or the metadata is of no use. The torrent behaves as if paused until it is [started](crate::Torrent::start) again.
    Failed(TorrentError),
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::FetchingMetadata => f.write_str("fetching metadata"),
            Self::Checking(progress) => {
                write!(f, "checking, {} of {}", progress.done, progress.total)
            }
            Self::Downloading => f.write_str("downloading"),
            Self::Seeding => f.write_str("seeding"),
            Self::Idle => f.write_str("idle"),
            Self::Stopping => f.write_str("stopping"),
            Self::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}

/// How far a hash check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Progress {
    /// Pieces checked.
    pub done: u32,
    /// Pieces to check, those that are done among them.
    pub total: u32,
}

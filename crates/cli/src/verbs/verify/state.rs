//! What can be told of a file without its hashes.

use std::cmp::Ordering;
use std::io;
use std::path::Path;

use headwater_metainfo::{FileEntry, FileIndex};

/// What can be seen of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Missing,
    TooShort,
    NoFile,
    Longer,
    Right,
}

impl State {
    /// What lies where a file of the torrent belongs.
    pub(super) fn of(entry: &FileEntry, path: &Path) -> Self {
        if entry.is_pad() || entry.symlink_target().is_some() {
            return Self::Right;
        }
        match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing,
            // What it is like cannot be seen; that it cannot be read is told elsewhere.
            Err(_) => Self::Right,
            Ok(metadata) if !metadata.is_file() => Self::NoFile,
            Ok(metadata) => match metadata.len().cmp(&entry.length()) {
                Ordering::Less => Self::TooShort,
                Ordering::Equal => Self::Right,
                Ordering::Greater => Self::Longer,
            },
        }
    }

    /// In front of the numbers of pieces.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Missing => "missing; ",
            Self::TooShort => "too short; ",
            Self::NoFile => "a folder or device is in its place; ",
            Self::Longer | Self::Right => "",
        }
    }

    /// Whether it explains why pieces do not match.
    pub(super) const fn is_cause(self) -> bool {
        matches!(self, Self::Missing | Self::TooShort | Self::NoFile)
    }
}

/// A file with pieces that do not match.
pub(super) struct BadFile {
    pub(super) state: State,
    pub(super) pieces: Vec<u32>,
    /// The file to which all of them may be due instead, if there is one.
    pub(super) culprit: Option<FileIndex>,
    is_blamed: bool,
}

impl BadFile {
    pub(super) const fn new(state: State) -> Self {
        Self {
            state,
            pieces: Vec::new(),
            culprit: None,
            is_blamed: state.is_cause(),
        }
    }

    /// A piece of it does not match, which `culprit` explains.
    pub(super) fn blame(&mut self, culprit: Option<FileIndex>) {
        self.is_blamed |= culprit.is_none();
        self.culprit = culprit.filter(|_| !self.is_blamed);
    }
}

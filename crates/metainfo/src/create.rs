//! Making torrents.
//!
//! A [`Creator`] lays out files that it is told about, has their pieces hashed and writes the torrent. It opens nothing
//! itself: bytes come from a [`Source`] that is read at any place by several threads ([`Creator::hash`]), from plain
//! readers one after the other ([`Creator::hash_readers`]), or from elsewhere as finished hashes. The same input gives
//! the same bytes, whatever the order of the files and the number of threads.
//!
//! ```
//! use std::{num::NonZeroUsize, ops::ControlFlow};
//! use headwater_metainfo::{Metainfo, create::{CreateOptions, Creator, InputFile}};
//!
//! let contents = vec![b"one".to_vec(), b"two and three".to_vec()];
//! let files = ["a.txt", "b.txt"].iter().zip(&contents);
//! let files = files.map(|(name, data)| InputFile::new([*name], data.len() as u64)).collect();
//! let options = CreateOptions { private: true, ..CreateOptions::new("folder") };
//!
//! let creator = Creator::new(options, files)?;
//! let hashes = creator.hash(&contents, NonZeroUsize::MIN, |_bytes| ControlFlow::Continue(()))?;
//! let torrent = Metainfo::from_bytes(&creator.torrent(&hashes)?)?;
//! assert_eq!(torrent.info().layout().files()[1].path().as_str(), "folder/b.txt");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod hash;
mod hasher;
mod output;
#[cfg(test)]
mod tests;

use std::io;

use crate::{
    Attributes, FileIndex, FileLayout, GeometryError, LayoutBuilder, LayoutError, MAX_TORRENT_SIZE,
    PieceGeometry, SafePath,
};

pub use hash::Source;
pub use hasher::PieceHasher;

/// What a new torrent says beside its files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateOptions {
    /// Name of the file, or of the folder that holds the files.
    pub name: String,
    /// Bytes in a piece; [`piece_length_for`] the size when `None`.
    pub piece_length: Option<u32>,
    /// Peers come from the trackers only (BEP 27).
    pub private: bool,
    /// Said to the user.
    pub comment: Option<String>,
    /// Where the torrent comes from; changes the info-hash, which is what it is for.
    pub source: Option<String>,
    /// The program that made it.
    pub created_by: Option<String>,
    /// Seconds since 1970.
    pub creation_date: Option<i64>,
    /// Tracker URLs in tiers (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Web seed URLs (BEP 19).
    pub web_seeds: Vec<String>,
}

impl CreateOptions {
    /// A torrent with a name and nothing else.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// A file that goes into a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// The components below the torrent's folder; none for the one file of a single-file torrent.
    pub path: Vec<String>,
    /// Bytes.
    pub length: u64,
    /// Whether to mark it as executable (BEP 47).
    pub executable: bool,
}

impl InputFile {
    /// A file below the torrent's folder.
    pub fn new<C: Into<String>>(path: impl IntoIterator<Item = C>, length: u64) -> Self {
        Self {
            path: path.into_iter().map(Into::into).collect(),
            length,
            executable: false,
        }
    }

    /// The one file of a single-file torrent, which has the torrent's name.
    pub const fn single(length: u64) -> Self {
        Self {
            path: Vec::new(),
            length,
            executable: false,
        }
    }
}

/// Why no torrent was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is no file, or too much of them.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Piece length and size do not fit.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// A piece length that other clients would refuse.
    #[error("piece length {0} is not a power of two of at least 16384")]
    PieceLength(u32),
    /// All files together hold no byte.
    #[error("there is nothing to share: every file is empty")]
    NoData,
    /// The torrent itself would be too large to be loaded, because of many names or many pieces.
    #[error("the torrent would be larger than {} MiB; fewer files or longer pieces would help", MAX_TORRENT_SIZE >> 20)]
    TooLarge,
    /// A name that no file can have.
    #[error("{0:?} cannot be the name of a file or folder")]
    Name(String),
    /// Two files with one path, or a file with the path of a folder.
    #[error("{0:?} is there twice, or is both a file and a folder")]
    Duplicate(String),
    /// Reading failed.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file has fewer bytes than it was said to have.
    #[error("{0} has become shorter while it was read")]
    Shorter(String),
    /// A file has more bytes than it was said to have.
    #[error("{0} has become longer while it was read")]
    Longer(String),
    /// Not one hash for each piece.
    #[error("there are {got} piece hashes where {expected} belong")]
    HashCount {
        /// Hashes given.
        got: usize,
        /// Pieces in the torrent.
        expected: usize,
    },
    /// The caller's progress function said stop.
    #[error("interrupted")]
    Interrupted,
}

/// A torrent in the making: its files are laid out, their pieces not yet hashed.
#[derive(Debug)]
pub struct Creator {
    options: CreateOptions,
    /// In the torrent's order.
    files: Vec<InputFile>,
    /// Which file of the caller's list each file of the torrent is.
    origins: Vec<usize>,
    layout: FileLayout,
    geometry: PieceGeometry,
}

impl Creator {
    /// Sorts the files by path and lays them out.
    pub fn new(options: CreateOptions, files: Vec<InputFile>) -> Result<Self, CreateError> {
        check_names(&options.name, &files)?;
        let mut files: Vec<_> = files.into_iter().enumerate().collect();
        files.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
        let (origins, files): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        check_distinct(&files)?;
        let layout = lay_out(&options.name, &files)?;
        let geometry = geometry_for(layout.total_size(), options.piece_length)?;
        let creator = Self {
            options,
            files,
            origins,
            layout,
            geometry,
        };
        creator.check_size()?;
        Ok(creator)
    }

    /// How the torrent divides into pieces.
    pub const fn geometry(&self) -> PieceGeometry {
        self.geometry
    }

    /// The files in the torrent's order, with the paths under which clients save them.
    pub const fn layout(&self) -> &FileLayout {
        &self.layout
    }

    /// Position in the list given to [`new`](Self::new) of a file of the torrent.
    ///
    /// # Panics
    /// When the torrent has no such file.
    pub fn origin(&self, file: FileIndex) -> usize {
        self.origins[file.as_usize()]
    }

    /// Files that clients save under another path than the one given, because theirs is unsafe or collides with another
    /// when letter case is left out: the path given, and the other.
    pub fn renamed_files(&self) -> impl Iterator<Item = (String, &SafePath)> {
        let pairs = self.layout.iter();
        pairs
            .map(|(index, entry)| (self.shown_path(index), entry.path()))
            .filter(|(given, saved)| given != saved.as_str())
    }

    /// The path as the caller gave it, for messages.
    fn shown_path(&self, file: FileIndex) -> String {
        let components = &self.files[file.as_usize()].path;
        let mut shown = self.options.name.clone();
        for component in components {
            shown.push('/');
            shown.push_str(component);
        }
        shown
    }
}

/// The piece length for `total_size` bytes: the smallest power of two that makes at most 2,000 pieces, from 16 KiB to
/// 16 MiB; beyond that only for what would have too many pieces to load.
///
/// ```
/// use headwater_metainfo::create::piece_length_for;
///
/// assert_eq!(piece_length_for(1), 16 << 10);
/// assert_eq!(piece_length_for(1 << 30), 1 << 20);
/// assert_eq!(piece_length_for(1 << 40), 16 << 20);
/// ```
pub fn piece_length_for(total_size: u64) -> u32 {
    let lengths =
        (SMALLEST_PIECE.ilog2()..=PieceGeometry::MAX_PIECE_LENGTH.ilog2()).map(|bits| 1 << bits);
    let fits = |&length: &u32| {
        let pieces = total_size.div_ceil(u64::from(length));
        pieces <= 2_000 || (length >= 16 << 20 && pieces <= u64::from(PieceGeometry::MAX_PIECES))
    };
    lengths
        .into_iter()
        .find(fits)
        .unwrap_or(PieceGeometry::MAX_PIECE_LENGTH)
}

const SMALLEST_PIECE: u32 = 16 << 10;

fn geometry_for(total_size: u64, wish: Option<u32>) -> Result<PieceGeometry, CreateError> {
    if total_size == 0 {
        return Err(CreateError::NoData);
    }
    let length = wish.unwrap_or_else(|| piece_length_for(total_size));
    if !length.is_power_of_two() || length < SMALLEST_PIECE {
        return Err(CreateError::PieceLength(length));
    }
    Ok(PieceGeometry::new(total_size, u64::from(length))?)
}

fn check_names(name: &str, files: &[InputFile]) -> Result<(), CreateError> {
    let components = files.iter().flat_map(|file| &file.path);
    let mut names = components.map(String::as_str).chain([name]);
    if files.len() > 1 && files.iter().any(|file| file.path.is_empty()) {
        return Err(CreateError::Name(String::new()));
    }
    let is_bad = |name: &str| matches!(name, "" | "." | "..") || name.contains(['/', '\0']);
    match names.find(|name| is_bad(name)) {
        Some(bad) => Err(CreateError::Name(bad.to_owned())),
        None => Ok(()),
    }
}

/// In sorted order a folder's files follow at once on a file with the folder's path.
fn check_distinct(files: &[InputFile]) -> Result<(), CreateError> {
    let clash = files
        .windows(2)
        .find(|pair| pair[1].path.starts_with(&pair[0].path));
    match clash {
        Some(pair) => Err(CreateError::Duplicate(pair[0].path.join("/"))),
        None => Ok(()),
    }
}

fn lay_out(name: &str, files: &[InputFile]) -> Result<FileLayout, LayoutError> {
    if let [InputFile { path, length, .. }] = files
        && path.is_empty()
    {
        let mut builder = LayoutBuilder::new();
        builder.push(&[name], *length, &Attributes::default())?;
        return builder.finish();
    }
    let mut builder = LayoutBuilder::in_folder(name, name.as_bytes());
    for file in files {
        let attributes = Attributes {
            executable: file.executable,
            ..Attributes::default()
        };
        builder.push(&file.path, file.length, &attributes)?;
    }
    builder.finish()
}

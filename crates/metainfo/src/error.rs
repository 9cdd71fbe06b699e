//! What can be wrong with a torrent, in words for the user who has it.

use headwater_bencode::DecodeError;

use crate::{GeometryError, LayoutError, MAX_TORRENT_SIZE};

/// Why bytes are no torrent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetainfoError {
    /// There are no bytes.
    #[error("not a torrent: it is empty")]
    Empty,
    /// More than [`MAX_TORRENT_SIZE`] bytes.
    #[error("the torrent is larger than {} MiB", MAX_TORRENT_SIZE >> 20)]
    TooLarge,
    /// A page of HTML, as sites give out when a login or a token is missing.
    #[error("not a torrent: it is a web page")]
    WebPage,
    /// Not bencoded.
    #[error("not a torrent: {0}")]
    NotBencode(#[from] DecodeError),
    /// Bencoded, but no dictionary.
    #[error("not a torrent: it holds no dictionary")]
    NotDictionary,
    /// There is no `info` dictionary.
    #[error("not a torrent: it has no \"info\" dictionary")]
    NoInfo,
    /// The `info` dictionary is at fault.
    #[error(transparent)]
    Info(#[from] InfoError),
}

/// Why an `info` dictionary describes no torrent that can be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InfoError {
    /// More than [`MAX_TORRENT_SIZE`] bytes.
    #[error("the torrent's info is larger than {} MiB", MAX_TORRENT_SIZE >> 20)]
    TooLarge,
    /// Not bencoded.
    #[error("the torrent's info cannot be read: {0}")]
    NotBencode(#[from] DecodeError),
    /// Something follows on the dictionary, so that its hash would not be that of the bytes given.
    #[error("the torrent's info has bytes after its end")]
    TrailingBytes,
    /// Bencoded, but no dictionary.
    #[error("the torrent's info is not a dictionary")]
    NotDictionary,
    /// A v2 torrent without v1 data.
    #[error("v2 torrents are not supported yet")]
    V2Only,
    /// A torrent of another version.
    #[error("torrents of version {0} are not supported")]
    UnsupportedVersion(i64),
    /// A field that must be there is not, or is of another type.
    #[error("the torrent's {0}")]
    Field(#[from] FieldError),
    /// A field of one file is at fault; files count from 1.
    #[error("file {number} of the torrent: {error}")]
    File {
        /// Which file, from 1.
        number: usize,
        /// What is wrong with it.
        error: FieldError,
    },
    /// There is neither `length` nor `files`.
    #[error("the torrent has no files: both \"length\" and \"files\" are missing")]
    NoFiles,
    /// There are both `length` and `files`.
    #[error(
        "the torrent has both \"length\" and \"files\", so that it is unclear which files it holds"
    )]
    LengthAndFiles,
    /// The files make no torrent.
    #[error("the torrent cannot be laid out: {0}")]
    Layout(#[from] LayoutError),
    /// Size and piece length make no torrent.
    #[error("the torrent cannot be divided into pieces: {0}")]
    Geometry(#[from] GeometryError),
    /// `pieces` is no list of hashes of 20 bytes.
    #[error("the torrent's piece hashes are damaged: {0} bytes are not a multiple of 20")]
    PiecesLength(usize),
    /// `pieces` has not one hash for each piece.
    #[error("the torrent has {got} piece hashes, but its size makes {expected} pieces")]
    PieceCount {
        /// Hashes in `pieces`.
        got: usize,
        /// Pieces by size and piece length.
        expected: u32,
    },
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// It is not there.
    #[error("\"{0}\" is missing")]
    Missing(&'static str),
    /// It has another type, or is a number beyond 64 bits.
    #[error("\"{field}\" is not {expected}")]
    Type {
        /// Its name.
        field: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// It is a negative number.
    #[error("\"{field}\" is negative ({value})")]
    Negative {
        /// Its name.
        field: &'static str,
        /// The number.
        value: i64,
    },
}

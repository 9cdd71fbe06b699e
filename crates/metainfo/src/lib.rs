//! Torrent files and magnet links: typed, bounded, with safe paths and exact piece arithmetic.
#![forbid(unsafe_code)]

mod bitfield;
mod id;
mod layout;
mod path;
mod piece;

pub use bitfield::{Bitfield, BitfieldError};
pub use id::{InfoHash, InfoHashV2, InfoHashes, ParseInfoHashError, PeerId};
pub use layout::{
    Attributes, FileEntry, FileIndex, FileLayout, FileSpan, LayoutBuilder, LayoutError,
};
pub use path::{MAX_NAME_BYTES, Platform, SafePath};
pub use piece::{BLOCK_LENGTH, BlockSpan, GeometryError, PieceGeometry, PieceIndex};

//! Torrent files and magnet links: typed, bounded, with safe paths and exact piece arithmetic.
#![forbid(unsafe_code)]

mod bitfield;
mod host_port;
mod id;
mod layout;
mod magnet;
mod path;
mod piece;
mod text;

pub use bitfield::{Bitfield, BitfieldError};
pub use host_port::{HostPort, ParseHostPortError};
pub use id::{InfoHash, InfoHashV2, InfoHashes, ParseInfoHashError, PeerId};
pub use layout::{
    Attributes, FileEntry, FileIndex, FileLayout, FileSpan, LayoutBuilder, LayoutError,
};
pub use magnet::{Magnet, MagnetError};
pub use path::{MAX_NAME_BYTES, Platform, SafePath};
pub use piece::{BLOCK_LENGTH, BlockSpan, GeometryError, PieceGeometry, PieceIndex};

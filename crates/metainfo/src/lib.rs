//! Torrent files and magnet links: typed, bounded, with safe paths and exact piece arithmetic.
#![forbid(unsafe_code)]

mod bitfield;
pub mod create;
mod error;
mod host_port;
mod id;
mod info;
mod layout;
mod magnet;
mod metainfo;
mod path;
mod piece;
#[cfg(test)]
mod testing;
mod text;

pub use bitfield::{Bitfield, BitfieldError};
pub use error::{FieldError, InfoError, MetainfoError};
pub use host_port::{HostPort, ParseHostPortError};
pub use id::{InfoHash, InfoHashV2, InfoHashes, ParseInfoHashError, PeerId};
pub use info::Info;
pub use layout::{
    Attributes, FileEntry, FileIndex, FileLayout, FileSpan, LayoutBuilder, LayoutError,
};
pub use magnet::{Magnet, MagnetError};
pub use metainfo::{MAX_TORRENT_SIZE, Metainfo};
pub use path::{MAX_NAME_BYTES, Platform, SafePath};
pub use piece::{BLOCK_LENGTH, BlockSpan, GeometryError, PieceGeometry, PieceIndex};

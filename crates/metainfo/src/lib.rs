//! Torrent files and magnet links: typed, bounded, with safe paths and exact piece arithmetic.
//!
//! ```
//! use headwater_metainfo::{FileIndex, FileSpan, Metainfo, PieceIndex};
//!
//! let bytes = [
//!     b"d4:infod5:filesld6:lengthi20000e4:pathl5:a.binee".as_slice(),
//!     b"d6:lengthi5e4:pathl2:..5:b.txteee4:name3:two12:piece lengthi16384e6:pieces40:",
//!     &[7; 40],
//!     b"ee",
//! ].concat();
//! let torrent = Metainfo::from_bytes(&bytes)?;
//! let info = torrent.info();
//!
//! // Paths are safe to join to any folder.
//! let paths: Vec<_> = info.layout().files().iter().map(|file| file.path().as_str()).collect();
//! assert_eq!(paths, ["two/a.bin", "two/b.txt"]);
//!
//! // Where the last piece lies on disk.
//! let range = info.geometry().piece_range(PieceIndex(1));
//! let spans: Vec<_> = info.layout().spans(range.start, range.end - range.start).collect();
//! assert_eq!(spans, [
//!     FileSpan { file: FileIndex(0), offset: 16_384, length: 3_616 },
//!     FileSpan { file: FileIndex(1), offset: 0, length: 5 },
//! ]);
//! # Ok::<(), headwater_metainfo::MetainfoError>(())
//! ```
//!
//! - [`Metainfo`] is a torrent file, [`Info`] the part of it that the [info-hash](InfoHashes) stands for, [`Magnet`] a link to it.
//! - [`FileLayout`] says which files hold which bytes, [`SafePath`] where they belong.
//! - [`PieceGeometry`] does the arithmetic of pieces and blocks; [`Bitfield`] is a set of pieces.
//! - [`create`] makes torrents.
//! - [`compact`] packs and unpacks addresses of peers, as trackers and peers send them.
//!
//! Nothing in a torrent is trusted: what is inconsistent is a typed error, what is only unsafe (names) is made safe, and
//! everything is bounded. The info-hash is that of the bytes that were read, never of a re-encoding.
#![forbid(unsafe_code)]

mod bitfield;
mod block_digest;
pub mod compact;
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
mod reach;
#[cfg(test)]
mod testing;
mod text;

pub use bitfield::{Bitfield, BitfieldError};
pub use block_digest::BlockDigest;
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
pub use reach::Reach;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

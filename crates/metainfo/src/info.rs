//! The `info` dictionary: what a torrent's hash stands for.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use headwater_bencode::Node;

use crate::metainfo::decode_options;
use crate::text::TextEncoding;
use crate::{FileLayout, InfoError, InfoHashes, MAX_TORRENT_SIZE, PieceGeometry, PieceIndex};

/// Bytes in a v1 piece hash.
const HASH_LENGTH: usize = 20;

/// The part of a torrent that its info-hash stands for: files, pieces and their hashes (BEP 3).
///
/// Names are made safe and unique; whatever else is inconsistent is an error, so that every `Info` has at least one file
/// and a hash for each piece.
///
/// ```
/// use headwater_metainfo::Info;
///
/// let raw = [b"d6:lengthi3e4:name5:a.txt12:piece lengthi16384e6:pieces20:".as_slice(), &[7; 20], b"e"].concat();
/// let info = Info::from_bytes(&raw)?;
/// assert_eq!(info.name(), "a.txt");
/// assert_eq!(info.geometry().piece_count(), 1);
/// # Ok::<(), headwater_metainfo::InfoError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Info {
    raw: Box<[u8]>,
    hashes: InfoHashes,
    raw_name: Range<usize>,
    is_private: bool,
    is_multi_file: bool,
    source: Option<Box<str>>,
    geometry: PieceGeometry,
    layout: FileLayout,
    /// Where the v1 piece hashes stand in `raw`.
    pieces: Range<usize>,
}

impl Info {
    /// Takes a raw `info` dictionary, such as peers send for a magnet link (BEP 9). Nothing may follow on it.
    ///
    /// Whether its hash is the one that was asked for is for the caller to compare. Names that are not UTF-8 lose what
    /// cannot be decoded, because their encoding stands outside of the dictionary.
    pub fn from_bytes(raw: &[u8]) -> Result<Self, InfoError> {
        if raw.len() > MAX_TORRENT_SIZE {
            return Err(InfoError::TooLarge);
        }
        let document = decode_options().decode(raw)?;
        if !document.trailing().is_empty() {
            return Err(InfoError::TrailingBytes);
        }
        Self::from_node(document.root(), TextEncoding::default())
    }

    pub(crate) fn from_node(node: Node<'_, '_>, encoding: TextEncoding) -> Result<Self, InfoError> {
        parse::parse(node, encoding)
    }

    /// The dictionary's bytes, exactly as they were read.
    pub const fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The hashes of [`raw`](Self::raw).
    pub const fn info_hashes(&self) -> InfoHashes {
        self.hashes
    }

    /// Name of the file, or of the folder that holds the files, safe for file systems.
    ///
    /// The info-hash in hexadecimal where the torrent names nothing.
    pub fn name(&self) -> &str {
        let first = self.layout.files().first();
        first
            .and_then(|file| file.path().components().next())
            .unwrap_or_default()
    }

    /// The name as the torrent has it, in any encoding. **Not safe as a path.**
    pub fn raw_name(&self) -> &[u8] {
        &self.raw[self.raw_name.clone()]
    }

    /// Whether peers may come from the torrent's trackers only (BEP 27).
    pub const fn is_private(&self) -> bool {
        self.is_private
    }

    /// Whether the files lie in a folder of the torrent's name, even if there is only one.
    pub const fn is_multi_file(&self) -> bool {
        self.is_multi_file
    }

    /// Where the torrent comes from, as some trackers mark theirs.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// How the torrent divides into pieces.
    pub const fn geometry(&self) -> PieceGeometry {
        self.geometry
    }

    /// The files.
    pub const fn layout(&self) -> &FileLayout {
        &self.layout
    }

    /// The v1 hash (SHA-1) of `piece`; `None` past the end.
    pub fn piece_hash(&self, piece: PieceIndex) -> Option<[u8; HASH_LENGTH]> {
        let hashes = self.raw[self.pieces.clone()].as_chunks().0;
        hashes.get(piece.as_usize()).copied()
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info")
            .field("name", &self.name())
            .field("hashes", &self.hashes)
            .field("geometry", &self.geometry)
            .field("files", &self.layout.len())
            .finish_non_exhaustive()
    }
}

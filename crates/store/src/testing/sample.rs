//! Made-up torrents.

use bytes::Bytes;
use headwater_metainfo::{BlockSpan, FileLayout, InfoHash, PieceGeometry, PieceIndex};

use crate::Contents;

/// A torrent with made-up bytes, the same on every run.
///
/// # Panics
/// Its constructors panic on what makes no torrent.
#[derive(Debug, Clone)]
pub struct Sample {
    layout: FileLayout,
    geometry: PieceGeometry,
    data: Bytes,
    hashes: Vec<[u8; 20]>,
}

impl Sample {
    /// Files by path and length.
    pub fn new<P: AsRef<str>>(
        files: impl IntoIterator<Item = (P, u64)>,
        piece_length: u64,
    ) -> Self {
        let layout = FileLayout::new(files).expect("paths and lengths of a torrent");
        Self::from_layout(layout, piece_length)
    }

    /// Files that lie like this; pad files hold zeros.
    pub fn from_layout(layout: FileLayout, piece_length: u64) -> Self {
        let mut data = random_bytes(layout.total_size() as usize);
        for pad in layout.files().iter().filter(|file| file.is_pad()) {
            data[pad.offset() as usize..][..pad.length() as usize].fill(0);
        }
        Self::from_data(layout, piece_length, data)
    }

    /// Files that hold these bytes, all together.
    pub fn from_data(layout: FileLayout, piece_length: u64, data: impl Into<Bytes>) -> Self {
        let data = data.into();
        assert_eq!(data.len() as u64, layout.total_size());
        let geometry =
            PieceGeometry::new(layout.total_size(), piece_length).expect("a piece length");
        let hashes = data.chunks(piece_length as usize);
        let hashes = hashes.map(headwater_hash::sha1).collect();
        Self {
            layout,
            geometry,
            data,
            hashes,
        }
    }

    /// All bytes.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The bytes of a block.
    pub fn block(&self, span: BlockSpan) -> Bytes {
        let start = self.geometry.span_start(span) as usize;
        self.data.slice(start..start + span.length as usize)
    }

    /// The bytes of a piece.
    pub fn piece(&self, piece: PieceIndex) -> Bytes {
        let range = self.geometry.piece_range(piece);
        self.data.slice(range.start as usize..range.end as usize)
    }
}

impl Contents for Sample {
    fn layout(&self) -> &FileLayout {
        &self.layout
    }

    fn geometry(&self) -> PieceGeometry {
        self.geometry
    }

    fn piece_hash(&self, piece: PieceIndex) -> Option<[u8; 20]> {
        self.hashes.get(piece.as_usize()).copied()
    }

    fn info_hash(&self) -> InfoHash {
        InfoHash([0xab; 20])
    }
}

/// Bytes without a pattern, from a xorshift generator.
fn random_bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words = std::iter::repeat_with(next).take(length.div_ceil(8));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
    bytes.truncate(length);
    bytes
}

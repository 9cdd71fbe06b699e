//! What a store has to know of a torrent.

use std::fmt::Debug;

use headwater_metainfo::{FileLayout, Info, InfoHash, PieceGeometry, PieceIndex};

/// What a store has to know of a torrent: its files, how it divides into pieces, and their hashes.
///
/// An `Arc<Info>` can be given wherever `Arc<dyn Contents>` is asked for.
pub trait Contents: Send + Sync + Debug + 'static {
    /// Where each file lies.
    fn layout(&self) -> &FileLayout;

    /// How the bytes divide into pieces.
    fn geometry(&self) -> PieceGeometry;

    /// The SHA-1 of a piece; `None` past the end, or if the torrent has none.
    fn piece_hash(&self, piece: PieceIndex) -> Option<[u8; 20]>;

    /// The info-hash (cut to 20 bytes for a v2 torrent), which names the part file.
    fn info_hash(&self) -> InfoHash;
}

impl Contents for Info {
    fn layout(&self) -> &FileLayout {
        self.layout()
    }

    fn geometry(&self) -> PieceGeometry {
        self.geometry()
    }

    fn piece_hash(&self, piece: PieceIndex) -> Option<[u8; 20]> {
        self.piece_hash(piece)
    }

    fn info_hash(&self) -> InfoHash {
        self.info_hashes().primary()
    }
}

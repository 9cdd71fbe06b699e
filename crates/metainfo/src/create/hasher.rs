//! Hashing a stream of bytes piece by piece.

use std::io::{self, Read};
use std::mem;

use headwater_hash::{Engine, Sha1Digest, sha1_many};

use crate::PieceGeometry;

/// Most bytes that wait to be hashed at once in one thread, unless one piece is longer.
const BATCH_BYTES: usize = 32 << 20;

/// How many pieces make a good batch: one for each lane of the hash engine, as far as memory allows.
pub(super) fn batch_pieces(geometry: &PieceGeometry) -> usize {
    let by_memory = BATCH_BYTES / geometry.piece_length() as usize;
    by_memory
        .clamp(1, Engine::best_for_sha1().lanes().max(1))
        .min(geometry.piece_count().max(1) as usize)
}

/// The SHA-1 of each piece in `bytes`, which start at a piece's start.
pub(super) fn hash_pieces(bytes: &[u8], geometry: &PieceGeometry) -> Vec<Sha1Digest> {
    let pieces: Vec<[&[u8]; 1]> = bytes
        .chunks(geometry.piece_length() as usize)
        .map(|piece| [piece])
        .collect();
    let messages: Vec<&[&[u8]]> = pieces.iter().map(|piece| &piece[..]).collect();
    sha1_many(&messages)
}

/// Takes a torrent's bytes in order, in parts of any length, and gives the hash of each piece.
///
/// Bytes are gathered until the hash engine has a piece for each of its lanes.
///
/// ```
/// use headwater_metainfo::{PieceGeometry, create::PieceHasher};
///
/// let geometry = PieceGeometry::new(40_000, 16_384)?;
/// let mut hasher = PieceHasher::new(geometry);
/// hasher.update(&[0; 30_000]);
/// hasher.update(&[0; 10_000]);
/// assert_eq!(hasher.finish().len(), 3);
/// # Ok::<(), headwater_metainfo::GeometryError>(())
/// ```
#[derive(Debug)]
pub struct PieceHasher {
    geometry: PieceGeometry,
    buffer: Vec<u8>,
    filled: usize,
    hashes: Vec<Sha1Digest>,
}

impl PieceHasher {
    /// Starts at the torrent's first byte.
    pub fn new(geometry: PieceGeometry) -> Self {
        let batch = batch_pieces(&geometry) * geometry.piece_length() as usize;
        let total = usize::try_from(geometry.total_size()).unwrap_or(usize::MAX);
        Self {
            geometry,
            buffer: vec![0; batch.min(total).max(1)],
            filled: 0,
            hashes: Vec::with_capacity(geometry.piece_count() as usize),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let spare = &mut self.buffer[self.filled..];
            let (now, later) = bytes.split_at(bytes.len().min(spare.len()));
            spare[..now.len()].copy_from_slice(now);
            self.advance(now.len());
            bytes = later;
        }
    }

    /// Takes what one call to `reader` gives, at most `limit` bytes, and says how many; 0 at the reader's end.
    pub fn read_from(&mut self, reader: &mut impl Read, limit: u64) -> io::Result<usize> {
        let spare = &mut self.buffer[self.filled..];
        let length = spare
            .len()
            .min(usize::try_from(limit).unwrap_or(usize::MAX));
        let got = reader.read(&mut spare[..length])?;
        self.advance(got);
        Ok(got)
    }

    /// The hashes of all pieces, the last one as short as the bytes left it.
    pub fn finish(mut self) -> Vec<Sha1Digest> {
        self.hash_filled();
        self.hashes
    }

    fn advance(&mut self, bytes: usize) {
        self.filled += bytes;
        if self.filled == self.buffer.len() {
            self.hash_filled();
        }
    }

    fn hash_filled(&mut self) {
        let bytes = &self.buffer[..mem::take(&mut self.filled)];
        self.hashes.extend(hash_pieces(bytes, &self.geometry));
    }
}

//! What a block's content is known by.

use std::fmt;

use data_encoding::HEXLOWER;
use headwater_hash::Sha256Digest;

/// The first 16 bytes of the SHA-256 of a block.
///
/// No torrent has these: they are for comparing what different peers sent for the same block of a piece that failed its
/// check. Finding other bytes with the digest of given ones is out of reach.
///
/// ```
/// use headwater_metainfo::BlockDigest;
///
/// assert_eq!(BlockDigest::of(b"abc").to_string(), "ba7816bf8f01cfea414140de5dae2223");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockDigest(pub [u8; 16]);

impl BlockDigest {
    /// The digest of a block that is in one place.
    pub fn of(block: &[u8]) -> Self {
        headwater_hash::sha256(block).into()
    }
}

impl From<Sha256Digest> for BlockDigest {
    fn from(digest: Sha256Digest) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        Self(short)
    }
}

impl fmt::Display for BlockDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for BlockDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockDigest({self})")
    }
}

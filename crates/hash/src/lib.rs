//! SHA-1 and SHA-256 over many independent buffers at once.
//!
//! A piece is a list of blocks that need not lie next to each other, so every message is a list of slices.
//!
//! ```
//! let message: &[&[u8]] = &[b"ab", b"c"];
//! let digests = headwater_hash::sha1_many(&[message, &[b"abc"]]);
//! assert_eq!(digests[0], digests[1]);
//! ```
#![forbid(unsafe_code)]

use sha1::{Digest, Sha1};
use sha2::Sha256;

/// A SHA-1 digest.
pub type Sha1Digest = [u8; 20];
/// A SHA-256 digest.
pub type Sha256Digest = [u8; 32];

/// The SHA-1 of one buffer.
pub fn sha1(data: &[u8]) -> Sha1Digest {
    Sha1::digest(data).into()
}

/// The SHA-256 of one buffer.
pub fn sha256(data: &[u8]) -> Sha256Digest {
    Sha256::digest(data).into()
}

/// The SHA-1 of each message; a message is the concatenation of its slices.
pub fn sha1_many(messages: &[&[&[u8]]]) -> Vec<Sha1Digest> {
    messages
        .iter()
        .map(|parts| digest::<Sha1>(parts).into())
        .collect()
}

/// The SHA-256 of each message; a message is the concatenation of its slices.
pub fn sha256_many(messages: &[&[&[u8]]]) -> Vec<Sha256Digest> {
    messages
        .iter()
        .map(|parts| digest::<Sha256>(parts).into())
        .collect()
}

fn digest<D: Digest>(parts: &[&[u8]]) -> sha1::digest::Output<D> {
    let mut hasher = D::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

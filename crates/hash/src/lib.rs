//! SHA-1 and SHA-256 over many independent buffers at once.
//!
//! A hash of one buffer is a chain: each step waits for the one before it, and most of a modern core stands idle.
//! Pieces of a torrent are independent of each other, so their chains can be computed side by side, one in each
//! 32-bit lane of a vector register. That is eight messages at a time on AVX2, eight or sixteen on `AVX-512`, whichever
//! is faster on the machine. Elsewhere, and for the last few messages of a batch, the [`sha1`](https://docs.rs/sha1) and
//! [`sha2`](https://docs.rs/sha2) crates do the work, with the SHA instructions of x86 and `ARMv8` where the processor
//! has them.
//!
//! A message is a list of slices, because a piece is a list of blocks that need not lie next to each other. Messages
//! may differ in length: a lane whose message ends takes the next one.
//!
//! ```
//! let scattered: &[&[u8]] = &[b"ab", b"c"];
//! let digests = headwater_hash::sha1_many(&[scattered, &[b"abc"]]);
//! assert_eq!(digests[0], digests[1]);
//! assert_eq!(digests[0], headwater_hash::sha1(b"abc"));
//! ```
//!
//! The engine is picked once, at run time, by a short trial; [`Engine`] lets a test or a measurement pick another.

mod algorithm;
mod cursor;
mod engine;
mod kernel;
mod schedule;

pub use algorithm::{Sha1Digest, Sha256Digest};
pub use engine::Engine;

/// The SHA-1 of one buffer.
pub fn sha1(data: &[u8]) -> Sha1Digest {
    use sha1::Digest as _;
    sha1::Sha1::digest(data).into()
}

/// The SHA-256 of one buffer.
pub fn sha256(data: &[u8]) -> Sha256Digest {
    use sha2::Digest as _;
    sha2::Sha256::digest(data).into()
}

/// The SHA-1 of each message, in order; a message is the concatenation of its slices.
pub fn sha1_many(messages: &[&[&[u8]]]) -> Vec<Sha1Digest> {
    Engine::best().sha1_many(messages)
}

/// The SHA-256 of each message, in order; a message is the concatenation of its slices.
pub fn sha256_many(messages: &[&[&[u8]]]) -> Vec<Sha256Digest> {
    Engine::best().sha256_many(messages)
}

#[cfg(test)]
mod tests;

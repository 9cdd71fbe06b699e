//! SHA-1 and SHA-256 over many independent buffers at once.
//!
//! A hash of one buffer is a chain: each step waits for the one before it, and most of a modern core stands idle.
//! Pieces of a torrent are independent of each other, so their chains can be computed side by side: one in each
//! 32-bit lane of a vector register, which is sixteen messages at a time on `AVX-512` and eight on AVX2, or several in turn through the
//! SHA instructions of x86. Elsewhere, and for the last message of a batch, the [`sha1`](https://docs.rs/sha1) and
//! [`sha2`](https://docs.rs/sha2) crates do the work, with the SHA instructions of x86 and `ARMv8` where the processor
//! has them.
//!
//! | to hash | use |
//! |---|---|
//! | messages that are in memory | [`sha1_many`], [`sha256_many`] |
//! | messages whose bytes come a part at a time | [`Stream::update_many`] |
//! | messages that are to be read from somewhere | [`Reader`] |
//! | one buffer | [`sha1()`], [`sha256()`] |
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
//! The engine for each algorithm is picked once, at run time, by a short trial; [`Engine`] lets a test or a measurement pick another.

mod algorithm;
mod cursor;
mod engine;
mod kernel;
mod read;
mod schedule;
mod stream;

pub use algorithm::{Hash, Sha1, Sha1Digest, Sha256, Sha256Digest};
pub use engine::Engine;
pub use read::{Messages, Reader};
pub use stream::{Sha1Stream, Sha256Stream, Stream};

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

/// The SHA-1 of so many bytes of zeros, which need not be in memory: what a hole of a sparse file hashes to.
///
/// ```
/// assert_eq!(headwater_hash::sha1_of_zeros(100_000), headwater_hash::sha1(&[0; 100_000]));
/// ```
pub fn sha1_of_zeros(length: u64) -> Sha1Digest {
    const ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
    let mut stream = Sha1Stream::new();
    let mut left = length;
    while left > 0 {
        let now = left.min(ZEROS.len() as u64);
        stream.update(&ZEROS[..now as usize]);
        left -= now;
    }
    stream.finish()
}

/// The SHA-1 of each message, in order; a message is the concatenation of its slices.
pub fn sha1_many(messages: &[&[&[u8]]]) -> Vec<Sha1Digest> {
    Engine::best_for_sha1().sha1_many(messages)
}

/// The SHA-256 of each message, in order; a message is the concatenation of its slices.
pub fn sha256_many(messages: &[&[&[u8]]]) -> Vec<Sha256Digest> {
    Engine::best_for_sha256().sha256_many(messages)
}

#[cfg(test)]
mod tests;

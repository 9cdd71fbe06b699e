//! What tells SHA-1 and SHA-256 apart.

/// A SHA-1 digest.
pub type Sha1Digest = [u8; 20];
/// A SHA-256 digest.
pub type Sha256Digest = [u8; 32];

/// SHA-1 (FIPS 180-4, 6.1), as a parameter of [`Stream`](crate::Stream).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sha1 {}

/// SHA-256 (FIPS 180-4, 6.2), as a parameter of [`Stream`](crate::Stream).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sha256 {}

/// One of the two algorithms. Nobody else can implement it.
pub trait Hash: sealed::Hash + Copy + Send + Sync + 'static {
    /// Its digest.
    type Digest: Copy + Eq + std::fmt::Debug + Send;
}

impl Hash for Sha1 {
    type Digest = Sha1Digest;
}

impl Hash for Sha256 {
    type Digest = Sha256Digest;
}

/// The unit that both algorithms consume.
pub(crate) type Block = [u8; 64];

/// The chaining value of one message; SHA-1 uses the first five words.
pub(crate) type State = [u32; 8];

pub(crate) mod sealed {
    use super::{Block, Sha1, Sha1Digest, Sha256, Sha256Digest, State, digest_of};
    use crate::Engine;

    /// What the rest of the crate has to know of an algorithm.
    pub trait Hash: Sized {
        const INITIAL: State;
        const IS_SHA1: bool;

        /// The engine that is fastest at it on this machine.
        fn best_engine() -> Engine;
        /// Consumes whole blocks of one message.
        fn compress(state: &mut State, blocks: &[Block]);
        fn digest(state: &State) -> Self::Digest
        where
            Self: super::Hash;
    }

    impl Hash for Sha1 {
        #[rustfmt::skip]
        const INITIAL: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0, 0, 0, 0];
        const IS_SHA1: bool = true;

        fn best_engine() -> Engine {
            Engine::best_for_sha1()
        }

        fn compress(state: &mut State, blocks: &[Block]) {
            let (words, _) = state.split_first_chunk_mut::<5>().expect("eight words");
            sha1::block_api::compress(words, blocks);
        }

        fn digest(state: &State) -> Sha1Digest {
            digest_of(state)
        }
    }

    impl Hash for Sha256 {
        #[rustfmt::skip]
        const INITIAL: State = [
            0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
        ];
        const IS_SHA1: bool = false;

        fn best_engine() -> Engine {
            Engine::best_for_sha256()
        }

        fn compress(state: &mut State, blocks: &[Block]) {
            sha2::block_api::compress256(state, blocks);
        }

        fn digest(state: &State) -> Sha256Digest {
            digest_of(state)
        }
    }
}

/// The digest of `N` bytes that `state` stands for.
fn digest_of<const N: usize>(state: &State) -> [u8; N] {
    let mut bytes = [0; N];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(state) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

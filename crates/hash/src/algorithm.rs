//! What tells SHA-1 and SHA-256 apart.

/// A SHA-1 digest.
pub type Sha1Digest = [u8; 20];
/// A SHA-256 digest.
pub type Sha256Digest = [u8; 32];

/// The unit that both algorithms consume.
pub(crate) type Block = [u8; 64];

/// The chaining value of one message; SHA-1 uses the first five words.
pub(crate) type State = [u32; 8];

/// One of the two algorithms, for one message at a time.
#[derive(Clone, Copy)]
pub(crate) struct Algorithm {
    pub(crate) initial: State,
    /// Consumes whole blocks of one message.
    pub(crate) compress: fn(&mut State, &[Block]),
}

pub(crate) const SHA1: Algorithm = Algorithm {
    initial: [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
        0,
        0,
        0,
    ],
    compress: compress_sha1,
};

pub(crate) const SHA256: Algorithm = Algorithm {
    initial: [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ],
    compress: sha2::block_api::compress256,
};

fn compress_sha1(state: &mut State, blocks: &[Block]) {
    let (words, _) = state.split_first_chunk_mut::<5>().expect("eight words");
    sha1::block_api::compress(words, blocks);
}

/// The digest of `N` bytes that `state` stands for.
pub(crate) fn digest<const N: usize>(state: &State) -> [u8; N] {
    let mut bytes = [0; N];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(state) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

//! Compression functions that work on one message in each lane of a vector.
//!
//! # Why the unsafe code here is sound
//!
//! Two things are unsafe: calling code that was compiled for instructions which the machine may lack, and reading
//! and writing vectors through pointers. The first is answered where a [`Kernel`] is made: [`sha_ni`](fn@sha_ni), [`avx2`], [`avx512vl`]
//! and [`avx512`] ask their caller to have seen the features. The second is answered in [`Kernel::compress`], which checks that every lane
//! has as many blocks as are to be read before it calls anything; the rows of [`LaneState`] are as long as the
//! longest vector and aligned to it. Addresses ahead of a lane's end are given to prefetch instructions alone, which never fault. The one
//! piece of assembler is empty.

#![allow(
    clippy::inline_always,
    reason = "instructions reach the code only when it is inlined"
)]
#![allow(clippy::many_single_char_names, reason = "the standard's own names")]

mod sha1;
mod sha256;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::algorithm::{Block, Hash, State};
#[cfg(test)]
use vector::Plain;

/// The most lanes that any kernel has.
pub(crate) const MAX_LANES: usize = 16;

/// The chaining values of all lanes, word by word: `words[3][7]` is word 3 of lane 7.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct LaneState {
    words: [[u32; MAX_LANES]; 8],
}

impl LaneState {
    pub(crate) fn lane(&self, lane: usize) -> State {
        self.words.map(|row| row[lane])
    }

    pub(crate) fn set_lane(&mut self, lane: usize, state: &State) {
        for (row, word) in self.words.iter_mut().zip(state) {
            row[lane] = *word;
        }
    }
}

/// Reads `blocks` blocks from each lane's pointer.
type Compress = unsafe fn(&mut LaneState, &[*const u8; MAX_LANES], blocks: usize);

/// A compression function of several lanes, on a machine that has its instructions.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) lanes: usize,
    /// With fewer messages than this, what comes next is faster: the SHA instructions, or one at a time.
    pub(crate) worthwhile: usize,
    compress: Compress,
}

impl Kernel {
    /// Consumes the first `blocks` blocks of each of the first `lanes` inputs.
    pub(crate) fn compress(
        &self,
        state: &mut LaneState,
        inputs: &[&[Block]; MAX_LANES],
        blocks: usize,
    ) {
        assert!(
            inputs[..self.lanes]
                .iter()
                .all(|input| input.len() >= blocks)
        );
        let pointers = inputs.map(|input| input.as_ptr().cast());
        // SAFETY: every lane that is read has `blocks` blocks; the features are there, or no kernel would be.
        unsafe { (self.compress)(state, &pointers, blocks) }
    }
}

/// The kernels of one instruction set, one for each algorithm.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) sha1: Kernel,
    pub(crate) sha256: Kernel,
}

impl Pair {
    pub(crate) fn kernel<H: Hash>(&self) -> Kernel {
        if H::IS_SHA1 { self.sha1 } else { self.sha256 }
    }
}

/// # Safety
/// The machine must have the SHA instructions, SSSE3 and SSE4.1.
#[cfg(target_arch = "x86_64")]
pub(crate) const unsafe fn sha_ni() -> Pair {
    Pair {
        sha1: Kernel {
            lanes: sha_ni::SHA1_LANES,
            worthwhile: 2,
            compress: sha_ni::sha1,
        },
        sha256: Kernel {
            lanes: sha_ni::SHA256_LANES,
            worthwhile: 2,
            compress: sha_ni::sha256,
        },
    }
}

/// # Safety
/// The machine must have AVX2.
#[cfg(target_arch = "x86_64")]
pub(crate) const unsafe fn avx2(beside_sha_ni: bool) -> Pair {
    Pair {
        sha1: Kernel {
            lanes: 8,
            worthwhile: if beside_sha_ni { 8 } else { 5 },
            compress: x86::sha1_avx2,
        },
        sha256: Kernel {
            lanes: 8,
            worthwhile: 8,
            compress: x86::sha256_avx2,
        },
    }
}

/// # Safety
/// The machine must have AVX2, AVX-512F and AVX-512VL.
#[cfg(target_arch = "x86_64")]
pub(crate) const unsafe fn avx512vl(beside_sha_ni: bool) -> Pair {
    Pair {
        sha1: Kernel {
            lanes: 8,
            worthwhile: if beside_sha_ni { 7 } else { 4 },
            compress: x86::sha1_avx512vl,
        },
        sha256: Kernel {
            lanes: 8,
            worthwhile: if beside_sha_ni { 8 } else { 6 },
            compress: x86::sha256_avx512vl,
        },
    }
}

/// # Safety
/// The machine must have AVX-512F and AVX-512BW.
#[cfg(target_arch = "x86_64")]
pub(crate) const unsafe fn avx512(beside_sha_ni: bool) -> Pair {
    Pair {
        sha1: Kernel {
            lanes: 16,
            worthwhile: if beside_sha_ni { 7 } else { 4 },
            compress: x86::sha1_avx512,
        },
        sha256: Kernel {
            lanes: 16,
            worthwhile: if beside_sha_ni { 9 } else { 6 },
            compress: x86::sha256_avx512,
        },
    }
}

/// Lanes made of plain arrays.
#[cfg(test)]
pub(crate) const fn portable() -> Pair {
    Pair {
        sha1: Kernel {
            lanes: 4,
            worthwhile: 2,
            compress: sha1::compress::<Plain>,
        },
        sha256: Kernel {
            lanes: 4,
            worthwhile: 2,
            compress: sha256::compress::<Plain>,
        },
    }
}

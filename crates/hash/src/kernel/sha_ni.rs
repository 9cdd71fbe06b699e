//! The SHA instructions of x86, on several messages in turn.
//!
//! One message keeps the instructions' unit busy for less than half of the time, because each step waits for the one
//! before it; the steps of a second and a third message fit in between.

#![allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]

use std::arch::x86_64::*;

use super::{LaneState, MAX_LANES, sha256};

/// Messages in turn; more run out of registers.
pub(super) const SHA1_LANES: usize = 4;
/// As [`SHA1_LANES`].
pub(super) const SHA256_LANES: usize = 3;

/// # Safety
/// As [`Compress`](super::Compress), on a machine with the features.
#[target_feature(enable = "sha,sse4.1,ssse3")]
pub(super) unsafe fn sha1(state: &mut LaneState, lanes: &[*const u8; MAX_LANES], blocks: usize) {
    // SAFETY: passed on.
    unsafe { sha1_in_turn::<SHA1_LANES>(state, lanes, blocks) }
}

/// # Safety
/// As [`Compress`](super::Compress), on a machine with the features.
#[target_feature(enable = "sha,sse4.1,ssse3")]
pub(super) unsafe fn sha256(state: &mut LaneState, lanes: &[*const u8; MAX_LANES], blocks: usize) {
    // SAFETY: passed on.
    unsafe { sha256_in_turn::<SHA256_LANES>(state, lanes, blocks) }
}

#[inline(always)]
unsafe fn sha1_in_turn<const N: usize>(
    state: &mut LaneState,
    lanes: &[*const u8; MAX_LANES],
    blocks: usize,
) {
    unsafe {
        let mut abcd = [_mm_setzero_si128(); N];
        let mut e = [_mm_setzero_si128(); N];
        for n in 0..N {
            let [a, b, c, d, e_word, ..] = state.lane(n).map(u32::cast_signed);
            abcd[n] = _mm_set_epi32(a, b, c, d);
            e[n] = _mm_set_epi32(e_word, 0, 0, 0);
        }
        for block in 0..blocks {
            let mut words = [[_mm_setzero_si128(); 4]; N];
            for n in 0..N {
                words[n] = load_block(lanes[n].add(block * 64), sha1_order());
            }
            sha1_block(&mut abcd, &mut e, &mut words);
        }
        for n in 0..N {
            let [d, c, b, a] = words_of(abcd[n]);
            let [.., e_word] = words_of(e[n]);
            state.set_lane(n, &[a, b, c, d, e_word, 0, 0, 0]);
        }
    }
}

#[inline(always)]
unsafe fn sha1_block<const N: usize>(
    abcd: &mut [__m128i; N],
    e: &mut [__m128i; N],
    words: &mut [[__m128i; 4]; N],
) {
    let start = (*abcd, *e);
    // Four rounds of every message: `$t` counts fours, `$f` is the function of its twenty rounds.
    macro_rules! four {
        ($f:literal, $($t:expr),*) => { $(
            for n in 0..N {
                if $t >= 4 {
                    words[n][$t % 4] = next_sha1_words(&words[n], $t);
                }
                let word = words[n][$t % 4];
                let added = if $t == 0 {
                    _mm_add_epi32(e[n], word)
                } else {
                    _mm_sha1nexte_epu32(e[n], word)
                };
                e[n] = abcd[n];
                abcd[n] = _mm_sha1rnds4_epu32::<$f>(abcd[n], added);
            }
        )* };
    }
    unsafe {
        four!(0, 0, 1, 2, 3, 4);
        four!(1, 5, 6, 7, 8, 9);
        four!(2, 10, 11, 12, 13, 14);
        four!(3, 15, 16, 17, 18, 19);
        for n in 0..N {
            e[n] = _mm_sha1nexte_epu32(e[n], start.1[n]);
            abcd[n] = _mm_add_epi32(abcd[n], start.0[n]);
        }
    }
}

/// The words of the four rounds `t`, from those of the sixteen before.
#[inline(always)]
unsafe fn next_sha1_words(words: &[__m128i; 4], t: usize) -> __m128i {
    unsafe {
        let mixed = _mm_sha1msg1_epu32(words[t % 4], words[(t + 1) % 4]);
        let mixed = _mm_xor_si128(mixed, words[(t + 2) % 4]);
        _mm_sha1msg2_epu32(mixed, words[(t + 3) % 4])
    }
}

#[inline(always)]
unsafe fn sha256_in_turn<const N: usize>(
    state: &mut LaneState,
    lanes: &[*const u8; MAX_LANES],
    blocks: usize,
) {
    unsafe {
        let mut abef = [_mm_setzero_si128(); N];
        let mut cdgh = [_mm_setzero_si128(); N];
        for n in 0..N {
            let [a, b, c, d, e, f, g, h] = state.lane(n).map(u32::cast_signed);
            abef[n] = _mm_set_epi32(a, b, e, f);
            cdgh[n] = _mm_set_epi32(c, d, g, h);
        }
        for block in 0..blocks {
            let mut words = [[_mm_setzero_si128(); 4]; N];
            for n in 0..N {
                words[n] = load_block(lanes[n].add(block * 64), sha256_order());
            }
            sha256_block(&mut abef, &mut cdgh, &mut words);
        }
        for n in 0..N {
            let [f, e, b, a] = words_of(abef[n]);
            let [h, g, d, c] = words_of(cdgh[n]);
            state.set_lane(n, &[a, b, c, d, e, f, g, h]);
        }
    }
}

#[inline(always)]
unsafe fn sha256_block<const N: usize>(
    abef: &mut [__m128i; N],
    cdgh: &mut [__m128i; N],
    words: &mut [[__m128i; 4]; N],
) {
    let start = (*abef, *cdgh);
    // Four rounds of every message; `$t` counts fours.
    macro_rules! four {
        ($($t:expr),*) => { $(
            for n in 0..N {
                if $t >= 4 {
                    words[n][$t % 4] = next_sha256_words(&words[n], $t);
                }
                let k = _mm_loadu_si128(sha256::K[4 * $t..][..4].as_ptr().cast());
                let sum = _mm_add_epi32(words[n][$t % 4], k);
                cdgh[n] = _mm_sha256rnds2_epu32(cdgh[n], abef[n], sum);
                let upper = _mm_shuffle_epi32::<0x0e>(sum);
                abef[n] = _mm_sha256rnds2_epu32(abef[n], cdgh[n], upper);
            }
        )* };
    }
    unsafe {
        four!(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        for n in 0..N {
            abef[n] = _mm_add_epi32(abef[n], start.0[n]);
            cdgh[n] = _mm_add_epi32(cdgh[n], start.1[n]);
        }
    }
}

/// The words of the four rounds `t`, from those of the sixteen before.
#[inline(always)]
unsafe fn next_sha256_words(words: &[__m128i; 4], t: usize) -> __m128i {
    unsafe {
        let (third, fourth) = (words[(t + 2) % 4], words[(t + 3) % 4]);
        let mixed = _mm_sha256msg1_epu32(words[t % 4], words[(t + 1) % 4]);
        let mixed = _mm_add_epi32(mixed, _mm_alignr_epi8::<4>(fourth, third));
        _mm_sha256msg2_epu32(mixed, fourth)
    }
}

#[inline(always)]
unsafe fn load_block(block: *const u8, order: __m128i) -> [__m128i; 4] {
    unsafe {
        let mut words = [_mm_setzero_si128(); 4];
        for (at, word) in words.iter_mut().enumerate() {
            *word = _mm_shuffle_epi8(_mm_loadu_si128(block.add(16 * at).cast()), order);
        }
        words
    }
}

/// SHA-1's instructions want the first word in the highest place,
#[inline(always)]
unsafe fn sha1_order() -> __m128i {
    unsafe { _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) }
}

/// SHA-256's in the lowest.
#[inline(always)]
unsafe fn sha256_order() -> __m128i {
    unsafe { _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3) }
}

/// From the lowest place to the highest.
#[inline(always)]
unsafe fn words_of(vector: __m128i) -> [u32; 4] {
    let mut words = [0; 4];
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), vector) };
    words
}

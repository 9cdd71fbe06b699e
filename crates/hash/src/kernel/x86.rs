//! Eight lanes of AVX2 and sixteen of AVX-512.

#![allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]

use std::arch::asm;
use std::arch::x86_64::*;

use super::vector::Vector;
use super::{LaneState, MAX_LANES, sha1, sha256};

macro_rules! compiled_for {
    ($name:ident, $features:literal, $algorithm:ident, $vector:ident) => {
        /// # Safety
        /// As [`Compress`](super::Compress), on a machine with the features.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name(
            state: &mut LaneState,
            lanes: &[*const u8; MAX_LANES],
            blocks: usize,
        ) {
            // SAFETY: passed on.
            unsafe { $algorithm::compress::<$vector>(state, lanes, blocks) }
        }
    };
}

compiled_for!(sha1_avx2, "avx2", sha1, Avx2);
compiled_for!(sha256_avx2, "avx2", sha256, Avx2);
compiled_for!(sha1_avx512vl, "avx2,avx512f,avx512vl", sha1, Avx512Vl);
compiled_for!(sha256_avx512vl, "avx2,avx512f,avx512vl", sha256, Avx512Vl);
compiled_for!(sha1_avx512, "avx512f,avx512bw", sha1, Avx512);
compiled_for!(sha256_avx512, "avx512f,avx512bw", sha256, Avx512);

/// How far ahead of its use a lane's data is fetched, in bytes: the processor itself follows fewer streams than there are lanes.
const AHEAD: usize = 1024;

#[derive(Clone, Copy)]
struct Avx2(__m256i);

/// The instructions of AVX-512 on vectors of AVX2: rotations and three-operand logic on half as many lanes.
#[derive(Clone, Copy)]
struct Avx512Vl(Avx2);

#[derive(Clone, Copy)]
struct Avx512(__m512i);

// SAFETY of the bodies: the trait's callers promise the instructions and the pointers.
impl Vector for Avx2 {
    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        Self(unsafe { _mm256_set1_epi32(word.cast_signed()) })
    }
    #[inline(always)]
    unsafe fn load(row: *const u32) -> Self {
        Self(unsafe { _mm256_load_si256(row.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, row: *mut u32) {
        unsafe { _mm256_store_si256(row.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn load_block(lanes: &[*const u8], offset: usize) -> [Self; 16] {
        let mut words = [unsafe { Self::splat(0) }; 16];
        for half in 0..2 {
            let mut rows = [unsafe { _mm256_setzero_si256() }; 8];
            for (row, lane) in rows.iter_mut().zip(lanes) {
                *row = unsafe { _mm256_loadu_si256(lane.add(offset + half * 32).cast()) };
            }
            for (word, row) in words[half * 8..]
                .iter_mut()
                .zip(unsafe { transpose8(rows) })
            {
                *word = Self(unsafe { swap_bytes256(row) });
            }
        }
        words
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn xor3(self, b: Self, c: Self) -> Self {
        unsafe { self.xor(b).xor(c) }
    }
    #[inline(always)]
    unsafe fn choose(self, b: Self, c: Self) -> Self {
        Self(unsafe { _mm256_xor_si256(c.0, _mm256_and_si256(self.0, _mm256_xor_si256(b.0, c.0))) })
    }
    #[inline(always)]
    unsafe fn majority(self, b: Self, c: Self) -> Self {
        let both = unsafe { _mm256_and_si256(self.0, b.0) };
        let either = unsafe { _mm256_or_si256(self.0, b.0) };
        Self(unsafe { _mm256_or_si256(both, _mm256_and_si256(either, c.0)) })
    }
    #[inline(always)]
    unsafe fn rotate_left<const N: i32>(self) -> Self {
        let (left, right) = unsafe { (_mm_cvtsi32_si128(N), _mm_cvtsi32_si128(32 - N)) };
        Self(unsafe {
            _mm256_or_si256(
                _mm256_sll_epi32(self.0, left),
                _mm256_srl_epi32(self.0, right),
            )
        })
    }
    #[inline(always)]
    unsafe fn shift_right<const N: u32>(self) -> Self {
        Self(unsafe { _mm256_srl_epi32(self.0, _mm_cvtsi32_si128(N.cast_signed())) })
    }
    #[inline(always)]
    unsafe fn summed(self) -> Self {
        Self(unsafe { keep256(self.0) })
    }
}

impl Vector for Avx512Vl {
    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        Self(unsafe { Avx2::splat(word) })
    }
    #[inline(always)]
    unsafe fn load(row: *const u32) -> Self {
        Self(unsafe { Avx2::load(row) })
    }
    #[inline(always)]
    unsafe fn store(self, row: *mut u32) {
        unsafe { self.0.store(row) }
    }
    #[inline(always)]
    unsafe fn load_block(lanes: &[*const u8], offset: usize) -> [Self; 16] {
        let mut words = [unsafe { Self::splat(0) }; 16];
        for (word, row) in words
            .iter_mut()
            .zip(unsafe { Avx2::load_block(lanes, offset) })
        {
            *word = Self(row);
        }
        words
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { self.0.add(other.0) })
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        Self(unsafe { self.0.xor(other.0) })
    }
    #[inline(always)]
    unsafe fn xor3(self, b: Self, c: Self) -> Self {
        Self(Avx2(unsafe {
            _mm256_ternarylogic_epi32::<0x96>(self.0.0, b.0.0, c.0.0)
        }))
    }
    #[inline(always)]
    unsafe fn choose(self, b: Self, c: Self) -> Self {
        Self(Avx2(unsafe {
            _mm256_ternarylogic_epi32::<0xca>(self.0.0, b.0.0, c.0.0)
        }))
    }
    #[inline(always)]
    unsafe fn majority(self, b: Self, c: Self) -> Self {
        Self(Avx2(unsafe {
            _mm256_ternarylogic_epi32::<0xe8>(self.0.0, b.0.0, c.0.0)
        }))
    }
    #[inline(always)]
    unsafe fn rotate_left<const N: i32>(self) -> Self {
        Self(Avx2(unsafe { _mm256_rol_epi32::<N>(self.0.0) }))
    }
    #[inline(always)]
    unsafe fn shift_right<const N: u32>(self) -> Self {
        Self(unsafe { self.0.shift_right::<N>() })
    }
    #[inline(always)]
    unsafe fn summed(self) -> Self {
        Self(unsafe { self.0.summed() })
    }
}

impl Vector for Avx512 {
    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        Self(unsafe { _mm512_set1_epi32(word.cast_signed()) })
    }
    #[inline(always)]
    unsafe fn load(row: *const u32) -> Self {
        Self(unsafe { _mm512_load_si512(row.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, row: *mut u32) {
        unsafe { _mm512_store_si512(row.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn load_block(lanes: &[*const u8], offset: usize) -> [Self; 16] {
        let mut rows = [unsafe { _mm512_setzero_si512() }; 16];
        for (row, lane) in rows.iter_mut().zip(lanes) {
            *row = unsafe { _mm512_loadu_si512(lane.add(offset).cast()) };
            unsafe { _mm_prefetch::<_MM_HINT_T0>(lane.wrapping_add(offset + AHEAD).cast()) };
        }
        let mut words = [unsafe { Self::splat(0) }; 16];
        for (word, row) in words.iter_mut().zip(unsafe { transpose16(rows) }) {
            *word = Self(unsafe { swap_bytes512(row) });
        }
        words
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_epi32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn xor3(self, b: Self, c: Self) -> Self {
        Self(unsafe { _mm512_ternarylogic_epi32::<0x96>(self.0, b.0, c.0) })
    }
    #[inline(always)]
    unsafe fn choose(self, b: Self, c: Self) -> Self {
        Self(unsafe { _mm512_ternarylogic_epi32::<0xca>(self.0, b.0, c.0) })
    }
    #[inline(always)]
    unsafe fn majority(self, b: Self, c: Self) -> Self {
        Self(unsafe { _mm512_ternarylogic_epi32::<0xe8>(self.0, b.0, c.0) })
    }
    #[inline(always)]
    unsafe fn rotate_left<const N: i32>(self) -> Self {
        Self(unsafe { _mm512_rol_epi32::<N>(self.0) })
    }
    #[inline(always)]
    unsafe fn shift_right<const N: u32>(self) -> Self {
        Self(unsafe { _mm512_srli_epi32::<N>(self.0) })
    }
    #[inline(always)]
    unsafe fn summed(self) -> Self {
        Self(unsafe { keep512(self.0) })
    }
}

#[inline(always)]
unsafe fn swap_bytes256(words: __m256i) -> __m256i {
    unsafe { _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(byte_order())) }
}

#[inline(always)]
unsafe fn swap_bytes512(words: __m512i) -> __m512i {
    unsafe { _mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(byte_order())) }
}

#[inline(always)]
unsafe fn byte_order() -> __m128i {
    unsafe { _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3) }
}

/// Rows of eight words to columns.
#[inline(always)]
unsafe fn transpose8(r: [__m256i; 8]) -> [__m256i; 8] {
    unsafe {
        let mut pairs = r;
        for i in 0..4 {
            pairs[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
            pairs[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
        }
        // Column c (mod 4) of rows 4q to 4q+3, in both halves.
        let mut quads = r;
        for q in 0..2 {
            let p = &pairs[4 * q..];
            quads[4 * q] = _mm256_unpacklo_epi64(p[0], p[2]);
            quads[4 * q + 1] = _mm256_unpackhi_epi64(p[0], p[2]);
            quads[4 * q + 2] = _mm256_unpacklo_epi64(p[1], p[3]);
            quads[4 * q + 3] = _mm256_unpackhi_epi64(p[1], p[3]);
        }
        let mut columns = r;
        for c in 0..4 {
            columns[c] = _mm256_permute2x128_si256::<0x20>(quads[c], quads[c + 4]);
            columns[c + 4] = _mm256_permute2x128_si256::<0x31>(quads[c], quads[c + 4]);
        }
        columns
    }
}

/// Rows of sixteen words to columns.
#[inline(always)]
unsafe fn transpose16(r: [__m512i; 16]) -> [__m512i; 16] {
    unsafe {
        let mut pairs = r;
        for i in 0..8 {
            pairs[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
            pairs[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
        }
        // Column c (mod 4) of rows 4q to 4q+3, in each quarter.
        let mut quads = r;
        for q in 0..4 {
            let p = &pairs[4 * q..];
            quads[4 * q] = _mm512_unpacklo_epi64(p[0], p[2]);
            quads[4 * q + 1] = _mm512_unpackhi_epi64(p[0], p[2]);
            quads[4 * q + 2] = _mm512_unpacklo_epi64(p[1], p[3]);
            quads[4 * q + 3] = _mm512_unpackhi_epi64(p[1], p[3]);
        }
        let mut columns = r;
        for c in 0..4 {
            // Quarters 0 and 2, then 1 and 3, of eight rows each.
            let even_low = _mm512_shuffle_i32x4::<0x88>(quads[c], quads[c + 4]);
            let odd_low = _mm512_shuffle_i32x4::<0xdd>(quads[c], quads[c + 4]);
            let even_high = _mm512_shuffle_i32x4::<0x88>(quads[c + 8], quads[c + 12]);
            let odd_high = _mm512_shuffle_i32x4::<0xdd>(quads[c + 8], quads[c + 12]);
            columns[c] = _mm512_shuffle_i32x4::<0x88>(even_low, even_high);
            columns[c + 8] = _mm512_shuffle_i32x4::<0xdd>(even_low, even_high);
            columns[c + 4] = _mm512_shuffle_i32x4::<0x88>(odd_low, odd_high);
            columns[c + 12] = _mm512_shuffle_i32x4::<0xdd>(odd_low, odd_high);
        }
        columns
    }
}

/// An empty instruction that takes and gives a register: see [`Vector::summed`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn keep256(mut sum: __m256i) -> __m256i {
    unsafe {
        asm!("/* {0} */", inout(ymm_reg) sum, options(pure, nomem, nostack, preserves_flags));
    };
    sum
}

/// As [`keep256`].
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn keep512(mut sum: __m512i) -> __m512i {
    unsafe {
        asm!("/* {0} */", inout(zmm_reg) sum, options(pure, nomem, nostack, preserves_flags));
    };
    sum
}

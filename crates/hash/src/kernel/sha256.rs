//! SHA-256 (FIPS 180-4, 6.2.2), one message a lane.

use super::vector::Vector;
use super::{LaneState, MAX_LANES};

#[rustfmt::skip]
pub(super) const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// # Safety
/// The machine has the instructions of `V`, and each lane of `V` has `blocks` blocks at its pointer.
#[inline(always)]
pub(crate) unsafe fn compress<V: Vector>(
    state: &mut LaneState,
    lanes: &[*const u8; MAX_LANES],
    blocks: usize,
) {
    unsafe {
        let rows = state.words.each_mut().map(|row| row.as_mut_ptr());
        let mut h: [V; 8] = [
            V::load(rows[0]),
            V::load(rows[1]),
            V::load(rows[2]),
            V::load(rows[3]),
            V::load(rows[4]),
            V::load(rows[5]),
            V::load(rows[6]),
            V::load(rows[7]),
        ];
        for block in 0..blocks {
            h = one_block(h, V::load_block(lanes, block * 64));
        }
        for (vector, row) in h.into_iter().zip(rows) {
            vector.store(row);
        }
    }
}

#[inline(always)]
unsafe fn one_block<V: Vector>(start: [V; 8], mut w: [V; 16]) -> [V; 8] {
    unsafe {
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = start;
        // One round; the names move on instead of the values, so nothing is copied.
        macro_rules! round {
            ($t:expr, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident) => {
                let word = scheduled(&mut w, $t);
                let ready = $h
                    .add(word)
                    .add(V::splat(K[$t]))
                    .summed()
                    .add($e.choose($f, $g))
                    .summed();
                let sigma = big_sigma1($e);
                // Not by way of their sum: the next round waits for `e`, and one addition less is on its way.
                $d = $d.add(ready).summed().add(sigma);
                $h = ready.add(sigma).add($a.majority($b, $c)).summed().add(big_sigma0($a));
            };
        }
        macro_rules! eight {
            ($($t:expr),*) => { $(
                round!($t, a, b, c, d, e, f, g, h);
                round!($t + 1, h, a, b, c, d, e, f, g);
                round!($t + 2, g, h, a, b, c, d, e, f);
                round!($t + 3, f, g, h, a, b, c, d, e);
                round!($t + 4, e, f, g, h, a, b, c, d);
                round!($t + 5, d, e, f, g, h, a, b, c);
                round!($t + 6, c, d, e, f, g, h, a, b);
                round!($t + 7, b, c, d, e, f, g, h, a);
            )* };
        }
        eight!(0, 8, 16, 24, 32, 40, 48, 56);
        let end = [a, b, c, d, e, f, g, h];
        let mut sum = start;
        for (sum, end) in sum.iter_mut().zip(end) {
            *sum = sum.add(end);
        }
        sum
    }
}

/// The word of round `t`, kept in a window of sixteen.
#[inline(always)]
unsafe fn scheduled<V: Vector>(w: &mut [V; 16], t: usize) -> V {
    if t < 16 {
        return w[t];
    }
    unsafe {
        let older = w[t % 16].add(small_sigma0(w[(t + 1) % 16]));
        let newer = w[(t + 9) % 16].add(small_sigma1(w[(t + 14) % 16]));
        w[t % 16] = older.add(newer);
        w[t % 16]
    }
}

// Rotations to the right, written as rotations to the left by 32 less.

#[inline(always)]
unsafe fn big_sigma0<V: Vector>(x: V) -> V {
    unsafe {
        x.rotate_left::<30>()
            .xor3(x.rotate_left::<19>(), x.rotate_left::<10>())
    }
}

#[inline(always)]
unsafe fn big_sigma1<V: Vector>(x: V) -> V {
    unsafe {
        x.rotate_left::<26>()
            .xor3(x.rotate_left::<21>(), x.rotate_left::<7>())
    }
}

#[inline(always)]
unsafe fn small_sigma0<V: Vector>(x: V) -> V {
    unsafe {
        x.rotate_left::<25>()
            .xor3(x.rotate_left::<14>(), x.shift_right::<3>())
    }
}

#[inline(always)]
unsafe fn small_sigma1<V: Vector>(x: V) -> V {
    unsafe {
        x.rotate_left::<15>()
            .xor3(x.rotate_left::<13>(), x.shift_right::<10>())
    }
}

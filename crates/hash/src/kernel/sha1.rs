//! SHA-1 (FIPS 180-4, 6.1.2), one message a lane.

use super::vector::Vector;
use super::{LaneState, MAX_LANES};

const K: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

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
        let mut h: [V; 5] = [
            V::load(rows[0]),
            V::load(rows[1]),
            V::load(rows[2]),
            V::load(rows[3]),
            V::load(rows[4]),
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
unsafe fn one_block<V: Vector>(h: [V; 5], mut w: [V; 16]) -> [V; 5] {
    unsafe {
        let [mut a, mut b, mut c, mut d, mut e] = h;
        // One round; the names move on instead of the values, so nothing is copied.
        macro_rules! round {
            ($t:expr, $f:ident, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident) => {
                let word = scheduled(&mut w, $t);
                $e = $e.add(word).add(V::splat(K[$t / 20])).summed();
                $e = $e.add($b.$f($c, $d)).summed();
                $e = $e.add($a.rotate_left::<5>());
                $b = $b.rotate_left::<30>();
            };
        }
        macro_rules! five {
            ($t:expr, $f:ident) => {
                round!($t, $f, a, b, c, d, e);
                round!($t + 1, $f, e, a, b, c, d);
                round!($t + 2, $f, d, e, a, b, c);
                round!($t + 3, $f, c, d, e, a, b);
                round!($t + 4, $f, b, c, d, e, a);
            };
        }
        macro_rules! twenty {
            ($t:expr, $f:ident) => {
                five!($t, $f);
                five!($t + 5, $f);
                five!($t + 10, $f);
                five!($t + 15, $f);
            };
        }
        twenty!(0, choose);
        twenty!(20, xor3);
        twenty!(40, majority);
        twenty!(60, xor3);
        [
            h[0].add(a),
            h[1].add(b),
            h[2].add(c),
            h[3].add(d),
            h[4].add(e),
        ]
    }
}

/// The word of round `t`, kept in a window of sixteen.
#[inline(always)]
unsafe fn scheduled<V: Vector>(w: &mut [V; 16], t: usize) -> V {
    if t < 16 {
        return w[t];
    }
    unsafe {
        let mixed = w[(t + 13) % 16]
            .xor3(w[(t + 8) % 16], w[(t + 2) % 16])
            .xor(w[t % 16]);
        w[t % 16] = mixed.rotate_left::<1>();
        w[t % 16]
    }
}

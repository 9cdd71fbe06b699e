//! What a kernel asks of a vector of 32-bit lanes.

/// A vector of 32-bit lanes.
///
/// Every method is inlined into a function that has the instructions; none may be called elsewhere.
pub(crate) trait Vector: Copy {
    /// # Safety
    /// The machine has the vector's instructions; so for every method.
    unsafe fn splat(word: u32) -> Self;

    /// # Safety
    /// `row` points to as many words as there are lanes, aligned to the vector.
    unsafe fn load(row: *const u32) -> Self;

    /// # Safety
    /// As [`load`](Self::load).
    unsafe fn store(self, row: *mut u32);

    /// The 16 big-endian words of a block, each as a vector over the lanes.
    ///
    /// # Safety
    /// 64 bytes can be read at `offset` from the pointer of every lane.
    unsafe fn load_block(lanes: &[*const u8], offset: usize) -> [Self; 16];

    unsafe fn add(self, other: Self) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    unsafe fn xor3(self, b: Self, c: Self) -> Self;
    /// Bits of `b` where `self` has ones, of `c` elsewhere.
    unsafe fn choose(self, b: Self, c: Self) -> Self;
    unsafe fn majority(self, b: Self, c: Self) -> Self;
    unsafe fn rotate_left<const N: i32>(self) -> Self;
    unsafe fn shift_right<const N: u32>(self) -> Self;
    /// The same; the compiler does not put the sum together in another order. It would do so by the number of registers, and
    /// make what comes last wait.
    unsafe fn summed(self) -> Self;
}

/// Four lanes in an array.
#[cfg(test)]
#[derive(Clone, Copy)]
pub(crate) struct Plain([u32; 4]);

#[cfg(test)]
impl Plain {
    fn zip(self, other: Self, operation: impl Fn(u32, u32) -> u32) -> Self {
        Self(std::array::from_fn(|lane| {
            operation(self.0[lane], other.0[lane])
        }))
    }
}

// SAFETY of the bodies: what the trait asks of the pointers is all that they use.
#[cfg(test)]
impl Vector for Plain {
    unsafe fn splat(word: u32) -> Self {
        Self([word; 4])
    }
    unsafe fn load(row: *const u32) -> Self {
        Self(unsafe { row.cast::<[u32; 4]>().read() })
    }
    unsafe fn store(self, row: *mut u32) {
        unsafe { row.cast::<[u32; 4]>().write(self.0) }
    }
    unsafe fn load_block(lanes: &[*const u8], offset: usize) -> [Self; 16] {
        std::array::from_fn(|word| {
            Self(std::array::from_fn(|lane| {
                let bytes = unsafe { lanes[lane].add(offset + 4 * word).cast::<[u8; 4]>().read() };
                u32::from_be_bytes(bytes)
            }))
        })
    }
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, u32::wrapping_add)
    }
    unsafe fn xor(self, other: Self) -> Self {
        self.zip(other, |a, b| a ^ b)
    }
    unsafe fn xor3(self, b: Self, c: Self) -> Self {
        self.zip(b, |a, b| a ^ b).zip(c, |a, c| a ^ c)
    }
    unsafe fn choose(self, b: Self, c: Self) -> Self {
        let ones = self.zip(b, |a, b| a & b);
        let zeros = self.zip(c, |a, c| !a & c);
        ones.zip(zeros, |a, b| a | b)
    }
    unsafe fn majority(self, b: Self, c: Self) -> Self {
        let either = self.zip(b, |a, b| a | b).zip(c, |ab, c| ab & c);
        either.zip(self.zip(b, |a, b| a & b), |a, b| a | b)
    }
    unsafe fn rotate_left<const N: i32>(self) -> Self {
        Self(self.0.map(|word| word.rotate_left(N.unsigned_abs())))
    }
    unsafe fn shift_right<const N: u32>(self) -> Self {
        Self(self.0.map(|word| word >> N))
    }
    unsafe fn summed(self) -> Self {
        self
    }
}

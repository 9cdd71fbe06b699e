//! The bloom filter of BEP 33.

/// Bytes of a filter.
pub const FILTER_LEN: usize = 256;

/// A set of addresses that can be counted and united, but not listed (BEP 33).
#[derive(Clone, PartialEq, Eq)]
pub struct Filter(pub [u8; FILTER_LEN]);

impl Default for Filter {
    fn default() -> Self {
        Self([0; FILTER_LEN])
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ones: u32 = self.0.iter().map(|byte| byte.count_ones()).sum();
        write!(f, "Filter({ones} bits of {})", 8 * FILTER_LEN)
    }
}

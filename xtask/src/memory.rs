//! What is allocated.

use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// There is one peak for the whole program.
static MEASURING: Mutex<()> = Mutex::new(());

/// Does something, and says how many more bytes than before were allocated at the worst moment.
pub(crate) fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let result = work();
    (result, ALLOCATOR.peak_usage().saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_counts_too() {
        let work = || drop(std::hint::black_box(vec![1_u8; 300 << 20]));
        // Other tests allocate meanwhile, and give back.
        let ((), peak) = peak_of(work);
        assert!(peak.abs_diff(300 << 20) < 200 << 20, "{peak}");
    }
}

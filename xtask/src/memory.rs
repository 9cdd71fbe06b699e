//! What is allocated.

use std::os::unix::process::CommandExt;
use std::process::Command;
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

/// Where the GNU C library takes its settings from, and the one that has it ask for huge pages.
const HUGE_PAGES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");

/// Begins the program again with its memory in huge pages, where that can be had and nobody has other wishes. To be called before anything
/// is done; it returns only if nothing comes of it, which costs speed alone.
pub(crate) fn begin_again_in_huge_pages() {
    let (name, value) = HUGE_PAGES;
    if std::env::var_os(name).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        let arguments = std::env::args_os().skip(1);
        let _ = Command::new(program)
            .args(arguments)
            .env(name, value)
            .exec();
    }
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

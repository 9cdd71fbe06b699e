//! So many a second, and some at once.

use std::time::{Duration, Instant};

/// A token bucket that remembers nothing but when it will be full again.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    /// Time that one takes.
    interval: Duration,
    /// Time that may be used in advance.
    ahead: Duration,
    full_at: Instant,
}

impl Budget {
    /// `per_second` in the long run, and `burst` at once. Zero is taken for one.
    pub(super) fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            ahead: interval * burst.saturating_sub(1),
            full_at: now,
        }
    }

    /// When there is one to take: now, if not later.
    pub(super) fn ready_at(&self) -> Instant {
        // Instants cannot always be reckoned back from, so both sides are moved.
        self.full_at.checked_sub(self.ahead).unwrap_or(self.full_at)
    }

    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.full_at <= now + self.ahead
    }

    pub(super) fn take(&mut self, now: Instant) -> bool {
        let ready = self.is_ready(now);
        if ready {
            self.full_at = self.full_at.max(now) + self.interval;
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let now = Instant::now();
        let mut budget = Budget::new(now, 10, 5);
        let taken = (0..100).filter(|_| budget.take(now)).count();
        assert_eq!(taken, 5);
        let after = |millis| now + Duration::from_millis(millis);
        assert_eq!(budget.ready_at(), after(100));
        assert!(!budget.take(after(99)));
        let taken = (0..10_000).filter(|&millis| budget.take(after(millis)));
        assert_eq!(taken.count(), 99);
    }
}

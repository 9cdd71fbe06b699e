//! Transfer rates.

use std::time::Duration;

/// The time over which a rate is averaged once it has run that long.
const WINDOW: f64 = 4.0;

/// A moving average of bytes a second.
///
/// Adding costs one addition; the average is formed when [`roll`](Self::roll) is called, about once a second. While it
/// is younger than its window it is the plain mean, so that it is right from the start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rate {
    pending: u64,
    weight: f64,
    bytes_per_second: f64,
}

impl Rate {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.pending += bytes;
    }

    /// Takes what was added during the last `elapsed` into the average.
    pub(crate) fn roll(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let kept = self.weight.min((WINDOW - seconds).max(0.0));
        let total = self.bytes_per_second * kept + self.pending as f64;
        self.bytes_per_second = total / (kept + seconds);
        self.weight = kept + seconds;
        self.pending = 0;
    }

    /// The average, or what was added since it was last formed, whichever is more.
    pub(crate) fn at_least(&self) -> u64 {
        self.bytes_per_second().max(self.pending)
    }

    pub(crate) fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_is_seen_at_once_and_forgotten_in_time() {
        let second = Duration::from_secs(1);
        let mut rate = Rate::default();
        rate.add(1_000);
        rate.roll(second);
        assert_eq!(rate.bytes_per_second(), 1_000);
        for _ in 0..40 {
            rate.roll(second);
        }
        assert_eq!(rate.bytes_per_second(), 0);
    }

    #[test]
    fn uneven_ticks_do_not_bend_the_average() {
        let mut rate = Rate::default();
        for milliseconds in [100, 900, 400, 2_600, 50, 7_000] {
            rate.add(milliseconds * 3);
            rate.roll(Duration::from_millis(milliseconds));
        }
        assert_eq!(rate.bytes_per_second(), 3_000);
    }
}

//! How long an answer may take before somebody else is asked.

use std::time::Duration;

/// Nobody is late sooner.
const SHORTEST: Duration = Duration::from_millis(200);

/// A time that most answers come within, as TCP reckons it: their mean time and four times how far they are from it.
#[derive(Debug)]
pub(super) struct Patience {
    longest: Duration,
    mean: Duration,
    deviation: Duration,
}

impl Patience {
    /// As long as nothing is known, `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            mean: longest / 2,
            deviation: longest / 8,
        }
    }

    /// An answer took so long.
    pub(super) fn learn(&mut self, took: Duration) {
        let took = took.min(self.longest);
        let off = took.abs_diff(self.mean);
        self.mean = (self.mean * 7 + took) / 8;
        self.deviation = (self.deviation * 3 + off) / 4;
    }

    pub(super) fn time(&self) -> Duration {
        let time = self.mean + 4 * self.deviation;
        time.max(SHORTEST).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_answers_within_bounds() {
        let longest = Duration::from_secs(1);
        let mut patience = Patience::new(longest);
        assert_eq!(patience.time(), longest);
        for _ in 0..50 {
            patience.learn(Duration::from_millis(10));
        }
        assert_eq!(patience.time(), SHORTEST);
        for _ in 0..50 {
            patience.learn(Duration::from_millis(400));
        }
        let time = patience.time().as_millis();
        assert!((400..500).contains(&time), "{time}");
        for _ in 0..50 {
            patience.learn(Duration::from_secs(7));
        }
        assert_eq!(patience.time(), longest);
    }
}

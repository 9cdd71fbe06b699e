//! Limits of the announcer.

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::types::RetryIn;

/// How often an [`Announcer`](super::Announcer) announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncerOptions {
    /// Announce to every tier (the default), or only down to the first tier that works, as BEP 12 has it
    /// and BEP 27 demands for private torrents.
    pub all_tiers: bool,
    /// A regular announce is never made sooner than this after the last, whatever the tracker says. One minute.
    pub shortest_interval: Duration,
    /// Nor later than this. One day.
    pub longest_interval: Duration,
    /// The wait after the first failure; doubles with each further one. Ten seconds.
    pub first_retry: Duration,
    /// The longest wait after a failure. One hour.
    pub longest_retry: Duration,
    /// How many trackers are kept. 200.
    pub max_trackers: usize,
}

impl Default for AnnouncerOptions {
    fn default() -> Self {
        Self {
            all_tiers: true,
            shortest_interval: Duration::from_mins(1),
            longest_interval: Duration::from_hours(24),
            first_retry: Duration::from_secs(10),
            longest_retry: Duration::from_hours(1),
            max_trackers: 200,
        }
    }
}

impl AnnouncerOptions {
    /// The wait before the next regular announce.
    pub(super) fn interval(&self, interval: Duration, min_interval: Option<Duration>) -> Duration {
        interval
            .max(min_interval.unwrap_or_default())
            .max(self.shortest_interval)
            .min(self.longest_interval)
    }

    /// The wait after a failure that follows `earlier` ones in a row.
    pub(super) fn backoff(
        &self,
        earlier: u32,
        retry_in: Option<RetryIn>,
        rng: &mut impl Rng,
    ) -> Wait {
        let doubled = self
            .first_retry
            .saturating_mul(1 << earlier.min(20))
            .min(self.longest_retry);
        // Up to a quarter more or less, so that peers do not come back in step.
        let usual = doubled.mul_f64(rng.random_range(0.75..1.25));
        let least = match retry_in {
            None => self.first_retry.min(usual),
            Some(RetryIn::After(wait)) => wait.min(self.longest_interval),
            Some(RetryIn::Never) => return Wait::Forever,
        };
        Wait::For {
            usual: usual.max(least),
            least,
        }
    }
}

/// How long a tracker that failed is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    For {
        usual: Duration,
        /// Even if the user wants an announce.
        least: Duration,
    },
    Forever,
}

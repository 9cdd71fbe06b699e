//! How much of what comes in is looked at.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Datagrams of one sender: a program with many torrents sends one for each.
const OF_ONE: Pace = Pace {
    interval: Duration::from_millis(100),
    burst: 50,
};
/// Datagrams of everybody.
const OF_ALL: Pace = Pace {
    interval: Duration::from_millis(10),
    burst: 200,
};
/// Senders at most that are known at a time.
const MAX_SENDERS: usize = 500;

/// One each `interval`, and up to `burst` at once.
#[derive(Debug, Clone, Copy)]
struct Pace {
    interval: Duration,
    burst: u32,
}

impl Pace {
    /// When the next one is expected after one that comes now; `None` if it comes too early.
    fn next(self, expected: Option<Instant>, now: Instant) -> Option<Instant> {
        let expected = expected.map_or(now, |expected| expected.max(now));
        let is_early = expected.saturating_duration_since(now) > self.interval * (self.burst - 1);
        (!is_early).then(|| expected + self.interval)
    }
}

/// Keeps a flood of datagrams from costing more than a glance.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    senders: HashMap<IpAddr, Instant>,
    all: Option<Instant>,
}

impl Throttle {
    /// Whether a datagram that comes now is looked at.
    pub(super) fn admits(&mut self, now: Instant, sender: IpAddr) -> bool {
        let Some(all) = OF_ALL.next(self.all, now) else {
            return false;
        };
        if self.senders.len() >= MAX_SENDERS {
            self.senders.retain(|_, expected| *expected > now);
        }
        let is_known = self.senders.contains_key(&sender);
        if !is_known && self.senders.len() >= MAX_SENDERS {
            return false;
        }
        let Some(own) = OF_ONE.next(self.senders.get(&sender).copied(), now) else {
            return false;
        };
        self.senders.insert(sender, own);
        self.all = Some(all);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(
        throttle: &mut Throttle,
        now: Instant,
        senders: impl Iterator<Item = u32>,
    ) -> usize {
        let senders = senders.map(|number| IpAddr::from(number.to_be_bytes()));
        senders
            .filter(|&sender| throttle.admits(now, sender))
            .count()
    }

    #[test]
    fn nobody_has_it_all_and_all_together_have_a_bound() {
        let now = tokio::time::Instant::now().into_std();
        let mut throttle = Throttle::default();
        assert_eq!(
            admitted(&mut throttle, now, std::iter::repeat_n(1, 1_000)),
            50
        );
        assert_eq!(admitted(&mut throttle, now, 2..1_000), 150);
        let later = now + Duration::from_secs(1);
        assert_eq!(
            admitted(&mut throttle, later, std::iter::repeat_n(1, 1_000)),
            10
        );
    }

    #[test]
    fn the_number_of_senders_is_bounded() {
        let mut now = tokio::time::Instant::now().into_std();
        let mut throttle = Throttle::default();
        for number in 0..10_000 {
            admitted(&mut throttle, now, std::iter::once(number));
            now += Duration::from_millis(10);
            assert!(throttle.senders.len() <= MAX_SENDERS);
        }
    }
}

//! When a download has seeded enough, and when it has waited enough.

use std::time::{Duration, Instant};

use headwater_session::{Detail, Torrent};

use crate::exit::{Code, Failure, Result};
use crate::units;

/// How long to seed after the download.
pub(super) struct Goal {
    ratio: Option<f64>,
    until: Option<Instant>,
}

impl Goal {
    /// From now on; nothing if there is no goal.
    pub(super) fn new(ratio: Option<f64>, minutes: Option<u32>) -> Option<Self> {
        let until = minutes.map(|minutes| Instant::now() + Duration::from_mins(minutes.into()));
        (ratio.is_some() || until.is_some()).then_some(Self { ratio, until })
    }

    pub(super) fn is_reached(&self, torrents: &[Torrent]) -> bool {
        let is_late = self.until.is_some_and(|until| Instant::now() >= until);
        let enough = |ratio| {
            torrents
                .iter()
                .all(|torrent| torrent.stats().ratio() >= ratio)
        };
        is_late || self.ratio.is_some_and(enough)
    }
}

/// A ratio: a number that is not negative.
pub(super) fn parse_ratio(text: &str) -> Result<f64, String> {
    let ratio: Option<f64> = text.parse().ok();
    ratio
        .filter(|ratio| ratio.is_finite() && *ratio >= 0.0)
        .ok_or_else(|| "not a ratio; write for example 1.5".to_owned())
}

/// Ends a download to which nothing comes.
pub(in super::super) struct StallWatch {
    patience: Duration,
    received: u64,
    since: Instant,
}

impl StallWatch {
    pub(in super::super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            received: 0,
            since: Instant::now(),
        }
    }

    /// Fails when nothing was received, and nothing was checked, for too long.
    pub(in super::super) fn look(&mut self, torrents: &[Torrent]) -> Result {
        let received = torrents
            .iter()
            .map(|torrent| torrent.stats().session_downloaded)
            .sum();
        let is_busy =
            |torrent: &Torrent| matches!(torrent.detail(), Detail::Starting | Detail::Checking(_));
        let is_busy = torrents.iter().any(is_busy);
        if !self.is_over(received, is_busy, Instant::now()) {
            return Ok(());
        }
        let lacks_metadata = torrents.iter().any(|torrent| torrent.info().is_none());
        let what = if lacks_metadata {
            "no metadata"
        } else {
            "nothing"
        };
        let waited = units::duration(self.patience);
        Err(Failure::new(
            Code::TimedOut,
            format_args!(
                "{what} came for {waited}; try again later, or with more --peer or trackers"
            ),
        ))
    }

    fn is_over(&mut self, received: u64, is_busy: bool, now: Instant) -> bool {
        if received != self.received || is_busy {
            (self.received, self.since) = (received, now);
        }
        now - self.since >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_numbers_that_make_sense() {
        assert_eq!(parse_ratio("1.5"), Ok(1.5));
        assert_eq!(parse_ratio("0"), Ok(0.0));
        for wrong in ["", "x", "-1", "nan", "inf"] {
            assert!(parse_ratio(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stall_is_silence_for_the_whole_time() {
        let mut watch = StallWatch::new(Duration::from_secs(10));
        let start = watch.since;
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!watch.is_over(0, false, at(9)));
        assert!(!watch.is_over(1, false, at(9)));
        assert!(!watch.is_over(1, false, at(18)));
        assert!(!watch.is_over(1, true, at(25)));
        assert!(!watch.is_over(1, false, at(34)));
        assert!(watch.is_over(1, false, at(35)));
    }
}

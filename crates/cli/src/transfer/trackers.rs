//! What trackers have said, and telling of it no more often than something changes.

use std::collections::HashMap;

use headwater_session::{TierSnapshot, Torrent};
use headwater_tracker::TrackerUrl;

use crate::output::{Event, Output};

/// What was heard of every tracker of every torrent, named by its position.
#[derive(Debug, Default)]
pub(super) struct Trackers(HashMap<(usize, String), Heard>);

/// What was heard of one.
#[derive(Debug, Default)]
struct Heard {
    /// Whether it answered last time.
    answers: Option<bool>,
    answered: u32,
    /// How many of its answers came before the torrent was complete.
    answered_before: Option<u32>,
    has_failed_since: bool,
}

impl Trackers {
    pub(super) fn failed(
        &mut self,
        output: &Output,
        (torrent, url): (usize, &str),
        message: String,
    ) {
        let heard = self.heard(torrent, url);
        heard.has_failed_since = true;
        if heard.answers.replace(false) != Some(false) {
            let tracker = &origin(url);
            output.warning(format_args!("tracker {tracker}: {message}"));
            output.event(&Event::TrackerError { tracker, message });
        }
    }

    pub(super) fn answered(
        &mut self,
        output: &Output,
        (torrent, url): (usize, &str),
        peers: usize,
    ) {
        let heard = self.heard(torrent, url);
        heard.answered += 1;
        if heard.answers.replace(true) != Some(true) {
            let tracker = &origin(url);
            let peers = peers as u64;
            output.event(&Event::Tracker { tracker, peers });
        }
    }

    /// Notes that the torrent is complete: what trackers say from now on is said after that.
    pub(super) fn completed(&mut self, number: usize, torrent: &Torrent) {
        for tracker in torrent.trackers().iter().flat_map(|tier| &tier.trackers) {
            let heard = self.heard(number, tracker.url.as_str());
            heard.answered_before = Some(heard.answered);
            // One that fails is left alone for a while.
            heard.has_failed_since = heard.answers == Some(false);
        }
    }

    /// Whether every tier has been told that the download is complete, or could not be told.
    pub(super) fn have_heard(&self, number: usize, torrent: &Torrent) -> bool {
        let is_told = |url: &str| {
            let heard = self.0.get(&(number, url.to_owned()));
            heard.is_some_and(Heard::is_told)
        };
        let has_heard =
            |tier: &TierSnapshot| tier.trackers.iter().any(|it| is_told(it.url.as_str()));
        torrent.stats().session_downloaded == 0 || torrent.trackers().iter().all(has_heard)
    }

    fn heard(&mut self, torrent: usize, url: &str) -> &mut Heard {
        self.0.entry((torrent, url.to_owned())).or_default()
    }
}

impl Heard {
    /// A tracker that had not answered when the torrent was complete is told of its start first.
    fn is_told(&self) -> bool {
        let needed = self.answered_before.map(|before| before.max(1) + 1);
        self.has_failed_since || needed.is_some_and(|needed| self.answered >= needed)
    }
}

/// A tracker's path may hold a passkey, so it is left out.
fn origin(url: &str) -> String {
    match url.parse::<TrackerUrl>() {
        Ok(url) => url.origin(),
        Err(_) => "with an unusable URL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(before: u32, answered: u32, has_failed_since: bool) -> Heard {
        Heard {
            answers: None,
            answered,
            answered_before: Some(before),
            has_failed_since,
        }
    }

    #[test]
    fn a_tracker_is_told_by_one_more_answer_or_two_if_it_had_not_answered() {
        assert!(!heard(1, 1, false).is_told());
        assert!(heard(1, 2, false).is_told());
        assert!(!heard(0, 1, false).is_told());
        assert!(heard(0, 2, false).is_told());
        assert!(heard(0, 0, true).is_told());
        assert!(!Heard::default().is_told());
    }

    #[test]
    fn passkeys_are_left_out() {
        assert_eq!(
            origin("http://tracker.example/secret/announce?key=1"),
            "http://tracker.example:80"
        );
    }
}

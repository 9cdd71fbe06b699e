//! The announcer in virtual time.

mod events;
mod invariants;
mod schedule;

use std::time::{Duration, Instant};

use super::{Announce, Announcer, AnnouncerOptions, TrackerSnapshot};
use crate::error::TrackerError;
use crate::types::{AnnounceEvent, AnnounceResponse, Failure, RetryIn};

const INTERVAL: Duration = Duration::from_mins(30);

struct Bench {
    announcer: Announcer,
    now: Instant,
}

impl Bench {
    /// Tiers of trackers that are named by single words, started.
    fn new(tiers: &[&[&str]]) -> Self {
        Self::with(tiers, AnnouncerOptions::default())
    }

    fn with(tiers: &[&[&str]], options: AnnouncerOptions) -> Self {
        let url = |name: &&str| format!("http://{name}/announce").parse().unwrap();
        let tiers = tiers.iter().map(|tier| tier.iter().map(url).collect());
        let now = Instant::now();
        let mut announcer = Announcer::new(tiers.collect(), 7, options);
        announcer.start(now);
        Self { announcer, now }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn due(&mut self) -> Vec<Announce> {
        std::iter::from_fn(|| self.announcer.poll_announce(self.now)).collect()
    }

    fn one_due(&mut self) -> Announce {
        let mut due = self.due();
        assert_eq!(due.len(), 1, "{due:?}");
        due.remove(0)
    }

    fn one_event(&mut self) -> AnnounceEvent {
        self.one_due().event
    }

    fn succeed(&mut self, announce: &Announce) {
        self.answer(announce, &response());
    }

    fn answer(&mut self, announce: &Announce, response: &AnnounceResponse) {
        self.announcer
            .handle_success(self.now, announce.id, response);
    }

    fn fail(&mut self, announce: &Announce) {
        self.fail_with(announce, &TrackerError::Overloaded);
    }

    fn fail_with(&mut self, announce: &Announce, error: &TrackerError) {
        self.announcer.handle_failure(self.now, announce.id, error);
    }

    /// Announces whatever is due and lets it succeed.
    fn settle(&mut self) -> Vec<Announce> {
        let mut all = Vec::new();
        loop {
            let due = self.due();
            if due.is_empty() {
                return all;
            }
            for announce in &due {
                self.succeed(announce);
            }
            all.extend(due);
        }
    }

    fn next_in(&self) -> Option<Duration> {
        self.announcer
            .poll_timeout()
            .map(|at| at.saturating_duration_since(self.now))
    }

    fn snapshot(&self, tier: usize) -> TrackerSnapshot {
        self.announcer.tiers()[tier].current().unwrap().clone()
    }
}

fn response() -> AnnounceResponse {
    AnnounceResponse {
        interval: INTERVAL,
        ..AnnounceResponse::default()
    }
}

fn refusal(retry_in: Option<RetryIn>) -> TrackerError {
    Failure {
        reason: "no".to_owned(),
        retry_in,
    }
    .into()
}

fn host(announce: &Announce) -> &str {
    announce.url.host()
}

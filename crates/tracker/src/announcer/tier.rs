//! One tier: trackers of which one is used at a time (BEP 12).

use std::collections::HashSet;
use std::time::Instant;

use rand::Rng;
use rand::seq::SliceRandom;

use super::AnnounceId;
use super::options::AnnouncerOptions;
use super::snapshot::TierSnapshot;
use super::tracker::Tracker;
use crate::types::{AnnounceEvent, AnnounceResponse};
use crate::url::TrackerUrl;

#[derive(Debug)]
pub(super) struct Tier {
    /// In the order in which they are tried.
    trackers: Vec<Tracker>,
    owes_completed: bool,
}

/// Shuffles every tier, drops repeated URLs and empty tiers.
pub(super) fn build(
    urls: Vec<Vec<TrackerUrl>>,
    options: &AnnouncerOptions,
    rng: &mut impl Rng,
) -> Vec<Tier> {
    let mut seen = HashSet::new();
    let mut tiers = Vec::new();
    for tier in urls {
        let mut trackers = Vec::new();
        for url in tier {
            if seen.len() < options.max_trackers && seen.insert(url.to_string()) {
                trackers.push(Tracker::new(url));
            }
        }
        if !trackers.is_empty() {
            trackers.shuffle(rng);
            tiers.push(Tier::new(trackers));
        }
    }
    tiers
}

impl Tier {
    fn new(trackers: Vec<Tracker>) -> Self {
        Self {
            trackers,
            owes_completed: false,
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.owes_completed = false;
        for tracker in &mut self.trackers {
            tracker.begin(now);
        }
    }

    pub(super) fn trackers_mut(&mut self) -> impl Iterator<Item = &mut Tracker> {
        self.trackers.iter_mut()
    }

    pub(super) fn tracker_mut(&mut self, index: usize) -> &mut Tracker {
        &mut self.trackers[index]
    }

    pub(super) fn position_of(&self, id: AnnounceId) -> Option<usize> {
        self.trackers.iter().position(|tracker| tracker.awaits(id))
    }

    /// Whether a tracker is left that is not known to be dead.
    pub(super) fn has_hope(&self) -> bool {
        self.trackers.iter().any(Tracker::has_hope)
    }

    /// The tracker to ask at `now` and what to tell it.
    pub(super) fn pick(&self, now: Instant) -> Option<(usize, AnnounceEvent)> {
        if self.trackers.iter().any(Tracker::is_announcing) {
            return None;
        }
        let index = self.candidates().find_map(|(index, tracker)| {
            let is_due = tracker.next().is_some_and(|next| next <= now);
            is_due.then_some(index)
        })?;
        Some((index, self.event_for(&self.trackers[index])))
    }

    pub(super) fn pick_stopped(&self) -> Option<(usize, AnnounceEvent)> {
        let index = self
            .trackers
            .iter()
            .position(|tracker| tracker.owes_stopped().is_some())?;
        Some((index, AnnounceEvent::Stopped))
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.trackers.iter().any(Tracker::is_announcing) {
            return None;
        }
        self.candidates()
            .filter_map(|(_, tracker)| tracker.next())
            .min()
    }

    pub(super) fn stopped_due(&self) -> Option<Instant> {
        self.trackers.iter().filter_map(Tracker::owes_stopped).min()
    }

    pub(super) fn is_saying_goodbye(&self) -> bool {
        self.trackers.iter().any(Tracker::is_saying_goodbye)
    }

    /// The tier as a whole owes it: its trackers share what they know.
    pub(super) fn owe_completed(&mut self, now: Instant) {
        self.owes_completed = true;
        if let Some(tracker) = self.trackers.iter_mut().find(|tracker| tracker.has_hope()) {
            tracker.urge(now);
        }
    }

    pub(super) fn succeed(
        &mut self,
        now: Instant,
        index: usize,
        response: &AnnounceResponse,
        options: &AnnouncerOptions,
    ) -> AnnounceEvent {
        self.trackers[..=index].rotate_right(1);
        let tracker = &mut self.trackers[0];
        let event = tracker.succeed(now, response, options);
        if event == AnnounceEvent::Completed {
            self.owes_completed = false;
        }
        if self.owes_completed {
            tracker.urge(now);
        }
        event
    }

    pub(super) fn snapshot(&self) -> TierSnapshot {
        TierSnapshot {
            trackers: self.trackers.iter().map(Tracker::snapshot).collect(),
        }
    }

    /// Those before the first one with hope, which back off, and that one: what is behind it has to wait.
    fn candidates(&self) -> impl Iterator<Item = (usize, &Tracker)> {
        let hope = self.trackers.iter().position(Tracker::has_hope);
        let count = hope.map_or(self.trackers.len(), |index| index + 1);
        self.trackers[..count].iter().enumerate()
    }

    fn event_for(&self, tracker: &Tracker) -> AnnounceEvent {
        match tracker.is_started() {
            false => AnnounceEvent::Started,
            true if self.owes_completed => AnnounceEvent::Completed,
            true => AnnounceEvent::None,
        }
    }
}

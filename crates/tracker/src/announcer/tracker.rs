//! One tracker's part of the state machine.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::AnnounceId;
use super::options::{AnnouncerOptions, Wait};
use super::snapshot::TrackerSnapshot;
use crate::error::TrackerError;
use crate::types::{AnnounceEvent, AnnounceResponse};
use crate::url::TrackerUrl;

#[derive(Debug)]
pub(super) struct Tracker {
    url: TrackerUrl,
    /// Answered to `started` since the last start.
    is_started: bool,
    /// `stopped` is to be said, since then.
    owes_stopped: Option<Instant>,
    in_flight: Option<(AnnounceId, AnnounceEvent)>,
    /// When it may be asked; `None`: never again.
    next: Option<Instant>,
    /// No announce without an event before this, even if the user wants one.
    earliest: Option<Instant>,
    failures: u32,
    id: Option<Bytes>,
    last_error: Option<String>,
    last_answer: Option<(Instant, AnnounceSummary)>,
}

/// What is kept of an answer.
#[derive(Debug, Clone, Default)]
struct AnnounceSummary {
    complete: Option<u32>,
    incomplete: Option<u32>,
    downloaded: Option<u32>,
    peers: usize,
    peers6: usize,
    warning: Option<String>,
}

impl Tracker {
    pub(super) fn new(url: TrackerUrl) -> Self {
        Self {
            url,
            is_started: false,
            owes_stopped: None,
            in_flight: None,
            next: None,
            earliest: None,
            failures: 0,
            id: None,
            last_error: None,
            last_answer: None,
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.is_started = false;
        self.owes_stopped = None;
        self.in_flight = None;
        self.failures = 0;
        self.last_error = None;
        self.earliest = None;
        self.next = Some(now);
    }

    pub(super) fn url(&self) -> &TrackerUrl {
        &self.url
    }

    pub(super) fn tracker_id(&self) -> Option<Bytes> {
        self.id.clone()
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn is_started(&self) -> bool {
        self.is_started
    }

    pub(super) fn is_announcing(&self) -> bool {
        self.in_flight.is_some()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Not known to be dead: never failed since it last answered, or since the start.
    pub(super) fn has_hope(&self) -> bool {
        self.failures == 0 && self.next.is_some()
    }

    pub(super) fn awaits(&self, id: AnnounceId) -> bool {
        self.in_flight.is_some_and(|(awaited, _)| awaited == id)
    }

    /// An event is to be told: no need to wait for the interval. One that is backing off stays so.
    pub(super) fn urge(&mut self, now: Instant) {
        if self.failures == 0 {
            self.next = self.next.map(|next| next.min(now));
        }
    }

    /// The user wants an announce.
    pub(super) fn hasten(&mut self, now: Instant) {
        let earliest = self.earliest.map_or(now, |earliest| earliest.max(now));
        self.next = self.next.map(|next| next.min(earliest));
    }

    pub(super) fn owe_stopped(&mut self, now: Instant) {
        self.owes_stopped = self.is_started.then_some(now);
    }

    pub(super) fn owes_stopped(&self) -> Option<Instant> {
        self.owes_stopped
    }

    pub(super) fn is_saying_goodbye(&self) -> bool {
        let is_telling = matches!(self.in_flight, Some((_, AnnounceEvent::Stopped)));
        self.owes_stopped.is_some() || is_telling
    }

    pub(super) fn send(&mut self, id: AnnounceId, event: AnnounceEvent) {
        if event == AnnounceEvent::Stopped {
            self.owes_stopped = None;
        }
        self.in_flight = Some((id, event));
    }

    /// Takes the answer in; gives the event that it acknowledges.
    pub(super) fn succeed(
        &mut self,
        now: Instant,
        response: &AnnounceResponse,
        options: &AnnouncerOptions,
    ) -> AnnounceEvent {
        let event = self
            .in_flight
            .take()
            .map_or(AnnounceEvent::None, |(_, event)| event);
        match event {
            AnnounceEvent::Started => self.is_started = true,
            AnnounceEvent::Stopped => self.is_started = false,
            _ => {}
        }
        self.failures = 0;
        self.last_error = None;
        if response.tracker_id.is_some() {
            self.id.clone_from(&response.tracker_id);
        }
        self.next = Some(now + options.interval(response.interval, response.min_interval));
        self.earliest = Some(now + options.interval(Duration::ZERO, response.min_interval));
        self.last_answer = Some((now, AnnounceSummary::new(response)));
        event
    }

    pub(super) fn fail(&mut self, now: Instant, wait: &Wait, error: &TrackerError) {
        self.in_flight = None;
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error.to_string());
        (self.next, self.earliest) = match wait {
            Wait::For { usual, least } => (Some(now + *usual), Some(now + *least)),
            Wait::Forever => (None, None),
        };
    }

    pub(super) fn snapshot(&self) -> TrackerSnapshot {
        let (last_answer, summary) = match &self.last_answer {
            Some((at, summary)) => (Some(*at), summary.clone()),
            None => (None, AnnounceSummary::default()),
        };
        TrackerSnapshot {
            url: self.url.clone(),
            complete: summary.complete,
            incomplete: summary.incomplete,
            downloaded: summary.downloaded,
            failures: self.failures,
            peers: summary.peers,
            peers6: summary.peers6,
            last_error: self.last_error.clone(),
            warning: summary.warning,
            last_answer,
            next_announce: self.next,
            is_announcing: self.is_announcing(),
        }
    }
}

impl AnnounceSummary {
    fn new(response: &AnnounceResponse) -> Self {
        let peers = response.peers.iter().filter(|peer| peer.is_ipv4()).count();
        Self {
            complete: response.complete,
            incomplete: response.incomplete,
            downloaded: response.downloaded,
            peers,
            peers6: response.peers.len() - peers,
            warning: response.warning.clone(),
        }
    }
}

//! When to announce what to which tracker: the tiers of BEP 12 as a state machine without I/O.

mod options;
mod snapshot;
#[cfg(test)]
mod tests;
mod tier;
mod tracker;

use std::time::Instant;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::SmallRng;

pub use self::options::AnnouncerOptions;
pub use self::snapshot::{TierSnapshot, TrackerSnapshot};

use self::tier::Tier;
use crate::error::TrackerError;
use crate::types::{AnnounceEvent, AnnounceRequest, AnnounceResponse};
use crate::url::TrackerUrl;

/// Names one announce that [`Announcer::poll_announce`] asked for. Never used twice by an announcer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AnnounceId(u64);

/// An announce to be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announce {
    /// To be given back with the outcome.
    pub id: AnnounceId,
    /// The tracker.
    pub url: TrackerUrl,
    /// What to tell it.
    pub event: AnnounceEvent,
    /// What this tracker wants to hear again.
    pub tracker_id: Option<Bytes>,
}

impl Announce {
    /// Fills in the event and the tracker's id; asks for no peers when the torrent stops.
    pub fn apply_to(&self, request: &mut AnnounceRequest) {
        request.event = self.event;
        request.tracker_id.clone_from(&self.tracker_id);
        if self.event == AnnounceEvent::Stopped {
            request.num_want = Some(0);
        }
    }
}

/// The trackers of one torrent: whom to tell what, and when.
///
/// # Driving it
///
/// After every call that takes `now`, call [`poll_announce`](Self::poll_announce) until it gives `None`; make
/// each announce that it gives in a task or future of its own, and report the outcome with
/// [`handle_success`](Self::handle_success) or [`handle_failure`](Self::handle_failure). Then sleep until
/// [`poll_timeout`](Self::poll_timeout) and poll again. All announces may be under way side by side, so that a dead
/// tracker never delays a live one.
///
/// After [`stop`](Self::stop), drop what is under way (an answer that still comes is welcome), make the
/// `stopped` announces that are polled, and wait for them for as long as you like, or until
/// [`is_finished`](Self::is_finished). [`start`](Self::start) begins anew.
///
/// # Rules
///
/// - Inside a tier the trackers are shuffled once; the first in order that is not backing off is asked,
///   the next one at once when it fails, and the one that answers moves to the front (BEP 12).
/// - Every tier is announced to, side by side, unless [`AnnouncerOptions::all_tiers`] says otherwise.
/// - A tracker is told `started` until it answers and never again before the next `start`, `completed` once, after
///   `started`, and `stopped` only if it answered to `started`.
/// - A tracker that fails is left alone for a time that doubles, with jitter, or for as long as it asks (BEP 31).
///
/// # Example
///
/// ```
/// use std::time::{Duration, Instant};
/// use headwater_tracker::{AnnounceEvent, AnnounceResponse, Announcer, AnnouncerOptions};
///
/// let now = Instant::now();
/// let tiers = vec![vec!["http://tracker.example/announce".parse()?]];
/// let mut announcer = Announcer::new(tiers, 42, AnnouncerOptions::default());
/// announcer.start(now);
///
/// let announce = announcer.poll_announce(now).unwrap();
/// assert_eq!(announce.event, AnnounceEvent::Started);
/// assert_eq!(announcer.poll_announce(now), None);
///
/// let mut answer = AnnounceResponse::default();
/// answer.interval = Duration::from_secs(1800);
/// announcer.handle_success(now, announce.id, &answer);
/// assert_eq!(announcer.poll_timeout(), Some(now + Duration::from_secs(1800)));
/// # Ok::<(), headwater_tracker::TrackerUrlError>(())
/// ```
#[derive(Debug)]
pub struct Announcer {
    tiers: Vec<Tier>,
    options: AnnouncerOptions,
    rng: SmallRng,
    phase: Phase,
    next_id: u64,
    partial_seed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Running,
    Stopping,
}

impl Announcer {
    /// An announcer that does nothing before [`start`](Self::start). A URL that comes twice is kept where it comes
    /// first, and no more than [`AnnouncerOptions::max_trackers`] are kept. `seed` decides the order inside the tiers and the jitter.
    pub fn new(tiers: Vec<Vec<TrackerUrl>>, seed: u64, options: AnnouncerOptions) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let tiers = tier::build(tiers, &options, &mut rng);
        Self {
            tiers,
            options,
            rng,
            phase: Phase::Idle,
            next_id: 0,
            partial_seed: false,
        }
    }

    /// The torrent starts: every tracker is due and owed `started`. Without effect while running.
    pub fn start(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            return;
        }
        self.phase = Phase::Running;
        for tier in &mut self.tiers {
            tier.begin(now);
        }
    }

    /// The download was completed in this run: owes every tier one `completed`, without waiting
    /// for the interval. Not to be called for a torrent that was complete when it was started.
    pub fn completed(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            for tier in &mut self.tiers {
                tier.owe_completed(now);
            }
        }
    }

    /// The torrent stops: owes `stopped` to every tracker that answered to `started`, once, without retries.
    pub fn stop(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Stopping;
        for tracker in self.tiers.iter_mut().flat_map(Tier::trackers_mut) {
            tracker.owe_stopped(now);
        }
    }

    /// The user wants an announce now: brings it forward as far as the trackers' minimum intervals allow.
    pub fn reannounce(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            for tracker in self.tiers.iter_mut().flat_map(Tier::trackers_mut) {
                tracker.hasten(now);
            }
        }
    }

    /// Whether regular announces say `paused`, as a partial seed's do (BEP 21). Holds from the next announce.
    pub fn set_partial_seed(&mut self, partial_seed: bool) {
        self.partial_seed = partial_seed;
    }

    /// The next announce to make at `now`, if one is due.
    pub fn poll_announce(&mut self, now: Instant) -> Option<Announce> {
        let (tier, tracker, event) = match self.phase {
            Phase::Idle => None,
            Phase::Running => self.pick(|tier| tier.pick(now)),
            Phase::Stopping => self.pick(Tier::pick_stopped),
        }?;
        Some(self.issue(tier, tracker, event))
    }

    /// A tracker answered. Outcomes of announces that are no longer awaited are ignored.
    pub fn handle_success(&mut self, now: Instant, id: AnnounceId, response: &AnnounceResponse) {
        let Some((tier, index)) = self.find(id) else {
            return;
        };
        let event = self.tiers[tier].succeed(now, index, response, &self.options);
        if self.phase == Phase::Stopping && event == AnnounceEvent::Started {
            self.tiers[tier].tracker_mut(0).owe_stopped(now);
        }
    }

    /// A tracker failed or refused. Outcomes of announces that are no longer awaited are ignored.
    pub fn handle_failure(&mut self, now: Instant, id: AnnounceId, error: &TrackerError) {
        let Some((tier, index)) = self.find(id) else {
            return;
        };
        let tracker = self.tiers[tier].tracker_mut(index);
        let earlier = tracker.failures();
        let wait = self
            .options
            .backoff(earlier, error.retry_in(), &mut self.rng);
        tracker.fail(now, &wait, error);
    }

    /// When to poll next; `None` while nothing is due before an outcome is reported. May lie in the past.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle => None,
            Phase::Running => self.eligible().filter_map(Tier::next_due).min(),
            Phase::Stopping => self.tiers.iter().filter_map(Tier::stopped_due).min(),
        }
    }

    /// Whether the torrent is stopped and no tracker is to be told, or being told, so.
    pub fn is_finished(&self) -> bool {
        match self.phase {
            Phase::Idle => true,
            Phase::Running => false,
            Phase::Stopping => !self.tiers.iter().any(Tier::is_saying_goodbye),
        }
    }

    /// Whether every tier is announced to from now on: see [`AnnouncerOptions::all_tiers`]. What was announced stays so.
    pub const fn set_all_tiers(&mut self, all_tiers: bool) {
        self.options.all_tiers = all_tiers;
    }

    /// Every tier as it stands, its trackers in the order in which they are tried.
    pub fn tiers(&self) -> Vec<TierSnapshot> {
        self.tiers.iter().map(Tier::snapshot).collect()
    }

    fn pick(
        &self,
        pick: impl Fn(&Tier) -> Option<(usize, AnnounceEvent)>,
    ) -> Option<(usize, usize, AnnounceEvent)> {
        self.eligible().enumerate().find_map(|(tier, trackers)| {
            let (tracker, event) = pick(trackers)?;
            Some((tier, tracker, event))
        })
    }

    /// The tiers that may be announced to: all, or while running those up to the first that has hope.
    fn eligible(&self) -> impl Iterator<Item = &Tier> {
        let all = self.options.all_tiers || self.phase != Phase::Running;
        let first_with_hope = self.tiers.iter().position(Tier::has_hope);
        let count = match first_with_hope {
            Some(first) if !all => first + 1,
            _ => self.tiers.len(),
        };
        self.tiers[..count].iter()
    }

    fn issue(&mut self, tier: usize, tracker: usize, event: AnnounceEvent) -> Announce {
        let id = AnnounceId(self.next_id);
        self.next_id += 1;
        let event = match event {
            AnnounceEvent::None if self.partial_seed => AnnounceEvent::Paused,
            event => event,
        };
        let tracker = self.tiers[tier].tracker_mut(tracker);
        tracker.send(id, event);
        Announce {
            id,
            url: tracker.url().clone(),
            event,
            tracker_id: tracker.tracker_id(),
        }
    }

    fn find(&self, id: AnnounceId) -> Option<(usize, usize)> {
        self.tiers
            .iter()
            .enumerate()
            .find_map(|(index, tier)| Some((index, tier.position_of(id)?)))
    }
}

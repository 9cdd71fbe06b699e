//! Announces: each in a task of its own, so that a dead tracker delays nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_swarm::PeerSource;
use headwater_tracker::{
    Announce, AnnounceId, AnnounceRequest, AnnounceResponse, Announcer, AnnouncerOptions,
    TierSnapshot, TrackerError, TrackerUrl,
};
use tokio_util::task::AbortOnDropHandle;

use super::{Driver, Input};
use crate::Event;
use crate::peer_id::random_u64;
use crate::torrent::Transferred;

/// How long an announce waits for the one before it to the same tracker.
const IN_ORDER: Duration = Duration::from_secs(1);

/// What trackers are told is left when nobody knows: something, or they would take us for a seed.
const UNKNOWN_LEFT: u64 = 16 * 1024;

/// The trackers of a torrent.
pub(super) struct Trackers {
    announcer: Announcer,
    /// The last announce to each URL.
    tasks: HashMap<String, AbortOnDropHandle<()>>,
    phase: Phase,
    /// Payload bytes up to the last start: trackers are told what came since.
    base: Transferred,
    has_downloaded: bool,
    key: u32,
    is_changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Running,
    Stopping,
}

impl Trackers {
    /// A private torrent's peers are to meet at one tracker at a time (BEP 27).
    pub(super) fn new(tiers: &[Vec<String>], trusted: bool, is_private: bool) -> Self {
        let tiers = tiers
            .iter()
            .map(|tier| tier.iter().filter_map(|url| parse(url, trusted)).collect());
        let options = AnnouncerOptions {
            all_tiers: !is_private,
            ..AnnouncerOptions::default()
        };
        Self {
            announcer: Announcer::new(tiers.collect(), random_u64(), options),
            tasks: HashMap::new(),
            phase: Phase::Idle,
            base: Transferred::default(),
            has_downloaded: false,
            key: random_u64() as u32,
            is_changed: true,
        }
    }

    /// What is true of a torrent whose metadata has just come.
    pub(super) fn set_private(&mut self, is_private: bool) {
        self.announcer.set_all_tiers(!is_private);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.announcer.poll_timeout()
    }

    /// The user wants to hear from them.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.announcer.reannounce(now);
    }

    pub(super) fn downloaded_something(&mut self) {
        self.has_downloaded = true;
    }

    /// All that was wanted is there. Trackers are told only if it is everything, and was downloaded in this run.
    pub(super) fn completed(&mut self, now: Instant, is_seed: bool) {
        if is_seed && self.has_downloaded {
            self.announcer.completed(now);
        }
        self.announcer.set_partial_seed(!is_seed);
    }

    pub(super) fn stop(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            self.phase = Phase::Stopping;
            self.announcer.stop(now);
        }
    }

    /// Whether every tracker that should know has been told that we stopped.
    pub(super) fn is_finished(&self) -> bool {
        self.announcer.is_finished()
    }

    /// The tiers, if they have changed.
    pub(super) fn take_snapshot(&mut self) -> Option<Arc<[TierSnapshot]>> {
        std::mem::take(&mut self.is_changed).then(|| self.announcer.tiers().into())
    }
}

fn parse(url: &str, trusted: bool) -> Option<TrackerUrl> {
    let parsed = url.parse::<TrackerUrl>();
    let parsed = parsed
        .inspect_err(|error| tracing::debug!(url, %error, "this tracker is left out"))
        .ok()?;
    Some(if trusted { parsed.trusted() } else { parsed })
}

impl Driver {
    pub(super) fn start_trackers(&mut self, now: Instant) {
        if self.trackers.phase == Phase::Running {
            return;
        }
        self.trackers.phase = Phase::Running;
        let stats = self.swarm.stats();
        self.trackers.base = Transferred {
            uploaded: stats.uploaded,
            downloaded: stats.downloaded,
        };
        self.trackers.announcer.start(now);
    }

    /// Makes the announces that are due.
    pub(super) fn announce(&mut self, now: Instant) {
        while let Some(announce) = self.trackers.announcer.poll_announce(now) {
            let request = self.request(&announce);
            let (client, inputs) = (self.core.tracker.clone(), self.inputs.clone());
            let url = announce.url.to_string();
            let earlier = self.trackers.tasks.remove(&url);
            let key = url.clone();
            let task = tokio::spawn(async move {
                // Else a tracker may hear `stopped` before something that was said earlier, and list us again.
                if let Some(earlier) = earlier {
                    let _ = tokio::time::timeout(IN_ORDER, earlier).await;
                }
                let outcome = client.announce(&announce.url, &request).await;
                let _ = inputs.send(Input::Announced(announce.id, url, outcome));
            });
            let task = AbortOnDropHandle::new(task);
            self.trackers.tasks.insert(key, task);
            self.trackers.is_changed = true;
            self.publisher.changed();
        }
    }

    fn request(&self, announce: &Announce) -> AnnounceRequest {
        let stats = self.swarm.stats();
        let left = if self.shared.has_metadata() {
            let have = self.shared.pieces.lock().have_bytes();
            self.shared.info().geometry().total_size() - have
        } else {
            UNKNOWN_LEFT
        };
        let port = self.core.public_port();
        let mut request = AnnounceRequest::new(self.shared.info_hash, self.shared.peer_id, port);
        request.uploaded = stats.uploaded - self.trackers.base.uploaded;
        request.downloaded = stats.downloaded - self.trackers.base.downloaded;
        request.left = left;
        request.key = self.trackers.key;
        announce.apply_to(&mut request);
        request
    }

    pub(super) fn announced(
        &mut self,
        now: Instant,
        id: AnnounceId,
        url: String,
        outcome: Result<AnnounceResponse, TrackerError>,
    ) {
        self.trackers.is_changed = true;
        self.publisher.changed();
        let event = match &outcome {
            Ok(answer) => {
                self.trackers.announcer.handle_success(now, id, answer);
                Event::TrackerAnswered {
                    url,
                    peers: answer.peers.len(),
                }
            }
            Err(error) => {
                self.trackers.announcer.handle_failure(now, id, error);
                Event::TrackerFailed {
                    url,
                    error: error.to_string(),
                }
            }
        };
        self.shared.listeners.tell(&event);
        if let Ok(answer) = outcome {
            self.swarm.add_peers(now, answer.peers, PeerSource::Tracker);
        }
    }
}

//! What handles see.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Driver;

/// Time between two publications, while things change.
const INTERVAL: Duration = Duration::from_millis(100);

/// When figures are published next.
pub(super) struct Publisher {
    last: Instant,
    is_due: bool,
    /// Peers came or went.
    peers_changed: bool,
}

impl Publisher {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last: now,
            is_due: true,
            peers_changed: false,
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.is_due.then(|| self.last + INTERVAL)
    }

    /// Some figure has changed.
    pub(super) fn changed(&mut self) {
        self.is_due = true;
    }

    pub(super) fn peers_changed(&mut self) {
        self.is_due = true;
        self.peers_changed = true;
    }
}

impl Driver {
    pub(super) fn publish_if_due(&mut self, now: Instant) {
        if self.publisher.due().is_some_and(|due| due <= now) {
            self.publish(now);
        }
    }

    /// Publishes the figures of this moment.
    pub(super) fn publish(&mut self, now: Instant) {
        self.publisher.last = now;
        self.publisher.is_due = false;
        let asked_for = self.shared.peers_asked_for.swap(false, Ordering::Relaxed);
        let renew_peers = std::mem::take(&mut self.publisher.peers_changed) || asked_for;
        let peers = renew_peers.then(|| self.swarm.peers().collect());
        let trackers = self.trackers.take_snapshot();
        let stats = self.swarm.stats();
        let mut published = self.shared.published.lock();
        published.stats = stats;
        if let Some(peers) = peers {
            published.peers = peers;
        }
        if let Some(trackers) = trackers {
            published.trackers = trackers;
        }
    }
}

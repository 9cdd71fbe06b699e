//! What a user sees of the trackers.

use std::time::Instant;

use crate::url::TrackerUrl;

/// One tier.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierSnapshot {
    /// In the order in which they are tried; the one that answered last is first.
    pub trackers: Vec<TrackerSnapshot>,
}

impl TierSnapshot {
    /// The tracker that speaks for the tier: the one that answered last, or the first to be tried.
    pub fn current(&self) -> Option<&TrackerSnapshot> {
        self.trackers.first()
    }
}

/// One tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackerSnapshot {
    /// Its announce URL.
    pub url: TrackerUrl,
    /// Seeds, as it said last.
    pub complete: Option<u32>,
    /// Other peers, as it said last.
    pub incomplete: Option<u32>,
    /// Completed downloads, as it said last.
    pub downloaded: Option<u32>,
    /// Failed announces since the last answer.
    pub failures: u32,
    /// IPv4 peers in its last answer.
    pub peers: usize,
    /// IPv6 peers in its last answer.
    pub peers6: usize,
    /// Why the last announce failed, if it did.
    pub last_error: Option<String>,
    /// The warning in its last answer.
    pub warning: Option<String>,
    /// When it last answered.
    pub last_answer: Option<Instant>,
    /// When it may be announced to next; a tracker behind another one in its tier waits for that one to fail.
    /// `None` when it is not to be asked again.
    pub next_announce: Option<Instant>,
    /// Whether an announce is under way.
    pub is_announcing: bool,
}

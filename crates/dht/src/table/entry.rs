//! What the table knows of one node.

use std::time::{Duration, Instant};

use crate::Contact;

/// How long a node counts as good after it was last heard (BEP 5).
pub(crate) const GOOD_FOR: Duration = Duration::from_mins(15);

/// Silence after which a node is asked for a sign of life: before it stops being good, and is given to nobody.
const PING_AFTER: Duration = Duration::from_mins(12);

/// How long a node that did not answer is left alone. It grows with each time.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Queries in a row without an answer that make a node bad.
const BAD_AFTER: u8 = 2;

/// And those after which it is forgotten even though there is nobody in its place: an outage of ours is no fault of the nodes.
const FORGOTTEN_AFTER: u8 = 8;

/// How much a node can be relied on (BEP 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Answered or asked us something not long ago.
    Good,
    /// Was not heard for a while, or failed to answer once.
    Questionable,
    /// Failed to answer several times in a row.
    Bad,
}

/// A node that has answered a query of ours.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) contact: Contact,
    /// Its id goes with its address (BEP 42).
    pub(crate) verified: bool,
    /// When it last answered us or asked something.
    heard: Instant,
    /// When it was last looked after.
    pinged: Option<Instant>,
    failures: u8,
}

impl Entry {
    /// A node that just answered.
    pub(crate) fn new(now: Instant, contact: Contact, verified: bool) -> Self {
        Self {
            contact,
            verified,
            heard: now,
            pinged: None,
            failures: 0,
        }
    }

    pub(crate) fn heard(&self) -> Instant {
        self.heard
    }

    pub(crate) fn answered(&mut self, now: Instant) {
        self.heard = now;
        self.failures = 0;
    }

    /// It asked something. That is no answer: who does not get ours cannot be reached.
    pub(crate) fn asked_us(&mut self, now: Instant) {
        if self.failures == 0 {
            self.heard = now;
        }
    }

    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    pub(crate) fn pinged(&mut self, now: Instant) {
        self.pinged = Some(now);
    }

    pub(crate) fn standing(&self, now: Instant) -> Standing {
        if self.failures >= BAD_AFTER {
            Standing::Bad
        } else if self.failures > 0 || now.duration_since(self.heard) > GOOD_FOR {
            Standing::Questionable
        } else {
            Standing::Good
        }
    }

    pub(crate) fn is_good(&self, now: Instant) -> bool {
        self.standing(now) == Standing::Good
    }

    pub(crate) fn is_bad(&self) -> bool {
        self.failures >= BAD_AFTER
    }

    pub(crate) fn is_hopeless(&self) -> bool {
        self.failures >= FORGOTTEN_AFTER
    }

    /// When it should be asked for a sign of life.
    pub(crate) fn ping_due(&self) -> Instant {
        let due = match self.failures {
            0 => self.heard + PING_AFTER,
            _ => self.heard,
        };
        let pause = RETRY_AFTER * (1 << self.failures.min(5));
        self.pinged.map_or(due, |pinged| due.max(pinged + pause))
    }
}

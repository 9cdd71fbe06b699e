//! What a node has once for each address family.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::votes::Votes;
use crate::table::{Nearest, Table};
use crate::{Contact, NodeId};

/// Addresses to begin with that are kept.
const MAX_ROUTERS: usize = 32;

/// The pause after the first attempt to find nodes that failed; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// One family's table and how it is filled.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) table: Table,
    pub(super) routers: Vec<SocketAddr>,
    /// Nodes that were good when this state was saved; forgotten when the table has enough others.
    pub(super) kept: Vec<Contact>,
    pub(super) votes: Votes,
    /// Our address on the outside, if it is known.
    pub(super) external: Option<IpAddr>,
    pub(super) bootstrap: Bootstrap,
    /// The user was told that there are enough nodes.
    pub(super) ready: bool,
}

/// When the next attempt to find nodes is made.
#[derive(Debug)]
pub(super) struct Bootstrap {
    pub(super) due: Option<Instant>,
    pub(super) running: bool,
    began: Option<Instant>,
    pause: Duration,
}

impl Home {
    pub(super) fn new(table: Table, kept: Vec<Contact>, external: Option<IpAddr>) -> Self {
        Self {
            table,
            routers: Vec::new(),
            kept,
            votes: Votes::default(),
            external,
            bootstrap: Bootstrap {
                due: None,
                running: false,
                began: None,
                pause: FIRST_PAUSE,
            },
            ready: false,
        }
    }

    pub(super) fn add_router(&mut self, address: SocketAddr) {
        if self.routers.len() < MAX_ROUTERS && !self.routers.contains(&address) {
            self.routers.push(address);
        }
    }

    /// Where a lookup begins: nodes of the table that are not bad and, if those are few, kept ones.
    pub(super) fn start(&self, target: NodeId) -> Nearest {
        let mut nearest = Nearest::to(target);
        self.table.nearest(&mut nearest, |entry| !entry.is_bad());
        if !nearest.is_full() {
            self.kept.iter().for_each(|kept| nearest.offer(kept));
        }
        nearest
    }

    /// Whether there is anybody to begin with.
    pub(super) fn has_sources(&self) -> bool {
        !self.routers.is_empty() || !self.kept.is_empty() || self.table.entries().next().is_some()
    }
}

impl Bootstrap {
    /// Somebody new may know others: it need not wait any longer, though not be done again and again.
    pub(super) fn nudge(&mut self, now: Instant) {
        self.pause = FIRST_PAUSE;
        let earliest = self.began.map_or(now, |began| now.max(began + FIRST_PAUSE));
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.running = true;
        self.began = Some(now);
        self.due = None;
    }

    /// An attempt is over, and there may be enough nodes now.
    pub(super) fn end(&mut self, now: Instant, ready: bool) {
        self.running = false;
        if ready {
            self.pause = FIRST_PAUSE;
        } else {
            self.retry(now);
        }
    }

    /// Plans the next attempt unless there is one.
    pub(super) fn retry(&mut self, now: Instant) {
        if self.due.is_none() && !self.running {
            self.due = Some(now + self.pause);
            self.pause = (2 * self.pause).min(LONGEST_PAUSE);
        }
    }
}

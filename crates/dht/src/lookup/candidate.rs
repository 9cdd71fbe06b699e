//! One node that a walk knows of.

use std::net::SocketAddr;

use crate::krpc::Token;
use crate::security::is_valid;
use crate::table::K;
use crate::{Contact, Distance, NodeId};

/// How far the walk is with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not asked yet.
    Fresh,
    /// Asked not long ago.
    Asked,
    /// Asked so long ago that others are asked meanwhile.
    Late,
    /// It answered.
    Answered,
    /// It did not, or not as it should have.
    Failed,
}

/// A node on the way to the target.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) contact: Contact,
    pub(super) distance: Distance,
    /// Answers that led to it one after the other; 0 for nodes from our own table.
    pub(super) depth: u32,
    /// Who told of it: a place among the informers. Nobody did when it is from our own table.
    pub(super) informer: Option<usize>,
    /// Somebody else told of it too.
    pub(super) confirmed: bool,
    pub(super) progress: Progress,
    /// Its id goes with its address (BEP 42).
    pub(super) verified: bool,
    /// What it wants to see when something is to be stored with it.
    pub(super) token: Option<Token>,
    /// It has the item that is looked for, in this version.
    pub(super) seq: Option<i64>,
}

impl Candidate {
    pub(super) fn new(target: &NodeId, contact: Contact) -> Self {
        Self {
            contact,
            distance: target.distance(&contact.id),
            depth: 0,
            informer: None,
            confirmed: false,
            progress: Progress::Fresh,
            verified: is_valid(&contact.id, contact.address.ip()),
            token: None,
            seq: None,
        }
    }
}

/// An address to begin with when there are few nodes: its id is not known, and it is not one of those looked for.
#[derive(Debug, Clone)]
pub(super) struct Guide {
    pub(super) address: SocketAddr,
    pub(super) progress: Progress,
}

/// A node that told of others, and what came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Informer {
    /// Those that answered.
    pub(super) hits: u32,
    /// Those that did not, or have not yet.
    pub(super) misses: u32,
}

impl Informer {
    /// Whether it is more likely than not that it makes nodes up.
    pub(super) fn is_liar(&self) -> bool {
        self.misses >= 3 && self.misses > 2 * self.hits
    }
}

/// How many of the nearest have answered.
#[derive(Debug, Default)]
pub(super) struct Near {
    pub(super) all: usize,
    verified: usize,
}

impl Near {
    pub(super) fn count(&mut self, candidate: &Candidate) {
        if candidate.progress == Progress::Answered {
            self.all += 1;
            self.verified += usize::from(candidate.verified);
        }
    }

    /// Whether a node that is farther than those that were counted matters.
    pub(super) fn wants(&self, candidate: &Candidate) -> bool {
        self.all < K || candidate.verified && self.verified < K
    }

    pub(super) fn is_full(&self) -> bool {
        self.all >= K && self.verified >= K
    }
}

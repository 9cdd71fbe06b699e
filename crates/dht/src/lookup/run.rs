//! A lookup in one family: the walk, and what is stored with those whom it found.

use std::net::SocketAddr;

use super::goal::Goal;
use super::walk::{Ask, Walk, WalkStats};
use crate::krpc::QueryKind;
use crate::{Contact, NodeId};

/// Which part of a run a query belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The way to the target.
    Walk,
    /// What is stored at its end.
    Store,
}

/// A query that a run wants to be sent.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) address: SocketAddr,
    /// Who is expected there, as far as that is known.
    pub(crate) id: Option<NodeId>,
    pub(crate) kind: QueryKind,
    pub(crate) part: Part,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) walk: Walk,
    /// What is still to be stored; there once the walk is over. The last one comes first.
    stores: Option<Vec<Errand>>,
    /// Stores that were not answered yet.
    storing: usize,
    /// Stores that were accepted.
    pub(crate) stored: u32,
    /// Queries that were to store something.
    store_queries: u32,
    /// Of these, those that were not answered.
    store_timeouts: u32,
}

impl Run {
    pub(crate) fn new(walk: Walk) -> Self {
        Self {
            walk,
            stores: None,
            storing: 0,
            stored: 0,
            store_queries: 0,
            store_timeouts: 0,
        }
    }

    /// What it took so far.
    pub(crate) fn stats(&self) -> WalkStats {
        let walk = self.walk.stats();
        let answered = self.store_queries - self.storing as u32 - self.store_timeouts;
        WalkStats {
            queries: walk.queries + self.store_queries,
            answers: walk.answers + answered,
            timeouts: walk.timeouts + self.store_timeouts,
        }
    }

    /// The next query, which is noted as sent. `None` while it waits, and at the end.
    pub(crate) fn next(&mut self, goal: &Goal) -> Option<Errand> {
        if self.stores.is_none() && !self.walk.is_done() {
            return self.walk.next().map(|ask| errand(ask, goal));
        }
        let walk = &self.walk;
        let stores = self.stores.get_or_insert_with(|| stores(walk, goal));
        let store = stores.pop()?;
        self.storing += 1;
        self.store_queries += 1;
        Some(store)
    }

    /// A query was not answered, or was refused.
    pub(crate) fn failed(&mut self, part: Part, address: SocketAddr, answered: bool) {
        match part {
            Part::Walk => self.walk.failed(address, answered),
            Part::Store => {
                self.store_timeouts += u32::from(!answered);
                self.store_ended(false);
            }
        }
    }

    /// Nodes that somebody of the other family told of. They are of use until the walk is over.
    pub(crate) fn hint(&mut self, nodes: &[Contact]) {
        if self.stores.is_none() {
            for node in nodes {
                self.walk.hint(*node);
            }
        }
    }

    /// A store was answered, or will not be.
    pub(crate) fn store_ended(&mut self, accepted: bool) {
        self.storing = self.storing.saturating_sub(1);
        self.stored += u32::from(accepted);
    }

    /// Whether nothing more will come.
    pub(crate) fn is_finished(&self) -> bool {
        self.storing == 0 && self.stores.as_ref().is_some_and(Vec::is_empty)
    }
}

fn errand(ask: Ask, goal: &Goal) -> Errand {
    Errand {
        address: ask.address,
        id: ask.id,
        kind: goal.query(),
        part: Part::Walk,
    }
}

fn stores(walk: &Walk, goal: &Goal) -> Vec<Errand> {
    let stores = walk.keepers().filter_map(|keeper| {
        Some(Errand {
            address: keeper.contact.address,
            id: Some(keeper.contact.id),
            kind: goal.store(&keeper)?,
            part: Part::Store,
        })
    });
    let mut stores: Vec<_> = stores.collect();
    stores.reverse();
    stores
}

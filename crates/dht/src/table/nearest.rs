//! The few contacts that are nearest to a target.

use super::K;
use crate::{Contact, Distance, NodeId};

/// The [`K`] nearest of all contacts that were offered, nearest first. Lives on the stack.
#[derive(Debug, Clone)]
pub(crate) struct Nearest {
    target: NodeId,
    found: [Option<(Distance, Contact)>; K],
    len: usize,
}

impl Nearest {
    /// Nobody yet.
    pub(crate) fn to(target: NodeId) -> Self {
        Self {
            target,
            found: [None; K],
            len: 0,
        }
    }

    pub(crate) fn target(&self) -> NodeId {
        self.target
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == K
    }

    /// Nearest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Contact> {
        self.found[..self.len]
            .iter()
            .flatten()
            .map(|(_, contact)| contact)
    }

    pub(crate) fn offer(&mut self, contact: &Contact) {
        let distance = self.target.distance(&contact.id);
        let at = self.found[..self.len]
            .partition_point(|found| found.as_ref().is_some_and(|(other, _)| *other < distance));
        if at == K {
            return;
        }
        self.len = K.min(self.len + 1);
        self.found[at..self.len].rotate_right(1);
        self.found[at] = Some((distance, *contact));
    }
}

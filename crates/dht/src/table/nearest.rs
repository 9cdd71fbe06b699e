//! The few contacts that are nearest to a target.

use super::K;
use crate::{Contact, Distance, NodeId};

/// The [`K`] nearest of all contacts that were offered, nearest first. Lives on the stack.
#[derive(Debug, Clone)]
pub(crate) struct Nearest {
    target: NodeId,
    found: [Option<(Distance, Contact)>; K],
    len: usize,
    /// The first bits of the distance beyond which nobody has a chance.
    bound: u64,
}

impl Nearest {
    /// Nobody yet.
    pub(crate) fn to(target: NodeId) -> Self {
        Self {
            target,
            found: [None; K],
            len: 0,
            bound: u64::MAX,
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

    /// Whether a node with this id may have a place, at a glance.
    pub(crate) fn may_take(&self, id: &NodeId) -> bool {
        first_bits(&self.target.0) ^ first_bits(&id.0) <= self.bound
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
        if let Some((farthest, _)) = &self.found[K - 1] {
            self.bound = first_bits(&farthest.0);
        }
    }
}

fn first_bits(bytes: &[u8; 20]) -> u64 {
    let (first, _) = bytes.split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_be_bytes(*first)
}

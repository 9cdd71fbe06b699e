//! One bucket: the nodes whose ids have so many leading bits in common with ours.

use std::time::Instant;

use super::Nearest;
use super::entry::Entry;
use super::ranges::Range;
use crate::{Contact, NodeId};

/// Nodes that answered and found no place, kept for when a place becomes free.
const SPARES: usize = 8;

#[derive(Debug)]
pub(super) struct Bucket {
    /// The nodes.
    pub(super) live: Vec<Entry>,
    /// Those in reserve; the last one was heard last.
    spare: Vec<Entry>,
    /// When it last took a node or one of its nodes answered. `None` if nobody has looked for nodes in its range yet.
    pub(super) changed: Option<Instant>,
}

impl Bucket {
    pub(super) fn new() -> Self {
        Self {
            live: Vec::new(),
            spare: Vec::new(),
            changed: None,
        }
    }

    /// Something in it is new, which counts once its range was searched.
    pub(super) fn changed(&mut self, now: Instant) {
        if self.changed.is_some() {
            self.changed = Some(now);
        }
    }

    pub(super) fn find(&mut self, contact: &Contact) -> Option<&mut Entry> {
        self.live
            .iter_mut()
            .find(|entry| entry.contact.id == contact.id)
            .filter(|entry| entry.contact.address == contact.address)
    }

    /// Whether another node here has this id.
    pub(super) fn has_id(&self, id: &NodeId) -> bool {
        self.live.iter().any(|entry| entry.contact.id == *id)
    }

    /// Whether a node from the same range is here.
    pub(super) fn has_range(&self, contact: &Contact) -> bool {
        let range = Range::of(contact.address.ip());
        let mut ips = self.live.iter().map(|entry| entry.contact.address.ip());
        ips.any(|ip| Range::of(ip) == range)
    }

    /// Who should make room for a newcomer: a bad node, or, for one whose id goes with its address, one whose id does not.
    pub(super) fn weakest(&self, verified: bool) -> Option<usize> {
        let bad = self.live.iter().position(Entry::is_bad);
        let unverified = || {
            let all = self.live.iter().enumerate();
            all.filter(|(_, entry)| verified && !entry.verified)
                .min_by_key(|(_, entry)| entry.heard())
                .map(|(index, _)| index)
        };
        bad.or_else(unverified)
    }

    /// Keeps a node that found no place in mind.
    pub(super) fn reserve(&mut self, entry: Entry) {
        self.forget_spare(&entry.contact);
        if self.spare.len() == SPARES {
            self.spare.remove(0);
        }
        self.spare.push(entry);
    }

    /// The node in reserve that was heard last.
    pub(super) fn take_spare(&mut self) -> Option<Entry> {
        self.spare.pop()
    }

    pub(super) fn forget_spare(&mut self, contact: &Contact) {
        self.spare.retain(|spare| {
            spare.contact.id != contact.id && spare.contact.address != contact.address
        });
    }

    /// Takes out all that `belongs` says.
    pub(super) fn split_off(&mut self, belongs: impl Fn(&NodeId) -> bool) -> Self {
        let deeper = |entry: &mut Entry| belongs(&entry.contact.id);
        Self {
            live: self.live.extract_if(.., deeper).collect(),
            spare: self.spare.extract_if(.., deeper).collect(),
            changed: self.changed,
        }
    }

    pub(super) fn offer_to(&self, nearest: &mut Nearest, wanted: impl Fn(&Entry) -> bool) {
        for entry in &self.live {
            if nearest.may_take(&entry.contact.id) && wanted(entry) {
                nearest.offer(&entry.contact);
            }
        }
    }

    /// Whether it is of interest who else there is.
    pub(super) fn has_room(&self, capacity: usize, now: Instant) -> bool {
        self.live.len() < capacity || !self.live.iter().all(|entry| entry.is_good(now))
    }
}

//! The routing table of one address family (BEP 5).
//!
//! Only nodes that have answered a query of ours are ever in it. Buckets are by the number of leading bits that an id has in
//! common with ours; the last one holds all the rest and is split when it is full. The first ones, where most nodes of the world
//! belong, are wider than the eight of BEP 5: that makes the first hops of a lookup shorter.

mod bucket;
mod entry;
mod nearest;
mod ranges;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::Rng;

use crate::{Contact, FamilyStats, NodeId};
use bucket::Bucket;
pub(crate) use entry::{Entry, Standing};
pub(crate) use nearest::Nearest;
pub(crate) use ranges::Range;
use ranges::Ranges;

/// Nodes in a bucket, in an answer, and that keep a value (BEP 5).
pub(crate) const K: usize = 8;

/// Rest after which a bucket is refreshed by a lookup in its range (BEP 5).
const REFRESH_AFTER: Duration = Duration::from_mins(15);

/// Buckets there may be. Half a million times a million nodes would fill them; more are only wanted by those who make up ids near
/// ours, to keep us busy.
const MAX_BUCKETS: usize = 40;

/// Places in a bucket, by how many bits its ids have in common with ours.
const fn width(depth: usize) -> usize {
    match depth {
        0 => 128,
        1 => 64,
        2 => 32,
        3 => 16,
        _ => K,
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Table {
    own: NodeId,
    buckets: Vec<Bucket>,
    /// Unless any number of nodes may be at one address.
    ranges: Option<Ranges>,
}

impl Table {
    /// Nobody yet. If it is `restricted`, then each address has one place and each range of addresses few.
    pub(crate) fn new(own: NodeId, restricted: bool) -> Self {
        Self {
            own,
            buckets: vec![Bucket::new()],
            ranges: restricted.then(Ranges::default),
        }
    }

    pub(crate) fn own(&self) -> NodeId {
        self.own
    }

    /// A node answered. It gets a place if there is one.
    pub(crate) fn answered(&mut self, now: Instant, contact: Contact, verified: bool) {
        if contact.id == self.own {
            return;
        }
        let bucket = self.bucket_mut(&contact.id);
        if let Some(entry) = bucket.find(&contact) {
            entry.answered(now);
            bucket.changed(now);
        } else {
            self.make_way(&contact);
            self.insert(now, Entry::new(now, contact, verified));
        }
    }

    /// A node asked something. Says whether it is known.
    pub(crate) fn asked_us(&mut self, now: Instant, contact: &Contact) -> bool {
        let entry = self.bucket_mut(&contact.id).find(contact);
        entry.map(|entry| entry.asked_us(now)).is_some()
    }

    /// Whether a node that is not known would get a place, should it answer.
    pub(crate) fn wants(&self, now: Instant, contact: &Contact) -> bool {
        let index = self.index(&contact.id);
        let bucket = &self.buckets[index];
        contact.id != self.own
            && !bucket.has_id(&contact.id)
            && (self.is_last(index) || bucket.has_room(self.capacity(index), now))
            && self.address_is_free(index, contact)
    }

    /// A node did not answer in time.
    pub(crate) fn failed(&mut self, now: Instant, contact: &Contact) {
        let index = self.index(&contact.id);
        let Some(entry) = self.buckets[index].find(contact) else {
            return;
        };
        entry.failed();
        let (bad, hopeless) = (entry.is_bad(), entry.is_hopeless());
        if hopeless {
            self.remove(index, |entry| entry.contact == *contact);
        }
        if bad {
            self.fill_from_reserve(now, index);
        }
    }

    /// Nobody is to be at an address any more.
    pub(crate) fn forget(&mut self, address: SocketAddr) {
        for index in 0..self.buckets.len() {
            self.remove(index, |entry| entry.contact.address == address);
        }
    }

    /// Offers the nodes that are `wanted`, until there are enough and nobody else can be nearer.
    pub(crate) fn nearest(&self, nearest: &mut Nearest, wanted: impl Fn(&Entry) -> bool) {
        let index = self.index(&nearest.target());
        self.buckets[index].offer_to(nearest, &wanted);
        // All of the deeper buckets are equally far in the first bit that counts, and nearer than all of the shallower.
        let (shallower, deeper) = (&self.buckets[..index], &self.buckets[index + 1..]);
        if !nearest.is_full() {
            for bucket in deeper {
                bucket.offer_to(nearest, &wanted);
            }
        }
        for bucket in shallower.iter().rev() {
            if nearest.is_full() {
                return;
            }
            bucket.offer_to(nearest, &wanted);
        }
    }

    /// The node that has waited longest for being asked for a sign of life, which is noted as done.
    pub(crate) fn take_ping(&mut self, now: Instant) -> Option<Contact> {
        let entries = self.buckets.iter_mut().flat_map(|bucket| &mut bucket.live);
        let entry = entries
            .filter(|entry| entry.ping_due() <= now)
            .min_by_key(|entry| entry.ping_due())?;
        entry.pinged(now);
        Some(entry.contact)
    }

    /// An id in the range of a bucket that has long been at rest, or was never searched. It is noted as refreshed.
    pub(crate) fn take_refresh(&mut self, now: Instant, rng: &mut impl Rng) -> Option<NodeId> {
        let at_rest = |bucket: &Bucket| {
            let changed = bucket.changed;
            changed.is_none_or(|changed| now.duration_since(changed) >= REFRESH_AFTER)
        };
        let index = self.buckets.iter().position(at_rest)?;
        self.buckets[index].changed = Some(now);
        Some(if self.is_last(index) {
            self.own
        } else {
            self.random_in(index, rng)
        })
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(|bucket| &bucket.live)
    }

    /// Whether there are enough good nodes for lookups to begin from.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        let good = self.entries().filter(|entry| entry.is_good(now));
        good.take(K).count() == K
    }

    pub(crate) fn counts(&self, now: Instant) -> FamilyStats {
        let mut counts = FamilyStats::default();
        for entry in self.entries() {
            match entry.standing(now) {
                Standing::Good => counts.good += 1,
                Standing::Questionable => counts.questionable += 1,
                Standing::Bad => counts.bad += 1,
            }
        }
        counts
    }

    /// The same nodes as seen from another id.
    pub(crate) fn seen_from(&self, now: Instant, own: NodeId) -> Self {
        let mut table = Self::new(own, self.ranges.is_some());
        for entry in self.entries().filter(|entry| entry.contact.id != own) {
            table.insert(now, entry.clone());
        }
        table
    }

    fn index(&self, id: &NodeId) -> usize {
        (self.own.common_prefix(id) as usize).min(self.buckets.len() - 1)
    }

    fn bucket_mut(&mut self, id: &NodeId) -> &mut Bucket {
        let index = self.index(id);
        &mut self.buckets[index]
    }

    /// Removes what contradicts a node that just answered: another id at its address, and bad nodes with its id or at its IP.
    fn make_way(&mut self, contact: &Contact) {
        for index in 0..self.buckets.len() {
            self.remove(index, |entry| {
                let other = entry.contact;
                let bad = other.id == contact.id || other.address.ip() == contact.address.ip();
                other.address == contact.address || entry.is_bad() && bad
            });
        }
    }

    fn insert(&mut self, now: Instant, entry: Entry) {
        let mut index = self.index(&entry.contact.id);
        if self.buckets[index].has_id(&entry.contact.id)
            || !self.address_is_free(index, &entry.contact)
        {
            return;
        }
        while self.is_last(index) && self.is_full(index) && self.split() {
            index = self.index(&entry.contact.id);
        }
        if !self.is_full(index) {
            return self.place(now, index, entry);
        }
        if let Some(weakest) = self.buckets[index].weakest(entry.verified) {
            let weakest = self.buckets[index].live[weakest].contact;
            self.remove(index, |entry| entry.contact == weakest);
            return self.place(now, index, entry);
        }
        self.buckets[index].reserve(entry);
    }

    fn is_full(&self, index: usize) -> bool {
        self.buckets[index].live.len() >= self.capacity(index)
    }

    fn is_last(&self, index: usize) -> bool {
        index + 1 == self.buckets.len()
    }

    /// Only buckets that are not split any more are wide: else, a few nodes in one bucket would seem enough for half the world.
    fn capacity(&self, index: usize) -> usize {
        if self.is_last(index) { K } else { width(index) }
    }

    /// Whether the bucket may take a node at this address.
    fn address_is_free(&self, index: usize, contact: &Contact) -> bool {
        self.ranges.as_ref().is_none_or(|ranges| {
            ranges.welcomes(contact.address) && !self.buckets[index].has_range(contact)
        })
    }

    fn place(&mut self, now: Instant, index: usize, entry: Entry) {
        let bucket = &mut self.buckets[index];
        bucket.forget_spare(&entry.contact);
        bucket.changed(now);
        if let Some(ranges) = &mut self.ranges {
            ranges.add(entry.contact.address);
        }
        bucket.live.push(entry);
    }

    fn remove(&mut self, index: usize, which: impl Fn(&Entry) -> bool) {
        let live = &mut self.buckets[index].live;
        for entry in live.extract_if(.., |entry| which(entry)) {
            if let Some(ranges) = &mut self.ranges {
                ranges.remove(entry.contact.address);
            }
        }
    }

    /// Puts nodes in reserve in the place of bad ones.
    fn fill_from_reserve(&mut self, now: Instant, index: usize) {
        while let Some(spare) = self.buckets[index].take_spare() {
            if self.address_is_free(index, &spare.contact) {
                self.remove(index, Entry::is_bad);
                return self.place(now, index, spare);
            }
        }
    }

    /// Divides the last bucket in two, unless there are enough.
    fn split(&mut self) -> bool {
        let depth = self.buckets.len() - 1;
        if self.buckets.len() == MAX_BUCKETS {
            return false;
        }
        let own = self.own;
        let belongs = |id: &NodeId| own.common_prefix(id) as usize > depth;
        let deeper = self.buckets[depth].split_off(belongs);
        self.buckets.push(deeper);
        true
    }

    /// A random id that belongs into the bucket.
    fn random_in(&self, index: usize, rng: &mut impl Rng) -> NodeId {
        let mut id = self.own;
        let (byte, bit) = (index / 8, index % 8);
        let mut random = [0; 20];
        rng.fill_bytes(&mut random);
        id.0[byte + 1..].copy_from_slice(&random[byte + 1..]);
        // Up to the bit as ours, that bit the other way round, the rest by chance.
        let mask = 0xffu8.checked_shr(bit as u32 + 1).unwrap_or(0);
        id.0[byte] = (self.own.0[byte] ^ (0x80 >> bit)) & !mask | random[byte] & mask;
        id
    }
}

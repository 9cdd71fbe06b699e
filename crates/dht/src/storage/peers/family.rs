//! The peers of one torrent and one family.

use std::net::{IpAddr, SocketAddr};

use rand::Rng;
use rand::seq::index;

use super::entry::{Entry, Tick};
use super::{PEER_SECONDS, Wanted};
use crate::bloom::Filter;
use crate::krpc::Scrape;
use crate::security;

/// Peers of one torrent in one IPv6 network of 64 bits. Who has one address there has all of them, and could fill a torrent.
const MAX_NEIGHBOURS: usize = 16;

/// Peers in the order of their last announces, the longest ago first.
#[derive(Debug, Default)]
pub(super) struct Family<const N: usize> {
    entries: Vec<Entry<N>>,
}

impl<const N: usize> Family<N>
where
    IpAddr: From<[u8; N]>,
{
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes a peer in, in place of what is known of it or of one of its crowd; whether it is one more.
    pub(super) fn insert(&mut self, entry: Entry<N>) -> bool {
        let local = security::is_local(entry.ip());
        let is_same = |known: &Entry<N>| known.is_same(&entry, local);
        // Who announces often is near the end.
        let known = self.entries.iter().rposition(is_same);
        let replaced = known.or_else(|| self.oldest_of_a_crowd(&entry));
        if let Some(at) = replaced {
            self.entries.remove(at);
        } else {
            self.make_room();
        }
        self.entries.push(entry);
        replaced.is_none()
    }

    /// The oldest of those in the network of `entry`, if there are as many as may be.
    fn oldest_of_a_crowd(&self, entry: &Entry<N>) -> Option<usize> {
        let is_neighbour = |at: &usize| self.entries[*at].is_neighbour(entry);
        let mut crowd = (0..self.entries.len()).filter(is_neighbour);
        let oldest = crowd.next()?;
        (crowd.count() + 1 >= MAX_NEIGHBOURS).then_some(oldest)
    }

    /// Grows by a quarter: doubling would leave a third of all memory empty.
    fn make_room(&mut self) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(self.entries.len() / 4 + 1);
        }
    }

    /// Drops the peer that announced itself longest ago, if there is any.
    pub(super) fn drop_oldest(&mut self) {
        if !self.entries.is_empty() {
            self.entries.remove(0);
        }
    }

    /// Seconds since the oldest announce.
    pub(super) fn oldest(&self, now: Tick) -> Option<u16> {
        self.entries.first().map(|entry| entry.age(now))
    }

    /// Drops those whose time is over, and gives back memory if most of it is free; how many went.
    pub(super) fn expire(&mut self, now: Tick) -> usize {
        let expired = self.expired(now);
        self.entries.drain(..expired);
        if self.entries.len() < self.entries.capacity() / 2 {
            self.entries.shrink_to_fit();
        }
        expired
    }

    fn expired(&self, now: Tick) -> usize {
        let is_over = |entry: &&Entry<N>| entry.age(now) >= PEER_SECONDS;
        self.entries.iter().take_while(is_over).count()
    }

    /// Adds a random choice.
    pub(super) fn sample(
        &self,
        now: Tick,
        wanted: Wanted,
        rng: &mut impl Rng,
        out: &mut Vec<SocketAddr>,
    ) {
        let live = &self.entries[self.expired(now)..];
        let most = wanted.most;
        if !wanted.no_seeds {
            choose(live.len(), most, rng, |at| out.push(live[at].address()));
            return;
        }
        let (seeds, others): (Vec<&Entry<N>>, Vec<&Entry<N>>) =
            live.iter().partition(|entry| entry.is_seed());
        let room = most.saturating_sub(others.len());
        choose(others.len(), most, rng, |at| out.push(others[at].address()));
        choose(seeds.len(), room, rng, |at| out.push(seeds[at].address()));
    }

    pub(super) fn scrape(&self, now: Tick, scrape: &mut Scrape) {
        for entry in &self.entries[self.expired(now)..] {
            let filter: &mut Filter = if entry.is_seed() {
                &mut scrape.seeds
            } else {
                &mut scrape.peers
            };
            filter.insert(entry.ip());
        }
    }
}

/// Takes up to `most` random ones of `count`.
fn choose(count: usize, most: usize, rng: &mut impl Rng, take: impl FnMut(usize)) {
    index::sample(rng, count, most.min(count))
        .into_iter()
        .for_each(take);
}

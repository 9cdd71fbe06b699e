//! What a node has done, in numbers.

use std::time::Instant;

use super::Dht;
use crate::{Family, PerFamily};

/// What a [`Dht`] did since it was made, and how it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Datagrams that came.
    pub received: u64,
    /// Of these, those that were no messages.
    pub malformed: u64,
    /// Answers to nothing that was asked, or not from the one that was asked.
    pub unsolicited: u64,
    /// Queries that we sent.
    pub queries: u64,
    /// Queries that we answered, refusals included.
    pub answered: u64,
    /// Queries that we did not answer since there were too many.
    pub throttled: u64,
    /// Queries of ours that wait for an answer.
    pub transactions: usize,
    /// Lookups under way, those that wait for others included.
    pub lookups: usize,
    /// Torrents of which peers are kept for others.
    pub torrents: usize,
    /// These peers.
    pub peers: usize,
    /// Items that are kept for others.
    pub items: usize,
    /// Bytes of datagrams that were not taken yet.
    pub outgoing: usize,
    /// Each family's table.
    pub families: PerFamily<FamilyStats>,
}

/// How full the table of a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FamilyStats {
    /// Nodes heard not long ago.
    pub good: usize,
    /// Nodes that were not.
    pub questionable: usize,
    /// Nodes that do not answer and have nobody to take their place.
    pub bad: usize,
}

impl Dht {
    /// A snapshot.
    pub fn stats(&self, now: Instant) -> Stats {
        let mut stats = self.stats;
        stats.transactions = self.transactions.len();
        stats.lookups = self.lookups.len() + self.waiting.len();
        stats.torrents = self.answering.peers.torrents();
        stats.peers = self.answering.peers.peers();
        stats.items = self.answering.items.len();
        stats.outgoing = self.outbox.waiting();
        stats.families = PerFamily::new(|family| self.family_stats(now, family));
        stats
    }

    fn family_stats(&self, now: Instant, family: Family) -> FamilyStats {
        let home = self.homes[family].as_ref();
        home.map_or_else(FamilyStats::default, |home| home.table.counts(now))
    }
}

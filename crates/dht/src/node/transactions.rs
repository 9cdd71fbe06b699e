//! Queries of ours that were not answered yet.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::Rng;
use rustc_hash::FxHashMap;

use super::Limits;
use super::patience::Patience;
use crate::NodeId;
use crate::krpc::Transaction;
use crate::lookup::{LookupId, Part};

/// Unanswered queries to one IP address.
const MAX_PER_ADDRESS: u32 = 8;

/// Why something was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// For a lookup.
    Lookup(LookupId, Part),
    /// A ping that the user wants.
    Ping(LookupId),
    /// A single query for a sample of info-hashes that the user wants.
    Sample(LookupId),
    /// To see whether it is there.
    Probe,
}

/// A query under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) to: SocketAddr,
    /// Who was expected there.
    pub(super) expected: Option<NodeId>,
    pub(super) sent: Instant,
    pub(super) role: Role,
}

/// All queries under way, by their number, which nobody can guess who was not asked.
#[derive(Debug)]
pub(super) struct Transactions {
    pending: FxHashMap<u32, Pending>,
    /// Those that are not late yet, with when they will be, among some that were answered. About the oldest first: patience
    /// changes.
    punctual: VecDeque<(Instant, u32)>,
    /// All, with when they were sent, the oldest first, among some that were answered.
    all: VecDeque<(Instant, u32)>,
    by_address: FxHashMap<IpAddr, u32>,
    patience: Patience,
    timeout: Duration,
    max: usize,
    restricted: bool,
}

impl Transactions {
    pub(super) fn new(limits: &Limits, restricted: bool) -> Self {
        Self {
            pending: FxHashMap::default(),
            punctual: VecDeque::new(),
            all: VecDeque::new(),
            by_address: FxHashMap::default(),
            patience: Patience::new(limits.late_after),
            timeout: limits.timeout,
            max: limits.max_transactions,
            restricted,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether there is room for another one.
    pub(super) fn is_open(&self) -> bool {
        self.pending.len() < self.max
    }

    /// Whether the address may be asked something more.
    pub(super) fn may_ask(&self, to: SocketAddr) -> bool {
        let asked = self.by_address.get(&to.ip()).copied();
        !self.restricted || asked.unwrap_or(0) < MAX_PER_ADDRESS
    }

    /// Notes a query and gives its number.
    pub(super) fn open(&mut self, pending: Pending, rng: &mut impl Rng) -> Transaction {
        let mut number = rng.next_u32();
        while self.pending.contains_key(&number) {
            number = rng.next_u32();
        }
        self.pending.insert(number, pending);
        let late = pending.sent + self.patience.time();
        self.punctual.push_back((late, number));
        self.all.push_back((pending.sent, number));
        *self.by_address.entry(pending.to.ip()).or_default() += 1;
        Transaction::new(&number.to_be_bytes()).unwrap_or_default()
    }

    /// The query that is answered, if it is one of ours and went there.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        transaction: &Transaction,
        from: SocketAddr,
    ) -> Option<Pending> {
        let number = u32::from_be_bytes(transaction.as_bytes().try_into().ok()?);
        if self.pending.get(&number)?.to != from {
            return None;
        }
        let pending = self.remove(number)?;
        self.patience.learn(now.duration_since(pending.sent));
        Some(pending)
    }

    /// A query that became late by now.
    pub(super) fn take_late(&mut self, now: Instant) -> Option<Pending> {
        while let Some(&(late, number)) = self.punctual.front() {
            let pending = self.pending.get(&number).copied();
            if pending.is_some() && now < late {
                return None;
            }
            self.punctual.pop_front();
            if pending.is_some() {
                return pending;
            }
        }
        None
    }

    /// A query that will not be answered any more, which is forgotten.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<Pending> {
        while let Some(&(sent, number)) = self.all.front() {
            let pending = self.pending.get(&number);
            let pending = pending.filter(|pending| pending.sent == sent);
            if pending.is_some() && now < sent + self.timeout {
                return None;
            }
            self.all.pop_front();
            if pending.is_some() {
                return self.remove(number);
            }
        }
        None
    }

    /// When the next query becomes late or is given up; perhaps one that was answered meanwhile.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let late = self.punctual.front().map(|(late, _)| *late);
        let expired = self.all.front().map(|(sent, _)| *sent + self.timeout);
        late.into_iter().chain(expired).min()
    }

    fn remove(&mut self, number: u32) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        let ip = pending.to.ip();
        if let Some(count) = self.by_address.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&ip);
            }
        }
        Some(pending)
    }
}

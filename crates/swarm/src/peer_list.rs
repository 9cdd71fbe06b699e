//! Addresses of peers, and when to dial them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::PeerSource;
use crate::canonical;

/// Failures in a row after which an address is left alone until somebody names it again. What the user named is not.
const MAX_FAILURES: u8 = 5;
/// Wait after the first failure: a peer that is just starting is not kept waiting. Four times as long after each further one.
const RETRY: Duration = Duration::from_secs(1);
/// Wait before a lost connection is taken up again.
const RECONNECT: Duration = Duration::from_secs(10);
/// An address that was given up may be named again after this.
const FORGIVE: Duration = Duration::from_mins(5);

/// Why a peer's address is free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The connection broke, or was closed by the other end.
    Lost {
        /// Something came of it.
        useful: bool,
    },
    /// Neither end needs the other now.
    Redundant,
    /// We closed it and mean to be back.
    Released,
    /// It did something that it must not do.
    Misbehaved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be dialled when its turn comes.
    Ready,
    /// To be dialled later.
    Waiting(Instant),
    /// A dial is under way.
    Dialling,
    /// Connected.
    Connected,
    /// Not to be dialled until there is a reason for it.
    Resting,
    /// Never to be dialled: ourselves, or banned.
    Barred,
}

#[derive(Debug, Clone)]
struct Entry {
    source: PeerSource,
    failures: u8,
    state: State,
    touched: Instant,
}

impl Entry {
    /// Whether it must be kept, even where there is no room: it is in use, or says whom not to dial.
    fn is_held(&self) -> bool {
        matches!(
            self.state,
            State::Dialling | State::Connected | State::Barred
        )
    }
}

/// The order in which addresses are dialled: named by the user first, then few failures, then BEP 40.
type Rank = (bool, u8, Reverse<u32>, SocketAddr);

/// The addresses of one torrent's peers: a bounded number.
#[derive(Debug)]
pub(crate) struct PeerList {
    entries: BTreeMap<SocketAddr, Entry>,
    ready: BTreeSet<Rank>,
    waiting: BTreeSet<(Instant, SocketAddr)>,
    dialling: usize,
    capacity: usize,
    /// Our own addresses as far as they are known, one of each family, with our port.
    own_v4: Option<SocketAddr>,
    own_v6: Option<SocketAddr>,
    port: u16,
}

impl PeerList {
    pub(crate) fn new(capacity: usize, port: Option<u16>) -> Self {
        Self {
            entries: BTreeMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            dialling: 0,
            capacity,
            own_v4: None,
            own_v6: None,
            port: port.unwrap_or(0),
        }
    }

    /// Addresses past a new, lower capacity go, those first that failed most; what is connected or barred stays.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        let free = self.entries.iter().filter(|(_, entry)| !entry.is_held());
        let mut free: Vec<_> = free
            .map(|(&address, entry)| (Reverse(entry.failures), address))
            .collect();
        free.sort_unstable();
        let excess = self.entries.len().saturating_sub(capacity);
        for (_, address) in free.into_iter().take(excess) {
            self.remove(address);
        }
    }

    /// Forgets addresses that come from somewhere that is not `allowed`; what is connected or barred stays.
    pub(crate) fn forbid(&mut self, allowed: impl Fn(PeerSource) -> bool) {
        let forbidden = self.entries.iter().filter(|(_, entry)| {
            let barred = entry.state == State::Barred;
            !allowed(entry.source) && !barred && entry.state != State::Connected
        });
        let forbidden: Vec<_> = forbidden.map(|(&address, _)| address).collect();
        for address in forbidden {
            self.remove(address);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Dials that are under way.
    pub(crate) fn dialling(&self) -> usize {
        self.dialling
    }

    /// When the next address becomes ready.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|&(due, _)| due)
    }

    /// Notes an address. An address that was given up long ago gets another chance.
    pub(crate) fn add(&mut self, now: Instant, address: SocketAddr, source: PeerSource) {
        if !is_dialable(address) {
            return;
        }
        if self.entries.contains_key(&address) {
            self.add_again(now, address, source);
        } else if self.entries.len() < self.capacity || self.evict() {
            let entry = Entry {
                source,
                failures: 0,
                state: State::Resting,
                touched: now,
            };
            self.entries.insert(address, entry);
            self.set_state(now, address, State::Ready);
        }
    }

    fn add_again(&mut self, now: Instant, address: SocketAddr, source: PeerSource) {
        let Some(entry) = self.entries.get_mut(&address) else {
            return;
        };
        if entry.state != State::Ready {
            entry.source = entry.source.min(source);
        }
        let forgiven =
            now.saturating_duration_since(entry.touched) >= FORGIVE || source == PeerSource::User;
        if entry.failures >= MAX_FAILURES && entry.state == State::Resting && forgiven {
            entry.failures = MAX_FAILURES - 1;
            self.set_state(now, address, State::Ready);
        }
    }

    /// Removes an address that is of little use, if there is one.
    fn evict(&mut self) -> bool {
        let useless = |entry: &Entry| match entry.state {
            State::Resting => true,
            State::Waiting(_) | State::Ready => entry.failures > 0,
            _ => false,
        };
        let victims = self.entries.iter().filter(|(_, entry)| useless(entry));
        let victim = victims.max_by_key(|(_, entry)| entry.failures);
        let Some((&address, _)) = victim else {
            return false;
        };
        self.remove(address);
        true
    }

    fn remove(&mut self, address: SocketAddr) {
        self.unschedule(address);
        self.entries.remove(&address);
    }

    /// The next address to dial. It counts as being dialled from now on.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(SocketAddr, PeerSource)> {
        self.wake(now);
        let &(_, _, _, address) = self.ready.first()?;
        self.set_state(now, address, State::Dialling);
        Some((address, self.entries[&address].source))
    }

    fn wake(&mut self, now: Instant) {
        while let Some(&(due, address)) = self.waiting.first()
            && due <= now
        {
            self.set_state(now, address, State::Ready);
        }
    }

    /// A dial came to nothing.
    pub(crate) fn dial_failed(&mut self, now: Instant, address: SocketAddr) {
        let dialling = |entry: &Entry| entry.state == State::Dialling;
        if self.entries.get(&address).is_some_and(dialling) {
            self.fail(now, address);
        }
    }

    fn fail(&mut self, now: Instant, address: SocketAddr) {
        let Some(entry) = self.entries.get_mut(&address) else {
            return;
        };
        entry.failures = (entry.failures + 1).min(MAX_FAILURES);
        let failures = entry.failures;
        let state = if failures == MAX_FAILURES && entry.source != PeerSource::User {
            State::Resting
        } else {
            State::Waiting(now + RETRY * 4u32.pow(u32::from(failures) - 1))
        };
        self.set_state(now, address, state);
    }

    /// An address is connected, or stands for a peer that is.
    pub(crate) fn connected(&mut self, now: Instant, address: SocketAddr, source: PeerSource) {
        self.add(now, address, source);
        self.set_state(now, address, State::Connected);
    }

    /// A connected address is free again.
    pub(crate) fn parted(&mut self, now: Instant, address: SocketAddr, how: Parting) {
        let Some(entry) = self.entries.get_mut(&address) else {
            return;
        };
        if entry.state == State::Barred {
            return;
        }
        match how {
            Parting::Lost { useful: false } => self.fail(now, address),
            Parting::Lost { useful: true } => {
                entry.failures = 0;
                self.set_state(now, address, State::Waiting(now + RECONNECT));
            }
            Parting::Redundant => self.set_state(now, address, State::Resting),
            Parting::Released => self.set_state(now, address, State::Ready),
            Parting::Misbehaved => {
                entry.failures = MAX_FAILURES;
                self.set_state(now, address, State::Resting);
            }
        }
    }

    /// An address is never to be dialled again.
    pub(crate) fn bar(&mut self, now: Instant, address: SocketAddr) {
        self.add(now, address, PeerSource::Incoming);
        self.set_state(now, address, State::Barred);
    }

    /// Every dial that is under way is called off.
    pub(crate) fn cancel_dials(&mut self, now: Instant) {
        let entries = self.entries.iter();
        let dialling = entries.filter(|(_, entry)| entry.state == State::Dialling);
        let addresses: Vec<_> = dialling.map(|(&address, _)| address).collect();
        for address in addresses {
            self.set_state(now, address, State::Ready);
        }
    }

    /// There is a reason to dial those again that had nothing for us.
    pub(crate) fn revive(&mut self, now: Instant) {
        let resting =
            |entry: &Entry| entry.state == State::Resting && entry.failures < MAX_FAILURES;
        let entries = self.entries.iter().filter(|(_, entry)| resting(entry));
        let addresses: Vec<_> = entries.map(|(&address, _)| address).collect();
        for address in addresses {
            self.set_state(now, address, State::Ready);
        }
    }

    /// Learns one of our own addresses, from which the canonical priority follows.
    pub(crate) fn learn_own_ip(&mut self, ip: IpAddr) {
        let own = SocketAddr::new(ip, self.port);
        let known = match ip {
            IpAddr::V4(_) => &mut self.own_v4,
            IpAddr::V6(_) => &mut self.own_v6,
        };
        if known.is_some() || ip.is_unspecified() {
            return;
        }
        *known = Some(own);
        let ranks = self
            .ready
            .iter()
            .map(|&(_, _, _, address)| self.rank(address));
        self.ready = ranks.collect();
    }

    fn rank(&self, address: SocketAddr) -> Rank {
        let entry = &self.entries[&address];
        let own = match address {
            SocketAddr::V4(_) => self.own_v4,
            SocketAddr::V6(_) => self.own_v6,
        };
        let priority = own.map_or(0, |own| canonical::priority(own, address));
        let named = entry.source == PeerSource::User;
        (!named, entry.failures, Reverse(priority), address)
    }

    fn set_state(&mut self, now: Instant, address: SocketAddr, state: State) {
        if !self.entries.contains_key(&address) {
            return;
        }
        self.unschedule(address);
        let Some(entry) = self.entries.get_mut(&address) else {
            return;
        };
        entry.state = state;
        entry.touched = now;
        if self.entries.len() > self.capacity && !self.entries[&address].is_held() {
            self.entries.remove(&address);
            return;
        }
        match state {
            State::Ready => drop(self.ready.insert(self.rank(address))),
            State::Waiting(due) => drop(self.waiting.insert((due, address))),
            State::Dialling => self.dialling += 1,
            State::Connected | State::Resting | State::Barred => {}
        }
    }

    fn unschedule(&mut self, address: SocketAddr) {
        match self.entries[&address].state {
            State::Ready => drop(self.ready.remove(&self.rank(address))),
            State::Waiting(due) => drop(self.waiting.remove(&(due, address))),
            State::Dialling => self.dialling -= 1,
            State::Connected | State::Resting | State::Barred => {}
        }
    }

    pub(crate) fn check_invariants(&self) {
        let count = |wanted: fn(&State) -> bool| {
            self.entries
                .values()
                .filter(|entry| wanted(&entry.state))
                .count()
        };
        assert_eq!(self.ready.len(), count(|state| *state == State::Ready));
        assert_eq!(
            self.waiting.len(),
            count(|state| matches!(state, State::Waiting(_)))
        );
        assert_eq!(self.dialling, count(|state| *state == State::Dialling));
        let only_held = self.entries.values().all(Entry::is_held);
        assert!(self.entries.len() <= self.capacity || only_held);
    }
}

/// Whether anybody can listen there.
fn is_dialable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(capacity: usize) -> (PeerList, Instant) {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
        let now = Instant::now();
        (PeerList::new(capacity, Some(6_881)), now)
    }

    fn address(index: u32) -> SocketAddr {
        let [_, a, b, c] = index.to_be_bytes();
        SocketAddr::from(([11, a, b, c], 6_881))
    }

    #[test]
    fn it_is_bounded_and_makes_room_for_better_ones() {
        let (mut list, now) = list(100);
        for index in 0..5_000 {
            list.add(now, address(index), PeerSource::Exchange);
        }
        assert_eq!(list.len(), 100);
        let (failed, _) = list.next(now).unwrap();
        list.dial_failed(now, failed);
        list.add(now, address(9_999), PeerSource::Tracker);
        assert_eq!(list.len(), 100);
        let mut dialled = Vec::new();
        while let Some((address, _)) = list.next(now + RETRY) {
            dialled.push(address);
        }
        assert!(dialled.contains(&address(9_999)) && !dialled.contains(&failed));
        list.check_invariants();
    }

    #[test]
    fn nobody_listens_at_odd_addresses() {
        let (mut list, now) = list(100);
        for odd in [
            "0.0.0.0:1",
            "10.0.0.1:0",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "[::]:1",
            "[ff02::1]:1",
        ] {
            list.add(now, odd.parse().unwrap(), PeerSource::Tracker);
        }
        assert_eq!(list.len(), 0);
    }

    #[test]
    fn named_by_the_user_comes_first_then_the_canonical_priority() {
        let (mut list, now) = list(100);
        (0..20).for_each(|index| list.add(now, address(index << 12), PeerSource::Tracker));
        list.add(now, address(99), PeerSource::User);
        let own: SocketAddr = "12.34.56.78:6881".parse().unwrap();
        list.learn_own_ip(own.ip());
        list.check_invariants();
        assert_eq!(list.next(now), Some((address(99), PeerSource::User)));
        let rest = std::iter::from_fn(|| list.next(now));
        let priorities: Vec<_> = rest
            .map(|(address, _)| canonical::priority(own, address))
            .collect();
        assert!(priorities.is_sorted_by(|a, b| a >= b) && priorities.len() == 20);
    }

    #[test]
    fn given_up_is_forgiven_when_named_again_later() {
        let (mut list, mut now) = list(10);
        list.add(now, address(1), PeerSource::Tracker);
        for _ in 0..MAX_FAILURES {
            now += RETRY * 256;
            assert_eq!(list.next(now).unwrap().0, address(1));
            list.dial_failed(now, address(1));
        }
        list.add(now, address(1), PeerSource::Tracker);
        assert_eq!(list.next(now + FORGIVE), None);
        list.add(now + FORGIVE, address(1), PeerSource::Tracker);
        assert!(list.next(now + FORGIVE).is_some());
    }

    #[test]
    fn what_the_user_named_is_never_given_up() {
        let (mut list, mut now) = list(10);
        list.add(now, address(1), PeerSource::User);
        for _ in 0..3 * MAX_FAILURES {
            assert_eq!(list.next(now).unwrap().0, address(1));
            list.dial_failed(now, address(1));
            now += RETRY * 256;
        }
    }

    #[test]
    fn a_lower_capacity_drops_addresses_that_are_not_in_use() {
        let (mut list, now) = list(10);
        (1..=5).for_each(|index| list.add(now, address(index), PeerSource::Tracker));
        list.connected(now, address(5), PeerSource::Tracker);
        let (dialled, _) = list.next(now).unwrap();
        list.set_capacity(3);
        list.check_invariants();
        assert_eq!(list.len(), 3);

        list.set_capacity(0);
        list.check_invariants();
        assert_eq!(list.len(), 2, "one is connected, one is being dialled");
        list.dial_failed(now, dialled);
        list.parted(now, address(5), Parting::Released);
        list.check_invariants();
        assert_eq!((list.len(), list.next_due()), (0, None));
    }
}

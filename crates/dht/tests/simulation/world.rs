//! A network of nodes in virtual time.
//!
//! Each node has an address in a range of its own and a distance to the middle of the network; a datagram takes the distance of
//! both ends, and some are lost. Everything follows from one seed.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use headwater_dht::{Config, Dht, Event, State};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::liar::Liar;

/// What a node is like.
pub(crate) enum Nature {
    /// As it should be.
    Honest,
    /// It left without a word.
    Dead,
    /// It does what it should until it is asked about others.
    Liar(Liar),
}

/// A node and what surrounds it.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) dht: Dht,
    pub(crate) nature: Nature,
    /// What it told since this was last emptied.
    pub(crate) events: Vec<Event>,
    delay: Duration,
    /// When it is to be woken.
    wake: Option<Duration>,
}

enum What {
    Deliver {
        to: usize,
        from: SocketAddr,
        payload: Vec<u8>,
    },
    Wake(usize),
}

/// See the [module](self).
pub(crate) struct World {
    pub(crate) peers: Vec<Peer>,
    pub(crate) rng: ChaCha8Rng,
    /// How many of a thousand datagrams are lost.
    pub(crate) lost_per_mille: u32,
    /// Datagrams that were sent.
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    places: HashMap<SocketAddr, usize>,
    agenda: BTreeMap<(Duration, u64), What>,
    scheduled: u64,
    start: Instant,
    time: Duration,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            peers: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            lost_per_mille: 10,
            datagrams: 0,
            bytes: 0,
            places: HashMap::new(),
            agenda: BTreeMap::new(),
            scheduled: 0,
            start: Instant::now(),
            time: Duration::ZERO,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.start + self.time
    }

    /// Adds a node with default settings, but for what `change` does, at an address of its own.
    pub(crate) fn add(&mut self, nature: Nature, change: impl FnOnce(&mut Config)) -> usize {
        let index = self.peers.len();
        let address = address_of(index);
        let mut config = Config::new(self.rng.random());
        config.ipv6 = false;
        if let IpAddr::V4(ip) = address.ip() {
            config.external_v4 = Some(ip);
        }
        change(&mut config);
        self.peers.push(Peer {
            address,
            dht: Dht::new(self.now(), config),
            nature,
            events: Vec::new(),
            delay: Duration::from_millis(self.rng.random_range(5..75)),
            wake: None,
        });
        self.places.insert(address, index);
        self.drain(index);
        index
    }

    /// Replaces a node by one at the same address that knows what the other one kept.
    pub(crate) fn restart(&mut self, index: usize, state: State) {
        let mut config = Config::new(self.rng.random());
        config.ipv6 = false;
        config.state = state;
        self.peers[index].dht = Dht::new(self.now(), config);
        self.drain(index);
    }

    /// Makes a node do something, and sends what comes of it.
    pub(crate) fn tell<T>(
        &mut self,
        index: usize,
        order: impl FnOnce(&mut Dht, Instant) -> T,
    ) -> T {
        let now = self.now();
        let result = order(&mut self.peers[index].dht, now);
        self.drain(index);
        result
    }

    /// Lets time go by.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.time + duration;
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= end
        {
            let ((time, _), what) = entry.remove_entry();
            self.time = time;
            self.happen(what);
        }
        self.time = end;
    }

    /// A random node of those that are honest and alive.
    pub(crate) fn honest(&mut self) -> usize {
        loop {
            let index = self.rng.random_range(0..self.peers.len());
            if matches!(self.peers[index].nature, Nature::Honest) {
                return index;
            }
        }
    }

    fn happen(&mut self, what: What) {
        let now = self.now();
        match what {
            What::Wake(index) => {
                let peer = &mut self.peers[index];
                if peer.wake != Some(self.time) || matches!(peer.nature, Nature::Dead) {
                    return;
                }
                peer.wake = None;
                peer.dht.handle_timeout(now);
                self.drain(index);
            }
            What::Deliver { to, from, payload } => self.deliver(now, to, from, &payload),
        }
    }

    fn deliver(&mut self, now: Instant, to: usize, from: SocketAddr, payload: &[u8]) {
        let peer = &mut self.peers[to];
        match &mut peer.nature {
            Nature::Dead => return,
            Nature::Honest => peer.dht.handle_datagram(now, from, payload),
            Nature::Liar(liar) => {
                if let Some(lie) = liar.answer(&peer.dht, payload, from, &mut self.rng) {
                    return self.send(to, from, lie);
                }
                peer.dht.handle_datagram(now, from, payload);
            }
        }
        self.drain(to);
    }

    /// Sends what a node wants to send, takes what it tells, and sees to it that it is woken.
    fn drain(&mut self, index: usize) {
        let mut out = Vec::new();
        let peer = &mut self.peers[index];
        while let Some(transmit) = peer.dht.poll_transmit() {
            out.push((transmit.to, transmit.payload.to_vec()));
        }
        while let Some(event) = peer.dht.poll_event() {
            peer.events.push(event);
        }
        let due = peer.dht.poll_timeout();
        let due = due.duration_since(self.start).max(self.time);
        if peer.wake.is_none_or(|wake| due < wake) {
            peer.wake = Some(due);
            self.schedule(due, What::Wake(index));
        }
        for (to, payload) in out {
            self.send(index, to, payload);
        }
    }

    fn send(&mut self, from: usize, to: SocketAddr, payload: Vec<u8>) {
        self.datagrams += 1;
        self.bytes += payload.len() as u64;
        let lost = self.rng.random_range(0..1000) < self.lost_per_mille;
        let Some(&to) = self.places.get(&to).filter(|_| !lost) else {
            return;
        };
        let jitter = Duration::from_micros(self.rng.random_range(0..5_000));
        let delay = self.peers[from].delay + self.peers[to].delay + jitter;
        let from = self.peers[from].address;
        self.schedule(self.time + delay, What::Deliver { to, from, payload });
    }

    fn schedule(&mut self, time: Duration, what: What) {
        self.scheduled += 1;
        self.agenda.insert((time, self.scheduled), what);
    }
}

/// An address in a range of its own.
pub(crate) fn address_of(index: usize) -> SocketAddr {
    // Spread, since ids follow from the first bits of addresses (BEP 42).
    let spread = (index as u32).wrapping_mul(0x9e37_79b1) >> 8;
    let [_, a, b, c] = spread.to_be_bytes();
    let first = 12 + a % 88;
    ([first, a, b, c], 6881).into()
}

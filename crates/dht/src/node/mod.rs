//! [`Dht`]: its state and how it is driven.

mod answer;
mod budget;
mod commands;
mod config;
mod event;
mod home;
mod lookups;
mod outbox;
mod patience;
mod reply;
mod stats;
#[cfg(test)]
mod tests;
mod transactions;
mod upkeep;
mod votes;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::krpc::{Body, Message, Query, QueryKind, Want};
use crate::lookup::{Goal, Lookup, LookupId};
use crate::{Family, NodeId, PerFamily, State};
use answer::Answering;
use budget::Budget;
pub use commands::TooManyLookups;
pub use config::{Config, Limits};
pub use event::Event;
use home::Home;
use outbox::Outbox;
pub use outbox::Transmit;
pub use stats::{FamilyStats, Stats};
use transactions::{Pending, Role, Transactions};

/// Time between looks at what is not pressing.
const TICK: Duration = Duration::from_secs(5);

/// Queries a second that only see whether nodes are there.
const PROBES_PER_SECOND: u32 = 10;

/// Nodes that wait for being asked whether they are there.
const MAX_PROBES: usize = 512;

/// A node of the distributed hash table: it finds peers, and answers others who look for them.
///
/// It does no input or output, reads no clock and draws its randomness from [`Config::seed`]: the same calls give the same
/// datagrams. Whoever drives it
///
/// 1. makes it with [`new`](Self::new), and tells it where to begin: [`Config::state`], [`add_router`](Self::add_router),
///    [`add_node`](Self::add_node);
/// 2. calls [`handle_datagram`](Self::handle_datagram) with what the sockets receive, and the commands, whenever it likes. `now`
///    never goes back;
/// 3. then sends what [`poll_transmit`](Self::poll_transmit) gives until that is `None`, and takes
///    [`poll_event`](Self::poll_event) until that is. A datagram that cannot be sent at once may be dropped;
/// 4. and calls [`handle_timeout`](Self::handle_timeout) at [`poll_timeout`](Self::poll_timeout), asked for after all else.
///    Being late costs speed, not correctness.
///
/// IPv4 addresses are to be given as such, also when the socket is one for both families.
///
/// ```
/// use std::net::{IpAddr, SocketAddr};
/// use std::time::Instant;
/// use headwater_dht::{Config, Dht, Event};
///
/// let now = Instant::now();
/// let mut dht = Dht::new(now, Config::new([7; 32])); // from the system's generator
/// let address: SocketAddr = "192.0.2.1:6881".parse()?;
/// let ping = dht.ping(now, address)?;
///
/// let datagram = dht.poll_transmit().expect("a query");
/// assert_eq!(datagram.to, address);
///
/// // Nobody answers.
/// let event = loop {
///     let due = dht.poll_timeout();
///     dht.handle_timeout(due);
///     if let Some(event) = dht.poll_event() {
///         break event;
///     }
/// };
/// assert!(matches!(event, Event::Done { lookup, stats } if lookup == ping && stats.timeouts == 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Dht {
    limits: Limits,
    restricted: bool,
    enforce_ids: bool,
    read_only: bool,
    version: Option<[u8; 4]>,
    rng: ChaCha8Rng,
    homes: PerFamily<Option<Home>>,
    transactions: Transactions,
    lookups: BTreeMap<LookupId, Lookup>,
    /// Lookups that begin when others have ended.
    waiting: VecDeque<(LookupId, Goal)>,
    /// Lookups that could not ask as much as they wanted.
    stalled: VecDeque<LookupId>,
    /// Nodes of whom it is to be seen whether they are there.
    probes: VecDeque<SocketAddr>,
    asking: Budget,
    probing: Budget,
    next_lookup: u64,
    answering: Answering,
    outbox: Outbox,
    events: VecDeque<Event>,
    tick: Instant,
    stats: Stats,
}

impl Dht {
    /// A node that knows nobody but those in [`Config::state`].
    pub fn new(now: Instant, config: Config) -> Self {
        let mut rng = ChaCha8Rng::from_seed(config.seed);
        let per_second = config.limits.queries_per_second;
        let restricted = config.restrict_addresses;
        let families = config.families();
        let mut dht = Self {
            restricted,
            enforce_ids: config.enforce_ids,
            read_only: config.read_only,
            version: config.version,
            homes: PerFamily::default(),
            transactions: Transactions::new(&config.limits, restricted),
            lookups: BTreeMap::new(),
            waiting: VecDeque::new(),
            stalled: VecDeque::new(),
            probes: VecDeque::new(),
            asking: Budget::new(now, per_second, 2 * per_second),
            probing: Budget::new(now, PROBES_PER_SECOND, 4 * PROBES_PER_SECOND),
            next_lookup: 0,
            answering: Answering::new(now, &config.limits, restricted, &mut rng),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            tick: now,
            stats: Stats::default(),
            rng,
            limits: config.limits,
        };
        let externals = PerFamily {
            v4: config.external_v4.map(IpAddr::from),
            v6: config.external_v6.map(IpAddr::from),
        };
        for family in families {
            dht.move_in(now, family, config.id, externals[family], &config.state);
        }
        dht
    }

    /// Takes a datagram that came from `from`. Whatever it is, it does no harm.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        self.stats.received += 1;
        if from.port() == 0 || self.homes[Family::of(from)].is_none() {
            return;
        }
        match Message::decode(datagram) {
            Ok(message) => self.handle_message(now, from, message),
            Err(error) => {
                self.stats.malformed += 1;
                self.refuse(now, from, &error);
            }
        }
    }

    /// The next datagram to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.outbox.pop()
    }

    /// The next thing that the user may want to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Instant {
        // Where transactions are what is lacking, the deadline of one comes first.
        let open = self.transactions.is_open();
        let stalled = (open && !self.stalled.is_empty()).then(|| self.asking.ready_at());
        let probes = (open && !self.probes.is_empty()).then(|| self.probing.ready_at());
        let transactions = self.transactions.deadline();
        let others = [stalled, probes, transactions];
        others.into_iter().flatten().fold(self.tick, Instant::min)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(pending) = self.transactions.take_late(now) {
            self.handle_late(now, &pending);
        }
        while let Some(pending) = self.transactions.take_expired(now) {
            self.handle_expired(now, &pending);
        }
        if now >= self.tick {
            self.tick = now + TICK;
            self.look_after_all(now);
        }
        self.pump(now);
    }

    /// What is to be kept over a restart: our ids and the good nodes.
    pub fn state(&self, now: Instant) -> State {
        let mut state = State::default();
        for family in Family::ALL {
            let Some(home) = &self.homes[family] else {
                continue;
            };
            state.ids[family] = Some(home.table.own());
            let good = home.table.entries().filter(|entry| entry.is_good(now));
            state.nodes.extend(good.map(|entry| entry.contact));
            if !home.ready {
                state.nodes.extend(&home.kept);
            }
        }
        state
    }

    /// Our id in a family, unless it is turned off.
    pub fn id(&self, family: Family) -> Option<NodeId> {
        self.homes[family].as_ref().map(|home| home.table.own())
    }

    fn handle_message(&mut self, now: Instant, from: SocketAddr, message: Message) {
        let Message {
            transaction,
            external,
            read_only,
            body,
            ..
        } = message;
        match body {
            Body::Query(query) => self.handle_query(now, from, transaction, read_only, &query),
            Body::Response(response) => {
                self.handle_response(now, from, &transaction, external, *response);
            }
            Body::Error(error) => self.handle_refusal(now, from, &transaction, external, error),
        }
    }

    /// Asks something, and says whether that was possible.
    fn ask(
        &mut self,
        now: Instant,
        to: SocketAddr,
        expected: Option<NodeId>,
        role: Role,
        kind: QueryKind,
    ) -> bool {
        let family = Family::of(to);
        let Some(home) = &self.homes[family] else {
            return false;
        };
        // Whoever is there for beginners is asked by all lookups at first.
        let may_ask = home.routers.contains(&to) || self.transactions.may_ask(to);
        if !self.transactions.is_open() || !may_ask {
            return false;
        }
        let id = home.table.own();
        let want = self.want(family, home.ready);
        let pending = Pending {
            to,
            expected,
            sent: now,
            role,
        };
        let transaction = self.transactions.open(pending, &mut self.rng);
        let query = Query { id, want, kind };
        let mut message = Message::new(transaction, Body::Query(query));
        message.version = self.version;
        message.read_only = self.read_only;
        self.stats.queries += 1;
        self.outbox.push(to, |out| message.encode(out))
    }

    /// Of which families nodes are wanted: of both only as long as they are few (BEP 32).
    fn want(&self, family: Family, ready: bool) -> Want {
        let other = self.homes[family.other()].as_ref();
        match other {
            Some(other) if !ready || !other.ready => Want { v4: true, v6: true },
            _ => Want::default(),
        }
    }
}

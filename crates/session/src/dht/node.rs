//! The node with its sockets: every call hands something to it, and then does what it says.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dht::{Announce, Config, Dht, Event, Family, LookupId, PerFamily, State};
use headwater_metainfo::InfoHash;
use headwater_swarm::PeerSource;
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc};

use super::{DhtError, DhtStats, DhtStatus};
use crate::driver::Input;
use crate::udp;

/// Good nodes of a family with which it is no beginner any more.
const ENOUGH: usize = 8;
/// What a lookup may tell before its user has looked: more than its queries can bring.
const EVENTS: usize = 1024;
/// How long nothing happens when nothing is due.
const IDLE: Duration = Duration::from_hours(1);

/// See the [module](self). No lock is held while anything is waited for.
#[derive(Debug)]
pub(crate) struct Node {
    state: Mutex<Inner>,
    sockets: PerFamily<Option<Arc<UdpSocket>>>,
    /// It has begun, or is due earlier than it was.
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    life: Life,
    /// Who waits for what.
    searches: HashMap<LookupId, Listener>,
    external: PerFamily<Option<IpAddr>>,
    /// When the task looks next.
    alarm: Instant,
    unsent: u64,
}

#[derive(Debug)]
enum Life {
    /// What it will be made from once it is needed.
    Idle(Box<Config>),
    Running(Box<Dht>),
    Over,
}

/// Who is told of a lookup.
#[derive(Debug)]
enum Listener {
    Torrent(mpsc::UnboundedSender<Input>),
    Handle(mpsc::Sender<Event>),
}

impl Node {
    /// A node for the families that have a socket.
    pub(crate) fn new(sockets: PerFamily<Option<Arc<UdpSocket>>>, mut config: Config) -> Self {
        config.ipv4 = sockets.v4.is_some();
        config.ipv6 = sockets.v6.is_some();
        Self {
            state: Mutex::new(Inner {
                life: Life::Idle(Box::new(config)),
                searches: HashMap::new(),
                external: PerFamily::default(),
                alarm: now(),
                unsent: 0,
            }),
            sockets,
            changed: Notify::new(),
        }
    }

    /// Takes what came over a socket.
    pub(crate) fn handle_datagram(&self, from: SocketAddr, datagram: &[u8]) {
        self.turn(|dht, now| dht.handle_datagram(now, from, datagram));
    }

    /// Does what is due, and says when to come again.
    pub(super) fn tick(&self) -> Instant {
        let due = self.turn(|dht, now| {
            if dht.poll_timeout() <= now {
                dht.handle_timeout(now);
            }
        });
        let mut state = self.state.lock();
        state.alarm = match (due, &state.life) {
            (Some(()), Life::Running(dht)) => dht.poll_timeout(),
            _ => now() + IDLE,
        };
        state.alarm
    }

    /// Resolves when [`tick`](Self::tick) is to be called earlier than it said. For the task alone.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Tells of nodes that may be there.
    pub(crate) fn add_nodes(&self, nodes: impl IntoIterator<Item = SocketAddr>) {
        self.turn(|dht, now| {
            for node in nodes {
                dht.add_node(now, node);
            }
        });
    }

    /// Tells of nodes that help others.
    pub(super) fn add_routers(&self, routers: impl IntoIterator<Item = SocketAddr>) {
        self.turn(|dht, now| {
            for router in routers {
                dht.add_router(now, router);
            }
        });
    }

    /// Looks for peers of a torrent, and announces it; tells its loop of each peer, and of the end. `None` if the node has too much
    /// to do already.
    pub(crate) fn find_peers(
        &self,
        info_hash: InfoHash,
        announce: Announce,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> Option<LookupId> {
        let begin = |dht: &mut Dht, now| dht.announce(now, info_hash, announce);
        self.start(begin, Listener::Torrent(inputs)).ok()
    }

    /// Starts something for a handle.
    pub(super) fn search(
        &self,
        begin: impl FnOnce(&mut Dht, Instant) -> Result<LookupId, headwater_dht::TooManyLookups>,
    ) -> Result<(LookupId, mpsc::Receiver<Event>), DhtError> {
        let (events, receiver) = mpsc::channel(EVENTS);
        let lookup = self.start(begin, Listener::Handle(events))?;
        Ok((lookup, receiver))
    }

    fn start(
        &self,
        begin: impl FnOnce(&mut Dht, Instant) -> Result<LookupId, headwater_dht::TooManyLookups>,
        listener: Listener,
    ) -> Result<LookupId, DhtError> {
        // Registered before anything is told of it.
        let begun = self.turn_with(|dht, searches, now| {
            let lookup = begin(dht, now).map_err(|_| DhtError::Busy)?;
            searches.insert(lookup, listener);
            Ok(lookup)
        });
        begun.unwrap_or(Err(DhtError::Closed))
    }

    /// Ends a lookup of which nobody wants to hear any more.
    pub(crate) fn cancel(&self, lookup: LookupId) {
        self.turn_with(|dht, searches, now| {
            if searches.remove(&lookup).is_some() {
                dht.cancel(now, lookup);
            }
        });
    }

    /// Whether somebody needed it already.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.state.lock().life, Life::Idle(_))
    }

    /// Whether it needs no more help to find nodes.
    pub(super) fn is_settled(&self) -> bool {
        let stats = self.stats().node;
        let families = Family::ALL.iter();
        families
            .map(|&family| stats.families[family].good)
            .any(|good| good >= ENOUGH)
    }

    /// Its figures.
    pub(super) fn stats(&self) -> DhtStats {
        let state = self.state.lock();
        let mut stats = DhtStats {
            status: DhtStatus::Idle,
            external: state.external,
            unsent: state.unsent,
            ..DhtStats::default()
        };
        match &state.life {
            Life::Idle(_) => {}
            Life::Over => stats.status = DhtStatus::Off,
            Life::Running(dht) => {
                stats.status = DhtStatus::Running;
                stats.ids = PerFamily::new(|family| dht.id(family));
                stats.node = dht.stats(now());
            }
        }
        stats
    }

    /// What is to be kept, if it has done anything.
    pub(super) fn kept(&self) -> Option<State> {
        match &self.state.lock().life {
            Life::Running(dht) => Some(dht.state(now())),
            Life::Idle(_) | Life::Over => None,
        }
    }

    /// Ends it, and whatever waits for something.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.life = Life::Over;
        state.searches.clear();
    }

    /// Hands something to the node, which begins with that at the latest, then does what it says. `None` if it is over.
    fn turn<T>(&self, act: impl FnOnce(&mut Dht, Instant) -> T) -> Option<T> {
        self.turn_with(|dht, _, now| act(dht, now))
    }

    fn turn_with<T>(
        &self,
        act: impl FnOnce(&mut Dht, &mut HashMap<LookupId, Listener>, Instant) -> T,
    ) -> Option<T> {
        let mut state = self.state.lock();
        // Under the lock, so that it never goes back.
        let now = now();
        let has_begun = state.life.begin(now);
        let inner = &mut *state;
        let Life::Running(dht) = &mut inner.life else {
            return None;
        };
        let outcome = act(dht, &mut inner.searches, now);
        self.settle(inner);
        if has_begun || inner.is_due_earlier() {
            self.changed.notify_one();
        }
        Some(outcome)
    }

    /// Sends what is to be sent and tells what is to be told.
    fn settle(&self, inner: &mut Inner) {
        let Life::Running(dht) = &mut inner.life else {
            return;
        };
        while let Some(datagram) = dht.poll_transmit() {
            let socket = &self.sockets[Family::of(datagram.to)];
            let sent = socket
                .as_ref()
                .is_some_and(|socket| udp::send_now(socket, datagram.payload, datagram.to));
            inner.unsent += u64::from(!sent);
        }
        while let Some(event) = dht.poll_event() {
            tell(&mut inner.searches, &mut inner.external, event);
        }
    }
}

impl Life {
    /// Begins if it has not; whether it was now.
    fn begin(&mut self, now: Instant) -> bool {
        let Self::Idle(config) = self else {
            return false;
        };
        let config = (**config).clone();
        *self = Self::Running(Box::new(Dht::new(now, config)));
        true
    }
}

impl Inner {
    fn is_due_earlier(&self) -> bool {
        matches!(&self.life, Life::Running(dht) if dht.poll_timeout() < self.alarm)
    }
}

fn tell(
    searches: &mut HashMap<LookupId, Listener>,
    external: &mut PerFamily<Option<IpAddr>>,
    event: Event,
) {
    if let Event::ExternalAddress { ip, .. } = event {
        tracing::info!(%ip, "nodes of the DHT agree that this is our address");
        external[Family::of(SocketAddr::new(ip, 0))] = Some(ip);
    }
    let Some(lookup) = lookup_of(&event) else {
        return;
    };
    let Some(listener) = searches.get(&lookup) else {
        return;
    };
    let is_last = matches!(event, Event::Done { .. });
    listener.tell(event);
    if is_last {
        searches.remove(&lookup);
    }
}

impl Listener {
    fn tell(&self, event: Event) {
        match (self, event) {
            // It is dropped where nobody looks; there is more room than a lookup has to say.
            (Self::Handle(events), event) => drop(events.try_send(event)),
            (Self::Torrent(inputs), Event::Peers { peers, .. }) => {
                for peer in peers {
                    let _ = inputs.send(Input::Found(peer, PeerSource::Dht));
                }
            }
            (Self::Torrent(inputs), Event::Done { lookup, stats }) => {
                let _ = inputs.send(Input::DhtSearched(lookup, stats));
            }
            (Self::Torrent(_), _) => {}
        }
    }
}

fn lookup_of(event: &Event) -> Option<LookupId> {
    match event {
        Event::Peers { lookup, .. }
        | Event::Samples { lookup, .. }
        | Event::Item { lookup, .. }
        | Event::Scraped { lookup, .. }
        | Event::Nodes { lookup, .. }
        | Event::Pong { lookup, .. }
        | Event::Refused { lookup, .. }
        | Event::Done { lookup, .. } => Some(*lookup),
        Event::ExternalAddress { .. } | Event::Ready { .. } => None,
    }
}

/// The time, as tokio has it: tests may stop it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

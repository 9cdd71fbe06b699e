//! Local service discovery (BEP 14): peers on the same network find each other by multicast.
//!
//! One task a session has the sockets. Torrents join and leave it; what it hears goes to their loops.

mod message;
mod schedule;
mod sockets;
mod throttle;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_metainfo::InfoHash;
use headwater_swarm::PeerSource;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use message::{Announce, AnnounceError, Group};
pub(crate) use sockets::Scope;

use crate::driver::Input;
use crate::peer_id::random_u64;
use schedule::Schedule;
use sockets::Sockets;
use throttle::Throttle;

/// Time between two looks at which interfaces there are.
const LOOK: Duration = Duration::from_mins(1);

/// What a torrent says to the task.
#[derive(Debug)]
enum Order {
    Join(InfoHash, mpsc::UnboundedSender<Input>),
    Leave(InfoHash),
}

/// Torrents' way to the task. Without one, it does nothing.
#[derive(Debug, Default)]
pub(crate) struct Lsd(Option<mpsc::UnboundedSender<Order>>);

impl Lsd {
    /// Starts the task, which announces `port` until the session is over. Must be called inside of a runtime.
    pub(crate) fn start(port: u16, scope: Scope, closing: CancellationToken) -> Self {
        let (orders, receiver) = mpsc::unbounded_channel();
        let task = Task {
            port,
            cookie: format!("{:016x}", random_u64()),
            sockets: Sockets::open(scope),
            looked: now(),
            schedule: Schedule::default(),
            throttle: Throttle::default(),
            torrents: HashMap::new(),
        };
        tokio::spawn(task.run(receiver, closing));
        Self(Some(orders))
    }

    /// A torrent wants to find peers, and to be found.
    pub(crate) fn join(&self, info_hash: InfoHash, inputs: mpsc::UnboundedSender<Input>) {
        if let Some(orders) = &self.0 {
            let _ = orders.send(Order::Join(info_hash, inputs));
        }
    }

    /// A torrent wants neither any more.
    pub(crate) fn leave(&self, info_hash: InfoHash) {
        if let Some(orders) = &self.0 {
            let _ = orders.send(Order::Leave(info_hash));
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

struct Task {
    port: u16,
    /// By which we know our own announces.
    cookie: String,
    sockets: Sockets,
    /// When interfaces were last looked for.
    looked: Instant,
    schedule: Schedule,
    throttle: Throttle,
    torrents: HashMap<InfoHash, mpsc::UnboundedSender<Input>>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>, closing: CancellationToken) {
        let mut buffers = [[0; 2048]; 2];
        loop {
            let due = self.schedule.next_due();
            tokio::select! {
                () = closing.cancelled() => return,
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                received = self.sockets.receive(&mut buffers) => match received {
                    Ok((buffer, length, from)) => self.hear(&buffers[buffer][..length], from),
                    // An error of an interface, such as one that is gone; not to be repeated at full speed.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                () = sleep_until(due) => self.announce(),
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Join(info_hash, inputs) => {
                self.torrents.insert(info_hash, inputs);
                self.schedule.join(now(), info_hash);
            }
            Order::Leave(info_hash) => {
                self.torrents.remove(&info_hash);
                self.schedule.leave(info_hash);
            }
        }
    }

    fn announce(&mut self) {
        let now = now();
        if now.saturating_duration_since(self.looked) >= LOOK {
            self.looked = now;
            self.sockets.refresh();
        }
        for info_hashes in self.schedule.take_due(now) {
            let announce = Announce {
                port: self.port,
                info_hashes,
                cookie: Some(self.cookie.clone()),
            };
            for group in [Group::V4, Group::V6] {
                self.sockets.send(&announce.encode(group), group);
            }
        }
    }

    fn hear(&mut self, datagram: &[u8], from: SocketAddr) {
        if !self.throttle.admits(now(), from.ip()) {
            return;
        }
        let Ok(announce) = Announce::decode(datagram) else {
            return;
        };
        if announce.cookie.as_ref() == Some(&self.cookie) {
            return;
        }
        let mut peer = from;
        peer.set_port(announce.port);
        // Each once, however often it is named.
        let info_hashes: BTreeSet<_> = announce.info_hashes.iter().collect();
        for info_hash in info_hashes {
            if let Some(inputs) = self.torrents.get(info_hash) {
                let _ = inputs.send(Input::Found(peer, PeerSource::LocalDiscovery));
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

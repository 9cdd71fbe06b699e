//! A node under attack, and what its attackers can do.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use headwater_dht::krpc::{Body, Message, Query, QueryKind, Response, Token, Transaction, Want};
use headwater_dht::{Config, Contact, Dht, Event, NodeId};
use headwater_metainfo::InfoHash;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

static ALONE: Mutex<()> = Mutex::new(());

/// See the [module](self).
pub(crate) struct Victim {
    /// Memory is counted for the whole process.
    _alone: MutexGuard<'static, ()>,
    pub(crate) dht: Dht,
    pub(crate) now: Instant,
    pub(crate) rng: ChaCha8Rng,
}

impl Victim {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let now = Instant::now();
        let mut config = Config::new([3; 32]);
        change(&mut config);
        Self {
            _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
            dht: Dht::new(now, config),
            now,
            rng: ChaCha8Rng::seed_from_u64(3),
        }
    }

    pub(crate) fn receive(&mut self, from: SocketAddr, message: &Message) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.dht.handle_datagram(self.now, from, &bytes);
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.dht.handle_timeout(self.now);
    }

    /// What it sends, as far as it is a message.
    pub(crate) fn sent(&mut self) -> Vec<(SocketAddr, Message)> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.dht.poll_transmit() {
            sent.push((transmit.to, Message::decode(transmit.payload).unwrap()));
        }
        sent
    }

    /// The queries that it sends.
    pub(crate) fn asked(&mut self) -> Vec<(SocketAddr, Transaction, Query)> {
        let sent = self.sent().into_iter();
        let queries = sent.filter_map(|(to, message)| match message.body {
            Body::Query(query) => Some((to, message.transaction, query)),
            _ => None,
        });
        queries.collect()
    }

    /// Its answer to a query from an address.
    pub(crate) fn ask(&mut self, from: SocketAddr, kind: QueryKind) -> Option<Body> {
        let query = query(self.id(), kind);
        self.receive(from, &query);
        let sent = self.sent().into_iter();
        let mut answers =
            sent.filter(|(to, message)| *to == from && message.transaction == query.transaction);
        answers.next().map(|(_, message)| message.body)
    }

    /// A token for an address.
    pub(crate) fn token(&mut self, from: SocketAddr) -> Token {
        let get = QueryKind::GetPeers {
            info_hash: InfoHash([1; 20]),
            noseed: false,
            scrape: false,
        };
        match self.ask(from, get) {
            Some(Body::Response(response)) => response.token.unwrap(),
            other => panic!("no token: {other:?}"),
        }
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.dht.poll_event()).collect()
    }

    pub(crate) fn id(&mut self) -> NodeId {
        NodeId(self.rng.random())
    }

    /// An address in a range of its own, most likely.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let [a, b, c]: [u8; 3] = self.rng.random();
        ([20 + a % 100, b, c, 1], 6881).into()
    }

    pub(crate) fn contact(&mut self) -> Contact {
        let (id, address) = (self.id(), self.address());
        Contact { id, address }
    }
}

pub(crate) fn query(id: NodeId, kind: QueryKind) -> Message {
    let want = Want::default();
    let body = Body::Query(Query { id, want, kind });
    Message::new(Transaction::new(b"zz").unwrap(), body)
}

pub(crate) fn answer(transaction: &Transaction, response: Response) -> Message {
    Message::new(transaction.clone(), Body::Response(Box::new(response)))
}

pub(crate) fn announce(torrent: InfoHash, token: Token) -> QueryKind {
    QueryKind::AnnouncePeer {
        info_hash: torrent,
        port: 6881,
        implied_port: false,
        token,
        seed: false,
    }
}

//! How fast a node with a full table answers: a datagram in, a datagram out.
#![allow(missing_docs)]
#![allow(clippy::disallowed_methods, reason = "virtual time needs an origin")]

use std::net::SocketAddr;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headwater_dht::krpc::{Body, Message, Query, QueryKind, Response, Transaction, Want};
use headwater_dht::security::node_id;
use headwater_dht::throttle::ThrottleOptions;
use headwater_dht::{Config, Dht, NodeId};
use headwater_metainfo::InfoHash;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Nodes that try to get into the table.
const NODES: u32 = 5_000;
/// Different datagrams.
const QUERIES: usize = 4_096;

struct Fixture {
    dht: Dht,
    now: Instant,
    rng: Xoshiro256PlusPlus,
}

impl Fixture {
    fn new() -> Self {
        let now = Instant::now();
        let mut config = Config::new([1; 32]);
        config.limits.throttle = ThrottleOptions {
            per_address: u32::MAX,
            total: u32::MAX,
            ..ThrottleOptions::default()
        };
        let mut fixture = Self {
            dht: Dht::new(now, config),
            now,
            rng: Xoshiro256PlusPlus::seed_from_u64(1),
        };
        (0..NODES).for_each(|number| fixture.befriend(number));
        fixture
    }

    /// A node asks something, and answers when it is asked whether it is there.
    fn befriend(&mut self, number: u32) {
        self.now += std::time::Duration::from_millis(100);
        let address = address(number);
        let id = node_id(address.ip(), &mut self.rng);
        let ping = datagram(id, QueryKind::Ping);
        self.dht.handle_datagram(self.now, address, &ping);
        let mut answers = Vec::new();
        while let Some(transmit) = self.dht.poll_transmit() {
            let message = Message::decode(transmit.payload).unwrap();
            if let Body::Query(_) = message.body {
                let response = Body::Response(Box::new(Response::new(id)));
                answers.push((transmit.to, Message::new(message.transaction, response)));
            }
        }
        for (from, message) in answers.into_iter().filter(|(to, _)| *to == address) {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            self.dht.handle_datagram(self.now, from, &bytes);
        }
        self.dht.handle_timeout(self.now);
    }

    /// Peers of a hundred torrents, each of them from an address of its own.
    fn announce(&mut self, torrents: u8, peers: u32) {
        for torrent in 0..torrents {
            for peer in 0..peers {
                let from = address(peer);
                let get = QueryKind::GetPeers {
                    info_hash: hash(torrent),
                    noseed: false,
                    scrape: false,
                };
                let Some(Body::Response(response)) = self.ask(from, get) else {
                    panic!("no answer");
                };
                let announce = QueryKind::AnnouncePeer {
                    info_hash: hash(torrent),
                    port: 6881,
                    implied_port: false,
                    token: response.token.unwrap(),
                    seed: false,
                };
                self.ask(from, announce);
            }
        }
    }

    fn ask(&mut self, from: SocketAddr, kind: QueryKind) -> Option<Body> {
        let query = datagram(NodeId(self.rng.random()), kind);
        self.dht.handle_datagram(self.now, from, &query);
        let mut answer = None;
        while let Some(transmit) = self.dht.poll_transmit() {
            let message = Message::decode(transmit.payload).unwrap();
            if transmit.to == from && !matches!(message.body, Body::Query(_)) {
                answer = Some(message.body);
            }
        }
        answer
    }
}

fn address(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.wrapping_mul(0x9e37_79b1).to_be_bytes();
    ([20 + a % 100, b, c, 1], 6881).into()
}

fn hash(torrent: u8) -> InfoHash {
    InfoHash([torrent; 20])
}

fn datagram(id: NodeId, kind: QueryKind) -> Vec<u8> {
    let query = Query {
        id,
        want: Want::default(),
        kind,
    };
    let mut bytes = Vec::new();
    let transaction = Transaction::new(b"aa").unwrap();
    Message::new(transaction, Body::Query(query)).encode(&mut bytes);
    bytes
}

type MakeQuery = fn(&mut Xoshiro256PlusPlus) -> QueryKind;

fn answers(c: &mut Criterion) {
    let mut fixture = Fixture::new();
    fixture.announce(100, 50);
    let good = fixture.dht.stats(fixture.now).families.v4.good;
    assert!(good > 250, "{good}");
    let kinds: [(&str, MakeQuery); 4] = [
        ("ping", |_| QueryKind::Ping),
        ("find_node", |rng| QueryKind::FindNode {
            target: NodeId(rng.random()),
        }),
        ("get_peers, none known", |rng| {
            get_peers(InfoHash(rng.random()))
        }),
        ("get_peers, 50 known", |rng| {
            get_peers(hash(rng.random_range(0..100)))
        }),
    ];
    let mut group = c.benchmark_group("answer");
    group.throughput(Throughput::Elements(1));
    for (name, kind) in kinds {
        let rng = &mut fixture.rng;
        let queries: Vec<_> = (0..QUERIES)
            .map(|number| {
                let from = address(rng.random_range(0..1 << 20) + number as u32);
                (from, datagram(NodeId(rng.random()), kind(rng)))
            })
            .collect();
        let mut next = 0;
        let (dht, now) = (&mut fixture.dht, fixture.now);
        group.bench_function(name, |b| {
            b.iter(|| {
                let (from, query) = &queries[next % QUERIES];
                next += 1;
                dht.handle_datagram(now, *from, query);
                let mut bytes = 0;
                while let Some(transmit) = dht.poll_transmit() {
                    bytes += transmit.payload.len();
                }
                bytes
            });
        });
    }
    group.finish();
}

fn get_peers(info_hash: InfoHash) -> QueryKind {
    QueryKind::GetPeers {
        info_hash,
        noseed: false,
        scrape: false,
    }
}

criterion_group!(benches, answers);
criterion_main!(benches);

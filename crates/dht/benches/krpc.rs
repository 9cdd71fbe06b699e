//! What one message costs, and what is done for each query: `cargo bench -p headwater-dht --bench krpc`.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use headwater_dht::krpc::{Body, Message, Query, QueryKind, Response, Token, Want};
use headwater_dht::storage::{PeerLimits, PeerStore, Wanted};
use headwater_dht::throttle::{Throttle, ThrottleOptions};
use headwater_dht::token::Tokens;
use headwater_dht::{Contact, NodeId};
use headwater_metainfo::InfoHash;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

fn query() -> Message {
    let kind = QueryKind::GetPeers {
        info_hash: InfoHash([2; 20]),
        noseed: false,
        scrape: false,
    };
    let want = Want::default();
    let id = NodeId([1; 20]);
    Message::new(7.into(), Body::Query(Query { id, want, kind }))
}

fn response(peers: u8) -> Message {
    let mut response = Response::new(NodeId([1; 20]));
    response.nodes = (0..8).map(|n| contact(n + 1)).collect();
    response.token = Token::new(b"12345678");
    response.values = (0..peers).map(address).collect();
    Message::new(7.into(), Body::Response(Box::new(response)))
}

fn contact(number: u8) -> Contact {
    let id = NodeId([number; 20]);
    let address = address(number);
    Contact { id, address }
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, number], 6881))
}

#[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
fn origin() -> Instant {
    Instant::now()
}

fn messages(criterion: &mut Criterion) {
    for (name, message) in [
        ("get_peers", query()),
        ("nodes", response(0)),
        ("nodes and 50 peers", response(50)),
    ] {
        let mut datagram = Vec::new();
        message.encode(&mut datagram);
        criterion.bench_function(&format!("decode {name}"), |bencher| {
            bencher.iter(|| Message::decode(black_box(&datagram)));
        });
        criterion.bench_function(&format!("encode {name}"), |bencher| {
            bencher.iter(|| {
                datagram.clear();
                black_box(&message).encode(&mut datagram);
            });
        });
    }
}

fn per_query(criterion: &mut Criterion) {
    let now = origin();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let tokens = Tokens::new(now, &mut rng);
    let ip = IpAddr::from([192, 0, 2, 1]);
    criterion.bench_function("issue a token", |bencher| {
        bencher.iter(|| tokens.issue(now, black_box(ip)));
    });
    let mut throttle = Throttle::new(ThrottleOptions::default(), now, &mut rng);
    let mut number = 0_u32;
    criterion.bench_function("throttle", |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(1);
            throttle.query(now, IpAddr::V4(number.into()))
        });
    });
}

fn stores(criterion: &mut Criterion) {
    let now = origin();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut store = PeerStore::new(PeerLimits::default(), now, &mut rng);
    let torrent = InfoHash([2; 20]);
    let peer = |number: u32| SocketAddr::from((std::net::Ipv4Addr::from_bits(number), 6881));
    let mut number = 0x3000_0000;
    criterion.bench_function("announce to a full torrent", |bencher| {
        bencher.iter(|| {
            number += 1;
            store.announce(now, torrent, peer(number), false);
        });
    });
    let wanted = Wanted {
        v6: false,
        most: 50,
        no_seeds: false,
    };
    let mut peers = Vec::new();
    criterion.bench_function("50 of 500 peers", |bencher| {
        bencher.iter(|| {
            peers.clear();
            store.sample(now, &torrent, wanted, &mut peers);
        });
    });
    criterion.bench_function("scrape 500 peers", |bencher| {
        bencher.iter(|| store.scrape(now, &torrent));
    });
}

criterion_group!(benches, messages, per_query, stores);
criterion_main!(benches);

//! A node among enemies: nothing grows, nothing panics, nobody is believed who was not asked.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "virtual time needs an origin, and this is no part of the node"
)]

mod victim;

use std::time::Duration;

use headwater_dht::item::{Item, Value};
use headwater_dht::krpc::{Body, ErrorCode, Message, PutArgs, QueryKind, Response, Token};
use headwater_dht::{Event, Family, NodeId};
use headwater_metainfo::InfoHash;
use peak_alloc::PeakAlloc;
use rand::RngExt;
use victim::{Victim, announce, answer, query};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MINUTE: Duration = Duration::from_mins(1);

const TORRENT: InfoHash = InfoHash([1; 20]);

/// Does something, and fails if more memory is in use afterwards than `most` MiB.
fn within(most: f32, attack: impl FnOnce()) {
    let before = MEMORY.current_usage_as_mb();
    attack();
    let grown = MEMORY.current_usage_as_mb() - before;
    println!("{grown:.2} MiB more");
    assert!(grown < most, "{grown} MiB more are in use");
}

#[test]
fn garbage_is_nothing() {
    let mut victim = Victim::new();
    let good = {
        let mut bytes = Vec::new();
        let find = QueryKind::FindNode {
            target: NodeId([9; 20]),
        };
        query(NodeId([8; 20]), find).encode(&mut bytes);
        bytes
    };
    for round in 0..50_000 {
        let from = victim.address();
        let mut bytes = good.clone();
        if round % 2 == 0 {
            let length = victim.rng.random_range(0..3_000);
            bytes = (0..length).map(|_| victim.rng.random()).collect();
        } else {
            let at = victim.rng.random_range(0..bytes.len());
            bytes[at] = victim.rng.random();
            bytes.truncate(victim.rng.random_range(0..=good.len()));
        }
        victim.dht.handle_datagram(victim.now, from, &bytes);
        victim.sent();
        victim.wait(Duration::from_millis(1));
    }
    let stats = victim.dht.stats(victim.now);
    assert!(stats.malformed > 25_000);
    assert!(stats.transactions <= 100, "{stats:?}");
    assert_eq!((stats.torrents, stats.items), (0, 0));
}

#[test]
fn only_who_was_asked_answers_and_only_to_that() {
    let mut victim = Victim::new();
    let (asked, other) = (victim.address(), victim.address());
    let ping = victim.dht.ping(victim.now, asked).unwrap();
    let (to, transaction, _) = victim.asked().remove(0);
    assert_eq!(to, asked);
    let id = victim.id();

    let mut guess = 0_u32;
    for from in [asked, other] {
        for _ in 0..70_000 {
            guess = guess.wrapping_add(1);
            let transaction = headwater_dht::krpc::Transaction::new(&guess.to_be_bytes()).unwrap();
            victim.receive(from, &answer(&transaction, Response::new(id)));
        }
    }
    victim.receive(other, &answer(&transaction, Response::new(id)));
    let port = (asked.ip(), asked.port() + 1).into();
    victim.receive(port, &answer(&transaction, Response::new(id)));
    assert_eq!(victim.dht.stats(victim.now).unsolicited, 140_002);
    assert_eq!(victim.events(), []);
    assert_eq!(victim.dht.stats(victim.now).families.v4.good, 0);

    victim.receive(asked, &answer(&transaction, Response::new(id)));
    let events = victim.events();
    assert!(
        matches!(&events[0], Event::Pong { lookup, from, .. } if *lookup == ping && from.id == id)
    );
    assert!(matches!(&events[1], Event::Done { lookup, .. } if *lookup == ping));

    // And only once.
    victim.receive(asked, &answer(&transaction, Response::new(id)));
    assert_eq!(victim.events(), []);
}

#[test]
fn nothing_is_stored_without_a_token_of_ours() {
    let mut victim = Victim::new();
    let (from, thief) = (victim.address(), victim.address());
    let token = victim.token(from);
    let value = Item::Immutable(Value::text("mine").unwrap());
    let put = |token: Token| {
        let (item, cas) = (value.clone(), None);
        QueryKind::Put(Box::new(PutArgs { token, item, cas }))
    };
    let forged = Token::new(&[7; 8]).unwrap();
    let mut attempts = vec![(from, forged), (thief, token.clone())];
    attempts.push((from, Token::new(b"").unwrap()));
    for (from, token) in attempts {
        for kind in [announce(TORRENT, token.clone()), put(token)] {
            match victim.ask(from, kind) {
                Some(Body::Error(error)) => assert_eq!(error.code, ErrorCode::PROTOCOL),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(matches!(
        victim.ask(from, put(token.clone())),
        Some(Body::Response(_))
    ));
    victim.wait(11 * MINUTE);
    let late = victim.ask(from, announce(TORRENT, token));
    assert!(matches!(late, Some(Body::Error(_))));
    let stats = victim.dht.stats(victim.now);
    assert_eq!((stats.torrents, stats.items), (0, 1));
}

/// Answers everything that is asked with `more` contacts, each time others, and each time nearer to the target.
fn lead_on(victim: &mut Victim, more: usize, answering: bool) -> u32 {
    let target = NodeId(TORRENT.0);
    let first = victim.address();
    victim.dht.add_router(victim.now, first);
    let id = victim.dht.get_peers(victim.now, TORRENT).unwrap();
    let mut known = std::collections::HashMap::new();
    for step in 0_u32..2_000 {
        for (to, transaction, _) in victim.asked() {
            let id = known.get(&to).copied().unwrap_or(NodeId([7; 20]));
            if !answering && known.contains_key(&to) {
                continue;
            }
            let mut response = Response::new(id);
            response.token = Token::new(b"token");
            for _ in 0..more {
                let mut contact = victim.contact();
                // Ever nearer: so many bytes are right, and then comes a smaller and smaller one.
                let right = 2 + (step as usize / 256).min(17);
                contact.id.0[..right].copy_from_slice(&target.0[..right]);
                contact.id.0[right] = target.0[right] ^ (255 - step as u8);
                known.insert(contact.address, contact.id);
                response.nodes.push(contact);
            }
            response.values = (0..200).map(|_| victim.address()).collect();
            victim.receive(to, &answer(&transaction, response));
        }
        victim.wait(Duration::from_millis(100));
        for event in victim.events() {
            if let Event::Done { lookup, stats } = event
                && lookup == id
            {
                return stats.queries;
            }
        }
    }
    panic!("it goes on and on");
}

#[test]
fn lookups_end_however_they_are_led_on() {
    for (more, answering) in [(8, true), (32, true), (32, false), (1, true)] {
        let mut victim = Victim::new();
        let queries = lead_on(&mut victim, more, answering);
        println!("{more} nodes in each answer, which answer: {answering}: {queries} queries");
        // What a lookup may ask, and what it announces to.
        assert!(queries <= 200 + 16);
        let stats = victim.dht.stats(victim.now);
        assert!(stats.families.v4.good <= 600, "{stats:?}");
    }
}

#[test]
fn giant_lists_are_cut() {
    let mut victim = Victim::new();
    let router = victim.address();
    victim.dht.add_router(victim.now, router);
    victim.dht.get_peers(victim.now, TORRENT).unwrap();
    let nodes = vec![0x55; 26 * 130];
    for (to, transaction, _) in victim.asked() {
        let mut bytes = b"d1:rd2:id20:aaaaaaaaaaaaaaaaaaaa5:nodes".to_vec();
        bytes.extend(format!("{}:", nodes.len()).bytes());
        bytes.extend(&nodes);
        bytes.extend(b"6:valuesl");
        bytes.extend(b"6:aaaabb".repeat(20));
        bytes.extend(b"ee1:t4:");
        bytes.extend(transaction.as_bytes());
        bytes.extend(b"1:y1:re");
        assert!(bytes.len() < 4_096);
        Message::decode(&bytes).unwrap();
        victim.dht.handle_datagram(victim.now, to, &bytes);
    }
    let asked = victim.asked();
    assert!(asked.len() <= 3, "{asked:?}");
    // One address is one peer, however often it is told.
    let peers = victim.events().into_iter().map(|event| match event {
        Event::Peers { peers, .. } => peers.len(),
        _ => 0,
    });
    assert_eq!(peers.sum::<usize>(), 1);
}

#[test]
fn a_flood_of_queries_is_answered_as_far_as_is_allowed() {
    let mut victim = Victim::new();
    within(4.0, || {
        for round in 0..200_000_u32 {
            let from = victim.address();
            let (id, target) = (victim.id(), victim.id());
            victim.receive(from, &query(id, QueryKind::FindNode { target }));
            if round % 100 == 0 {
                victim.wait(Duration::from_millis(10));
                victim.sent();
            }
        }
        // 20 seconds.
        let stats = victim.dht.stats(victim.now);
        println!("{stats:?}");
        assert!(stats.answered <= 21_000);
        assert!(stats.throttled >= 179_000);
        assert!(stats.queries <= 40 + 10 * 21);
        assert!(stats.transactions <= 512);
    });
}

#[test]
fn a_flood_of_announces_fills_what_it_may_fill() {
    let mut victim = Victim::with(|config| {
        config.limits.throttle.total = u32::MAX;
        config.limits.peers.peers = 20_000;
    });
    within(4.0, || {
        for _ in 0..100_000 {
            let from = victim.address();
            let token = victim.token(from);
            let torrent = InfoHash(victim.rng.random());
            victim.ask(from, announce(torrent, token.clone()));
            victim.ask(from, announce(TORRENT, token));
        }
    });
    let stats = victim.dht.stats(victim.now);
    assert!(stats.torrents <= 2_000);
    assert!(stats.peers <= 20_000);
}

#[test]
fn what_nobody_takes_does_not_pile_up() {
    let mut victim = Victim::with(|config| config.limits.throttle.total = u32::MAX);
    within(8.0, || {
        for _ in 0..100_000 {
            let from = victim.address();
            let id = victim.id();
            victim.receive(from, &query(id, QueryKind::Ping));
        }
        assert!(victim.dht.stats(victim.now).outgoing < 2 << 20);
        let lookups = (0..100_000).filter(|_| victim.dht.get_peers(victim.now, TORRENT).is_ok());
        assert_eq!(lookups.count(), 4_000);
        assert_eq!(victim.events(), []);
    });
}

#[test]
fn there_are_only_so_many_lookups() {
    let mut victim = Victim::new();
    let router = victim.address();
    victim.dht.add_router(victim.now, router);
    let lookups = (0..10_000).map(|_| victim.dht.get_peers(victim.now, TORRENT));
    let lookups: Vec<_> = lookups.filter_map(Result::ok).collect();
    // 4,000 wait; one of those under way is for the table.
    assert_eq!(lookups.len(), 4_015);
    assert_eq!(victim.asked().len(), 16);
    for lookup in lookups {
        victim.dht.cancel(victim.now, lookup);
    }
    victim.asked();
    victim.wait(MINUTE);
    assert_eq!(victim.events(), []);
    assert!(victim.dht.stats(victim.now).lookups <= 1);
}

#[test]
fn one_owner_of_many_addresses_does_not_say_who_we_are() {
    let mut victim = Victim::new();
    let before = victim.dht.id(Family::V4);
    let says = "198.51.100.9:1".parse().unwrap();
    let vote = |victim: &mut Victim, from: std::net::SocketAddr| {
        victim.dht.ping(victim.now, from).unwrap();
        let (_, transaction, _) = victim.asked().remove(0);
        let id = victim.id();
        let mut message = answer(&transaction, Response::new(id));
        message.external = Some(says);
        victim.receive(from, &message);
    };
    for host in 0..=255 {
        vote(&mut victim, ([203, 0, 113, host], 6881).into());
    }
    assert_eq!(victim.dht.id(Family::V4), before);
    for network in 0..8 {
        vote(&mut victim, ([network + 50, 0, 113, 1], 6881).into());
    }
    let id = victim.dht.id(Family::V4).unwrap();
    assert_ne!(Some(id), before);
    assert!(headwater_dht::security::is_valid(&id, says.ip()));
    let told = Event::ExternalAddress { ip: says.ip(), id };
    assert!(victim.events().contains(&told));
}

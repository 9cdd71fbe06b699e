use std::net::{IpAddr, SocketAddr};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::walk::{ALPHA, Ask};
use super::{Answer, Walk, WalkLimits};
use crate::krpc::Token;
use crate::table::{K, Nearest};
use crate::{Contact, NodeId, security};

const TARGET: NodeId = NodeId([0x55; 20]);

const LIMITS: WalkLimits = WalkLimits {
    max_queries: 200,
    restricted: true,
    enforce_ids: false,
};

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::from_seed([1; 32])
}

fn address(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    ([20 + a, b, c, 1], 6881).into()
}

/// A node whose id goes with its address.
fn node(number: u32, rng: &mut ChaCha8Rng) -> Contact {
    let address = address(number);
    let id = security::node_id(address.ip(), rng);
    Contact { id, address }
}

/// A node next to the target, as far away as `distance` says, whose id does not go with its address.
fn near(number: u32, distance: u8) -> Contact {
    let mut id = TARGET;
    id.0[19] ^= distance;
    Contact {
        id,
        address: address(number),
    }
}

fn walk(start: &[Contact], limits: WalkLimits) -> Walk {
    let mut nearest = Nearest::to(TARGET);
    for contact in start {
        nearest.offer(contact);
    }
    Walk::new(NodeId([0xff; 20]), limits, &nearest, std::iter::empty())
}

fn answer(walk: &mut Walk, from: Contact, nodes: &[Contact]) {
    walk.answered_by(&Answer {
        from,
        token: Token::new(b"token").as_ref(),
        seq: None,
        nodes,
    });
}

fn asked(ask: Option<Ask>) -> Option<Contact> {
    let ask = ask?;
    let (id, address) = (ask.id?, ask.address);
    Some(Contact { id, address })
}

#[test]
fn three_are_asked_at_a_time_and_those_who_are_late_do_not_count() {
    let mut rng = rng();
    let start: Vec<_> = (0..8).map(|number| node(number, &mut rng)).collect();
    let mut walk = walk(&start, LIMITS);
    let first: Vec<_> = std::iter::from_fn(|| asked(walk.next())).collect();
    assert_eq!(first.len(), ALPHA);
    walk.late(first[1].address);
    assert!(walk.next().is_some());
    assert!(walk.next().is_none());
    // Late is not lost.
    answer(&mut walk, first[1], &[]);
    assert_eq!(walk.found().collect::<Vec<_>>(), [first[1]]);
}

#[test]
fn it_arrives_with_the_nearest_and_asks_nobody_beyond() {
    let mut rng = rng();
    let mut all: Vec<_> = (0..60).map(|number| node(number, &mut rng)).collect();
    let mut walk = walk(&all[..3], LIMITS);
    let mut queries = 0;
    while let Some(contact) = asked(walk.next()) {
        queries += 1;
        let nodes: Vec<_> = (0..8).map(|_| all[rng.random_range(0..60)]).collect();
        answer(&mut walk, contact, &nodes);
    }
    assert!(walk.is_done());
    all.sort_by_key(|contact| TARGET.distance(&contact.id));
    let found: Vec<_> = walk.found().collect();
    assert_eq!(found.len(), K);
    assert!(
        found.iter().all(|contact| all[..20].contains(contact)),
        "{found:?}"
    );
    assert!(queries < 40, "{queries}");
    assert_eq!(walk.stats().queries, queries);
    assert!(walk.hops() >= 1);
    assert_eq!(walk.keepers().count(), K);
}

#[test]
fn ids_that_do_not_go_with_their_address_are_not_enough() {
    let mut rng = rng();
    let honest: Vec<_> = (100..110).map(|number| node(number, &mut rng)).collect();
    let liars: Vec<_> = (1..=20).map(|number| near(number, number as u8)).collect();
    let mut walk = walk(&[honest[0]], LIMITS);
    let mut asked_liars = 0;
    while let Some(contact) = asked(walk.next()) {
        asked_liars += usize::from(liars.contains(&contact));
        answer(&mut walk, contact, &liars[..8]);
        if contact == honest[0] {
            answer(&mut walk, contact, &honest);
        }
    }
    assert!(walk.is_done());
    assert_eq!(asked_liars, K);
    let keepers: Vec<_> = walk.keepers().map(|keeper| keeper.contact).collect();
    assert_eq!(keepers.len(), 2 * K);
    assert_eq!(
        honest.iter().filter(|node| keepers.contains(node)).count(),
        K
    );

    let limits = WalkLimits {
        enforce_ids: true,
        ..LIMITS
    };
    let mut strict = self::walk(&[honest[0]], limits);
    while let Some(contact) = asked(strict.next()) {
        assert!(!liars.contains(&contact));
        answer(&mut strict, contact, &liars[..8]);
    }
    assert!(strict.is_done());
}

#[test]
fn of_a_liar_no_more_are_asked_than_show_it_to_be_one() {
    let mut rng = rng();
    let (liar, honest) = (node(1, &mut rng), node(2, &mut rng));
    let fakes: Vec<_> = (10..26).map(|number| near(number, number as u8)).collect();
    let mut walk = walk(&[liar, honest], LIMITS);
    while asked(walk.next()).is_some() {}
    answer(&mut walk, liar, &fakes);
    // The last one is known to somebody else as well.
    answer(&mut walk, honest, &fakes[15..]);
    let mut silent = Vec::new();
    while let Some(contact) = asked(walk.next()) {
        silent.push(contact);
        walk.late(contact.address);
    }
    assert_eq!(silent.len(), 4);
    assert!(silent.contains(&fakes[15]));
    for contact in silent {
        walk.failed(contact.address, false);
    }
    assert!(walk.is_done());
    assert_eq!(walk.stats().timeouts, 4);
}

#[test]
fn who_has_another_name_than_before_is_not_believed() {
    let mut rng = rng();
    let fickle = node(1, &mut rng);
    let mut walk = walk(&[fickle], LIMITS);
    walk.next();
    answer(&mut walk, near(1, 1), &[]);
    assert_eq!(walk.found().count(), 0);

    // But if somebody else had its name wrong, it is where its own name says.
    let (teller, told) = (node(2, &mut rng), node(3, &mut rng));
    let mut walk = self::walk(&[teller], LIMITS);
    walk.next();
    let misnamed = Contact { id: TARGET, ..told };
    answer(&mut walk, teller, &[misnamed]);
    assert_eq!(asked(walk.next()), Some(misnamed));
    answer(&mut walk, told, &[]);
    assert!(walk.found().any(|contact| contact == told));
}

#[test]
fn one_range_has_one_place_unless_it_fails() {
    let mut rng = rng();
    let teller = node(1, &mut rng);
    let neighbour = |host: u8| Contact {
        id: near(1, host).id,
        address: ([198, 51, 100, host], 6881).into(),
    };
    let mut walk = walk(&[teller], LIMITS);
    walk.next();
    answer(&mut walk, teller, &[neighbour(1), neighbour(2)]);
    assert_eq!(asked(walk.next()), Some(neighbour(1)));
    assert_eq!(walk.next(), None);
    walk.failed(neighbour(1).address, false);
    answer(&mut walk, teller, &[neighbour(3)]);
    assert_eq!(asked(walk.next()), Some(neighbour(3)));
}

#[test]
fn nobody_outside_knows_our_local_network() {
    let mut rng = rng();
    let outside = node(1, &mut rng);
    let inside = |ip: IpAddr| Contact {
        id: NodeId(
            ip.to_string()
                .bytes()
                .chain([0; 20])
                .take(20)
                .collect::<Vec<_>>()
                .try_into()
                .unwrap(),
        ),
        address: (ip, 6881).into(),
    };
    let (one, two) = ([192, 168, 1, 1].into(), [10, 0, 0, 1].into());
    let mut walk = walk(&[outside], LIMITS);
    walk.next();
    answer(&mut walk, outside, &[inside(one), inside(two)]);
    assert_eq!(walk.next(), None);
    assert!(walk.is_done());

    let mut walk = self::walk(&[inside(one)], LIMITS);
    walk.next();
    answer(&mut walk, inside(one), &[inside(two)]);
    assert_eq!(asked(walk.next()), Some(inside(two)));
}

#[test]
fn queries_have_a_limit() {
    let limits = WalkLimits {
        max_queries: 10,
        ..LIMITS
    };
    let mut rng = rng();
    let mut walk = walk(&[node(0, &mut rng)], limits);
    let mut number = 1;
    while let Some(contact) = asked(walk.next()) {
        let nodes: Vec<_> = (0..8)
            .map(|n| near(number + n, 0xff - (number + n) as u8))
            .collect();
        number += 8;
        answer(&mut walk, contact, &nodes);
    }
    assert_eq!(walk.stats().queries, 10);
    assert!(walk.is_done());
}

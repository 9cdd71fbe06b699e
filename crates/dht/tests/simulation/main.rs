//! A thousand nodes in virtual time: what lookups find, and what they take.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "virtual time needs an origin, and this is no part of the node"
)]

mod liar;
mod world;

use std::time::Duration;

use headwater_dht::item::{Item, KeyPair, MutableItem, Value};
use headwater_dht::krpc::Salt;
use headwater_dht::{Announce, Event, LookupId, LookupStats};
use liar::{LIARS, Liar, is_conspirator, is_fake, torrent};
use world::{Nature, World};

const SECOND: Duration = Duration::from_secs(1);

fn announce() -> Announce {
    Announce {
        port: 7000,
        implied_port: false,
        seed: false,
    }
}

/// So many nodes, of which every tenth lies as `liar` says. They join one after the other through the first, within a minute.
fn network(seed: u64, count: usize, liar: impl Fn(usize) -> Nature, enforce_ids: bool) -> World {
    let mut world = World::new(seed);
    for index in 0..count {
        world.add(liar(index), |config| config.enforce_ids = enforce_ids);
        if index > 0 {
            let router = world.peers[0].address;
            world.tell(index, |dht, now| dht.add_router(now, router));
        }
        world.run_for(60 * SECOND / count as u32);
    }
    world.run_for(600 * SECOND);
    world
}

fn all_honest(_: usize) -> Nature {
    Nature::Honest
}

fn tenth_lies(index: usize) -> Nature {
    match index % 10 {
        7 => Nature::Liar(LIARS[index / 10 % LIARS.len()]),
        _ => Nature::Honest,
    }
}

fn tenth_conspires(index: usize) -> Nature {
    if is_conspirator(index) {
        Nature::Liar(Liar::Conspirator)
    } else {
        Nature::Honest
    }
}

/// Some of the nodes leave without a word.
fn kill(world: &mut World, per_cent: usize) {
    for _ in 0..world.peers.len() * per_cent / 100 {
        let victim = world.honest();
        world.peers[victim].nature = Nature::Dead;
    }
}

/// What a lookup told at its end, and the events in between.
fn outcome(world: &mut World, index: usize, id: LookupId) -> (LookupStats, Vec<Event>) {
    let mut events = Vec::new();
    for _ in 0..120 {
        world.run_for(SECOND);
        for event in std::mem::take(&mut world.peers[index].events) {
            match event {
                Event::Done { lookup, stats } if lookup == id => return (stats, events),
                event => events.push(event),
            }
        }
    }
    panic!("a lookup does not come to its end");
}

/// What lookups took, over many of them.
#[derive(Debug, Default)]
struct Summary {
    lookups: u32,
    found: u32,
    queries: u32,
    most_queries: u32,
    hops: u32,
    most_hops: u32,
    time: Duration,
    most_time: Duration,
}

impl Summary {
    fn add(&mut self, stats: &LookupStats, found: bool) {
        self.lookups += 1;
        self.found += u32::from(found);
        self.queries += stats.queries;
        self.most_queries = self.most_queries.max(stats.queries);
        self.hops += stats.hops;
        self.most_hops = self.most_hops.max(stats.hops);
        self.time += stats.elapsed;
        self.most_time = self.most_time.max(stats.elapsed);
    }

    fn mean_queries(&self) -> f64 {
        f64::from(self.queries) / f64::from(self.lookups)
    }

    fn mean_hops(&self) -> f64 {
        f64::from(self.hops) / f64::from(self.lookups)
    }

    fn print(&self, what: &str) {
        println!(
            "{what}: {} of {} lookups found the peer; queries {:.1} (most {}), hops {:.2} (most {}), seconds {:.2} (most {:.2})",
            self.found,
            self.lookups,
            self.mean_queries(),
            self.most_queries,
            self.mean_hops(),
            self.most_hops,
            self.time.as_secs_f64() / f64::from(self.lookups),
            self.most_time.as_secs_f64(),
        );
    }
}

/// One node announces each of so many torrents, then `meanwhile` happens, then others look for them.
fn find_peers(world: &mut World, torrents: u32, meanwhile: impl FnOnce(&mut World)) -> Summary {
    let mut announced = Vec::new();
    for number in 0..torrents {
        let index = world.honest();
        let id = world.tell(index, |dht, now| {
            dht.announce(now, torrent(number), announce())
        });
        let (stats, _) = outcome(world, index, id.unwrap());
        assert!(stats.stored > 0, "nobody took the announce");
        announced.push(world.peers[index].address.ip());
    }
    meanwhile(world);
    let mut summary = Summary::default();
    for (number, ip) in announced.into_iter().enumerate() {
        for _ in 0..3 {
            let index = world.honest();
            let hash = torrent(number as u32);
            let id = world
                .tell(index, |dht, now| dht.get_peers(now, hash))
                .unwrap();
            let (stats, events) = outcome(world, index, id);
            let peers = events.into_iter().filter_map(|event| match event {
                Event::Peers { lookup, peers, .. } if lookup == id => Some(peers),
                _ => None,
            });
            let mut real = peers.flatten().filter(|peer| !is_fake(*peer));
            summary.add(&stats, real.any(|peer| peer == (ip, 7000).into()));
        }
    }
    summary
}

#[test]
fn peers_are_found_although_every_fifth_is_dead_and_every_tenth_lies() {
    let mut world = network(1, 1000, tenth_lies, false);
    let summary = find_peers(&mut world, 40, |world| kill(world, 20));
    summary.print("1,000 nodes, 20% dead, 10% lying");
    assert_eq!(summary.found, summary.lookups);
    assert!(summary.mean_queries() < 60.0);
}

#[test]
fn conspirators_next_to_the_target_are_seen_through_by_their_addresses() {
    for (enforced, nodes, torrents) in [(true, 500, 30), (false, 250, 20)] {
        let mut world = network(2, nodes, tenth_conspires, enforced);
        let summary = find_peers(&mut world, torrents, |world| kill(world, 20));
        summary.print(&format!(
            "{nodes} nodes, 20% dead, 10% conspiring, ids enforced: {enforced}"
        ));
        // Who does not enforce ids is misled now and then.
        let misled = if enforced { 0 } else { summary.lookups / 20 };
        assert!(summary.found + misled >= summary.lookups);
    }
}

#[test]
fn hops_grow_with_the_logarithm_of_the_number_of_nodes() {
    let mut before: Option<Summary> = None;
    for count in [100, 300, 1000, 2000] {
        let mut world = network(3, count, all_honest, false);
        let summary = find_peers(&mut world, 20, |_| {});
        summary.print(&format!("{count} nodes"));
        let log = (count as f64).log2();
        assert_eq!(summary.found, summary.lookups);
        assert!(summary.mean_hops() < log / 2.0, "{}", summary.mean_hops());
        assert!(summary.mean_queries() < 5.0 * log);
        if let Some(before) = before {
            assert!(summary.mean_hops() - before.mean_hops() < 3.0_f64.log2());
        }
        before = Some(summary);
    }
}

#[test]
fn the_same_seed_gives_the_same_datagrams() {
    let run = || {
        let mut world = network(4, 100, tenth_lies, false);
        let summary = find_peers(&mut world, 3, |world| kill(world, 20));
        (world.datagrams, world.bytes, format!("{summary:?}"))
    };
    assert_eq!(run(), run());
}

#[test]
fn items_are_stored_found_and_replaced() {
    let mut world = network(5, 1000, tenth_lies, false);
    let value = Value::text("Hello World!").unwrap();
    let writer = world.honest();
    let id = world.tell(writer, |dht, now| dht.put_immutable(now, value.clone()));
    let (stats, _) = outcome(&mut world, writer, id.unwrap());
    assert!(stats.stored >= 6, "{stats:?}");

    let reader = world.honest();
    let id = world.tell(reader, |dht, now| dht.get_immutable(now, value.target()));
    let (_, events) = outcome(&mut world, reader, id.unwrap());
    assert_eq!(items(events), [Item::Immutable(value)]);

    let keys = KeyPair::from_seed(&[9; 32]);
    let salt = Salt::new(b"news").unwrap();
    let version = |seq| {
        let value = Value::text(format!("version {seq}")).unwrap();
        MutableItem::sign(&keys, salt.clone(), seq, value)
    };
    for seq in 1..=3 {
        let writer = world.honest();
        let cas = (seq > 1).then_some(seq - 1);
        let id = world.tell(writer, |dht, now| dht.put_mutable(now, version(seq), cas));
        let (stats, _) = outcome(&mut world, writer, id.unwrap());
        assert!(stats.stored >= 6, "{stats:?}");
    }
    kill(&mut world, 20);
    let reader = world.honest();
    let key = keys.public();
    let id = world.tell(reader, |dht, now| dht.get_mutable(now, &key, salt.clone()));
    let (_, events) = outcome(&mut world, reader, id.unwrap());
    assert_eq!(items(events).last(), Some(&Item::Mutable(version(3))));

    // An old version is refused.
    let writer = world.honest();
    let id = world.tell(writer, |dht, now| dht.put_mutable(now, version(2), None));
    let (stats, events) = outcome(&mut world, writer, id.unwrap());
    let refused = events
        .iter()
        .filter(|event| matches!(event, Event::Refused { .. }));
    assert!(refused.count() as u32 > stats.stored);
}

fn items(events: Vec<Event>) -> Vec<Item> {
    let items = events.into_iter().filter_map(|event| match event {
        Event::Item { item, .. } => Some(item),
        _ => None,
    });
    items.collect()
}

#[test]
fn a_node_comes_back_with_what_it_kept() {
    let mut world = network(6, 200, all_honest, false);
    let index = world.honest();
    let now = world.now();
    let state = world.peers[index].dht.state(now);
    assert!(state.nodes.len() > 50);
    let state = headwater_dht::State::decode(&state.encode()).unwrap();
    let id = state.ids.v4;

    kill(&mut world, 20);
    world.peers[index].nature = Nature::Honest;
    world.restart(index, state);
    world.run_for(60 * SECOND);
    let now = world.now();
    let dht = &world.peers[index].dht;
    assert_eq!(dht.id(headwater_dht::Family::V4), id);
    assert!(dht.stats(now).families.v4.good > 50);
    let events = &world.peers[index].events;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Ready { .. }))
    );
}

#[test]
fn upkeep_takes_little() {
    let mut world = network(7, 300, all_honest, false);
    let (nodes, minutes) = (world.peers.len() as u64, 60);
    let before = world.datagrams;
    world.run_for(60 * SECOND * minutes);
    let rate = (world.datagrams - before) as f64 / (nodes * u64::from(minutes)) as f64;
    let now = world.now();
    let good = world
        .peers
        .iter()
        .map(|peer| peer.dht.stats(now).families.v4.good);
    let good = good.sum::<usize>() as u64 / nodes;
    println!("at rest: {rate:.1} datagrams a minute and node, which has {good} good nodes");
    assert!(rate < 20.0);
    assert!(good > 50);
}

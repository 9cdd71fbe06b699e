//! What one event costs a torrent with many peers and pieces: `cargo bench -p headwater-swarm`.
//!
//! Every figure is of whole events, as a driver sees them: the call, and the draining of what follows from it. What puts
//! the torrent back to where it was is not counted.

mod world;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use headwater_metainfo::PieceIndex;
use headwater_wire::Message;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use world::{Spread, World};

const SIZES: [(usize, u32); 4] = [(10, 1_000), (10, 100_000), (500, 1_000), (500, 100_000)];

/// Runs `event` so many times and adds up what it says it took.
fn each(
    criterion: &mut Criterion,
    name: &str,
    spread: Spread,
    mut event: impl FnMut(&mut World, &mut Xoshiro256PlusPlus) -> Duration,
) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    for (peers, pieces) in SIZES {
        let id = BenchmarkId::from_parameter(format!("{peers} peers, {pieces} pieces"));
        let mut world = None;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
        group.bench_function(id, |bencher| {
            let world = world.get_or_insert_with(|| World::new(peers, pieces, spread));
            bencher.iter_custom(|count| (0..count).map(|_| event(world, &mut rng)).sum());
        });
    }
    group.finish();
}

/// The time that something takes together with the draining of what follows.
#[expect(clippy::disallowed_methods, reason = "benchmarks measure time")]
fn timed(world: &mut World, what: impl FnOnce(&mut World)) -> Duration {
    let start = Instant::now();
    what(world);
    let mut actions = Vec::new();
    while let Some(action) = world.torrent.poll_action() {
        actions.push(action);
    }
    let took = start.elapsed();
    world.note_all(actions);
    took
}

/// A peer that did not have a piece gets it.
fn have(criterion: &mut Criterion) {
    each(criterion, "have", Spread::Even, |world, rng| {
        let index = rng.random_range(0..world.peers.len());
        let piece = a_piece(world, rng, index, false);
        let took = timed(world, |world| world.say(index, Message::Have(piece)));
        world.say(index, dont_have(piece));
        world.drain();
        took
    });
}

/// A peer loses a piece (BEP 54).
fn dont_have_again(criterion: &mut Criterion) {
    each(criterion, "dont have", Spread::Even, |world, rng| {
        let index = rng.random_range(0..world.peers.len());
        let piece = a_piece(world, rng, index, true);
        let took = timed(world, |world| world.say(index, dont_have(piece)));
        world.say(index, Message::Have(piece));
        world.drain();
        took
    });
}

/// A block comes, and others are asked for in its place.
fn block(criterion: &mut Criterion) {
    each(criterion, "block", Spread::Even, |world, rng| {
        let index = rng.random_range(0..world.peers.len());
        block_of(world, index)
    });
    each(
        criterion,
        "block of a peer with nothing rare",
        Spread::Common,
        |world, _| block_of(world, 0),
    );
    each(
        criterion,
        "block of a leech beside one seed",
        Spread::Fresh,
        |world, rng| {
            let index = rng.random_range(1..world.peers.len());
            block_of(world, index)
        },
    );
    each(
        criterion,
        "block, in order, of a peer with nothing early",
        Spread::Common,
        |world, _| {
            world.torrent.set_sequential(world.now, true);
            block_of(world, 0)
        },
    );
    each(
        criterion,
        "block of a slow peer",
        Spread::Slow,
        |world, rng| {
            let index = rng.random_range(0..world.peers.len());
            block_of(world, index)
        },
    );
    each(
        criterion,
        "block in the endgame",
        Spread::Scarce,
        |world, rng| {
            let first = rng.random_range(0..world.peers.len());
            let mut order = (first..world.peers.len()).chain(0..first);
            let busy = order.find(|&index| !world.peers[index].asked.is_empty());
            block_of(world, busy.unwrap_or(first))
        },
    );
    each(
        criterion,
        "block beside deadlines",
        Spread::Even,
        |world, rng| {
            if rng.random_range(0..32) == 0 {
                move_reader(world, rng);
            }
            let index = rng.random_range(0..world.peers.len());
            block_of(world, index)
        },
    );
}

/// A reader needs eight pieces soon.
fn move_reader(world: &mut World, rng: &mut Xoshiro256PlusPlus) {
    world.torrent.clear_deadlines(world.now);
    let pieces = world.peers[0].bits.len();
    let first = rng.random_range(0..pieces - 8);
    for (ahead, piece) in (first..first + 8).enumerate() {
        let deadline = world.now + Duration::from_millis(500 * ahead as u64);
        let piece = PieceIndex(piece);
        world.torrent.set_deadline(world.now, piece, Some(deadline));
    }
    world.drain();
}

fn block_of(world: &mut World, index: usize) -> Duration {
    let took = timed(world, |world| _ = world.answer(index));
    world.lose_complete();
    took
}

/// A peer chokes us and rejects what it was asked for.
fn choke(criterion: &mut Criterion) {
    each(criterion, "choke", Spread::Even, |world, rng| {
        let index = rng.random_range(0..world.peers.len());
        let asked = std::mem::take(&mut world.peers[index].asked);
        let took = timed(world, |world| {
            world.say(index, Message::Choke);
            for span in asked {
                world.say(index, Message::Reject(span));
            }
        });
        world.say(index, Message::Unchoke);
        world.drain();
        took
    });
}

/// A peer goes, with half of all pieces.
fn gone(criterion: &mut Criterion) {
    each(criterion, "peer gone", Spread::Even, |world, rng| {
        let index = rng.random_range(0..world.peers.len());
        let (key, bits) = (world.peers[index].key, world.peers[index].bits.clone());
        let took = timed(world, |world| {
            world.torrent.handle_disconnected(world.now, key);
        });
        world.connect(index, &bits);
        took
    });
}

/// Once a second, all peers are looked at.
fn tick(criterion: &mut Criterion) {
    each(criterion, "tick", Spread::Even, |world, rng| {
        for index in 0..world.peers.len() {
            world.answer(index);
            world.say(index, Message::KeepAlive);
        }
        world.drain();
        world.lose_complete();
        let later = Duration::from_millis(1_000 + rng.random_range(0..10));
        timed(world, |world| {
            world.now += later;
            world.torrent.handle_timeout(world.now);
        })
    });
}

/// A piece that the peer has, or lacks.
fn a_piece(world: &World, rng: &mut Xoshiro256PlusPlus, index: usize, had: bool) -> PieceIndex {
    let bits = &world.peers[index].bits;
    let first = rng.random_range(0..bits.len());
    let mut pieces = (first..bits.len()).chain(0..first).map(PieceIndex);
    let piece = pieces.find(|&piece| bits.has(piece) == had);
    piece.expect("it has some, and lacks some")
}

fn dont_have(piece: PieceIndex) -> Message {
    Message::Extended {
        id: 7,
        payload: piece.0.to_be_bytes().to_vec().into(),
    }
}

criterion_group!(benches, have, dont_have_again, block, choke, gone, tick);
criterion_main!(benches);

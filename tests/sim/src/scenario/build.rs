//! The parts of which scenarios are made.

use std::time::Duration;

use headwater_metainfo::{Bitfield, PieceGeometry, PieceIndex};
use headwater_swarm::{Discovery, Priority, SuperSeeding};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::Parameters;
use crate::behaviour::Behaviour;
use crate::disk::DiskSpec;
use crate::reader::{ReaderSpec, ReadingOrder};
use crate::spec::{Leaves, NodeSpec, Start, SwarmSpec};
use crate::time::{Rate, Time};
use crate::tracker::TrackerSpec;

/// Time in which those come who come together.
const ARRIVALS: Duration = Duration::from_secs(1);

fn geometry(of: &Parameters) -> PieceGeometry {
    let length = u64::from(of.piece_length);
    PieceGeometry::new(u64::from(of.pieces) * length, length).expect("pieces of some length")
}

/// A random number generator for what is drawn before the swarm begins.
fn draw(of: &Parameters) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(of.rng ^ 0x5eed)
}

/// Seeds, then leeches, all alike; they come one after the other within a second.
pub(super) fn equal(of: &Parameters) -> SwarmSpec {
    seeds_of(of, 1.0)
}

/// Seeds that are four times as fast as the others.
pub(super) fn fast_seed(of: &Parameters) -> SwarmSpec {
    seeds_of(of, 4.0)
}

fn seeds_of(of: &Parameters, speed: f64) -> SwarmSpec {
    let seed = NodeSpec::seed(of.up.times(speed), of.down.times(speed));
    let mut nodes = vec![seed; of.seeds as usize];
    nodes.extend((0..of.peers).map(|_| NodeSpec::leech(of.up, of.down)));
    let count = nodes.len() as u32;
    for (index, node) in (0..).zip(&mut nodes) {
        node.arrives = Time::ZERO + ARRIVALS * index / count;
    }
    SwarmSpec::new(geometry(of), nodes, of.rng)
}

/// The leeches of a swarm.
fn leeches(spec: &mut SwarmSpec) -> impl Iterator<Item = &mut NodeSpec> {
    spec.nodes.iter_mut().filter(|node| node.takes())
}

/// A third has a quarter of the capacity, a third has four times as much.
pub(super) fn mixed(of: &Parameters) -> SwarmSpec {
    let mut spec = equal(of);
    for (index, node) in leeches(&mut spec).enumerate() {
        let speed = [0.25, 1.0, 4.0][index % 3];
        node.up = node.up.times(speed);
        node.down = node.down.times(speed);
    }
    spec
}

/// One peer in ten is there from the start; everybody else comes in the same instant, when those are busy.
pub(super) fn flash_crowd(of: &Parameters) -> SwarmSpec {
    let mut spec = equal(of);
    for (index, node) in leeches(&mut spec).enumerate() {
        if index % 10 != 0 {
            node.arrives = Time::from_secs_f64(15.0);
        }
    }
    spec
}

/// Peers come one by one and leave soon after they are done; one in five gives up half-way.
pub(super) fn churn(of: &Parameters) -> SwarmSpec {
    let mut spec = equal(of);
    let mut rng = draw(of);
    let size = spec.geometry.total_size();
    // Ten of them or so at a time would be done at the full rate.
    let gap = of.up.time_for(size).as_secs_f64() / 10.0;
    let mut now = 0.0;
    for (index, node) in leeches(&mut spec).enumerate() {
        now += gap * rng.random_range(0.0..2.0);
        node.arrives = Time::from_secs_f64(now);
        node.leaves = match index % 5 {
            4 => Leaves::At(node.arrives + of.up.time_for(size) / 2),
            _ => Leaves::AfterDone(Duration::from_secs(5)),
        };
    }
    spec
}

/// The seeds leave as soon as every piece is with somebody else.
pub(super) fn seed_leaves(of: &Parameters) -> SwarmSpec {
    let mut spec = equal(of);
    for node in spec.nodes.iter_mut().filter(|node| node.is_seed()) {
        node.leaves = Leaves::WhenCopied;
    }
    spec
}

/// Everybody has everything but the same twentieth of the pieces.
pub(super) fn rare_pieces(of: &Parameters) -> SwarmSpec {
    let mut have = Bitfield::full(of.pieces);
    (0..of.pieces / 20).for_each(|piece| _ = have.clear(PieceIndex(piece)));
    let mut spec = equal(of);
    leeches(&mut spec).for_each(|node| node.start = Start::Pieces(have.clone()));
    spec
}

/// Everybody lacks a few pieces, each one others.
pub(super) fn last_pieces(of: &Parameters) -> SwarmSpec {
    let mut rng = draw(of);
    let mut spec = equal(of);
    for node in leeches(&mut spec) {
        let mut have = Bitfield::full(of.pieces);
        for _ in 0..=of.pieces / 50 {
            have.clear(PieceIndex(rng.random_range(0..of.pieces)));
        }
        node.start = Start::Pieces(have);
    }
    spec
}

/// Every `nth` leech behaves like that.
fn some_behave(of: &Parameters, nth: usize, behaviour: Behaviour) -> SwarmSpec {
    let mut spec = equal(of);
    for node in leeches(&mut spec).step_by(nth) {
        node.behaviour = behaviour;
    }
    spec
}

pub(super) fn free_riders(of: &Parameters) -> SwarmSpec {
    let mut spec = fast_seed(of);
    for node in leeches(&mut spec).step_by(10) {
        node.behaviour = Behaviour::FreeRider;
    }
    spec
}

pub(super) fn liars(of: &Parameters) -> SwarmSpec {
    some_behave(of, 10, Behaviour::Liar)
}

pub(super) fn stallers(of: &Parameters) -> SwarmSpec {
    some_behave(of, 10, Behaviour::Staller)
}

pub(super) fn choke_cycles(of: &Parameters) -> SwarmSpec {
    some_behave(of, 10, Behaviour::ChokeCycle)
}

pub(super) fn cancellers(of: &Parameters) -> SwarmSpec {
    some_behave(of, 10, Behaviour::Canceller)
}

pub(super) fn mutes(of: &Parameters) -> SwarmSpec {
    some_behave(of, 10, Behaviour::Mute)
}

/// One peer sends nothing but spoilt blocks.
pub(super) fn corrupt(of: &Parameters) -> SwarmSpec {
    one_corrupt(of, 1_000)
}

/// One peer spoils a block now and then.
pub(super) fn sly(of: &Parameters) -> SwarmSpec {
    one_corrupt(of, 50)
}

fn one_corrupt(of: &Parameters, per_mille: u16) -> SwarmSpec {
    let mut spec = equal(of);
    let mut corrupt = NodeSpec::seed(of.up, of.down);
    corrupt.behaviour = Behaviour::Corrupt(per_mille);
    corrupt.arrives = Time::ZERO + ARRIVALS / 2;
    spec.nodes.push(corrupt);
    spec
}

/// Whoever comes hears of one other that is there, once. All others are found through those who are known.
pub(super) fn pex(of: &Parameters) -> SwarmSpec {
    let mut spec = equal(of);
    let never = Duration::from_hours(24);
    spec.tracker = TrackerSpec {
        interval: never,
        retry: never,
        numwant: 1,
    };
    for node in &mut spec.nodes {
        node.discovery = Discovery::ALL;
    }
    spec
}

/// Half of the leeches accept no connections.
pub(super) fn nat(of: &Parameters) -> SwarmSpec {
    let mut spec = equal(of);
    leeches(&mut spec)
        .step_by(2)
        .for_each(|node| node.behind_nat = true);
    spec
}

/// 300 ms to everybody and back again.
pub(super) fn far_away(of: &Parameters) -> SwarmSpec {
    let mut spec = equal(of);
    for node in &mut spec.nodes {
        node.latency = Duration::from_millis(75);
        node.jitter = Duration::from_millis(10);
    }
    spec
}

/// Half of the leeches want the first half of the pieces only.
pub(super) fn partial_seeds(of: &Parameters) -> SwarmSpec {
    let wanted = |piece| Priority(u32::from(piece < of.pieces / 2));
    let half: Vec<_> = (0..of.pieces).map(wanted).collect();
    let mut spec = equal(of);
    for node in leeches(&mut spec).step_by(2) {
        node.priorities.clone_from(&half);
    }
    spec
}

/// Every fifth leech stops when it has half, and comes back with it ten seconds later.
pub(super) fn restarts(of: &Parameters) -> SwarmSpec {
    let mut spec = equal(of);
    for node in leeches(&mut spec).step_by(5) {
        node.leaves = Leaves::Restarts {
            at: 500,
            pause: Duration::from_secs(10),
        };
    }
    spec
}

/// A fast seed that names each piece to one peer only, and leaves when every piece is with somebody else.
pub(super) fn super_seeding(of: &Parameters) -> SwarmSpec {
    let mut spec = fast_seed(of);
    for node in spec.nodes.iter_mut().filter(|node| node.is_seed()) {
        node.super_seeding = SuperSeeding::On;
        node.leaves = Leaves::WhenCopied;
    }
    spec
}

/// Everybody has half of the pieces, each one others, but for two who come when all are busy and play what they download, at two
/// thirds of the rate at which they could send.
pub(super) fn streaming(of: &Parameters) -> SwarmSpec {
    let mut rng = draw(of);
    let mut spec = equal(of);
    for node in leeches(&mut spec) {
        let mut have = Bitfield::new(of.pieces);
        for piece in (0..of.pieces).filter(|_| rng.random()) {
            have.set(PieceIndex(piece));
        }
        node.start = Start::Pieces(have);
    }
    for node in leeches(&mut spec).take(2) {
        node.start = Start::Empty;
        node.arrives = Time::from_secs_f64(5.0);
        node.reader = Some(ReaderSpec {
            rate: of.up.times(0.66),
            cushion: Duration::from_secs(3),
            order: ReadingOrder::Deadlines,
        });
    }
    spec
}

/// Every other leech has a disk that hardly keeps up and cannot write one piece in fifty, nor read one block in a thousand.
pub(super) fn bad_disks(of: &Parameters) -> SwarmSpec {
    let mut spec = equal(of);
    for node in leeches(&mut spec).step_by(2) {
        node.disk = DiskSpec {
            rate: Rate(of.up.0 * 4),
            write_errors: 20,
            read_errors: 1,
        };
    }
    spec
}

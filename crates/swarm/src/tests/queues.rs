//! How many requests are outstanding to a peer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use headwater_metainfo::BlockSpan;
use headwater_wire::Message;

use super::net::{config, eager};
use super::rig::Rig;
use crate::PeerKey;

/// Time between two blocks of a peer that sends forty a second.
const PACE: Duration = Duration::from_millis(25);

#[test]
fn the_queue_starts_small_and_grows_to_what_the_peer_takes() {
    let mut rig = Rig::new(config(0, 1_000));
    let seed = rig.connect_seed(1);
    rig.say_reqq(seed, 100);
    assert_eq!(rig.requests(seed).len(), 4);
    for round in 1..10 {
        let asked = rig.requests(seed);
        rig.take();
        for span in asked {
            rig.answer(seed, span);
        }
        // Twice as many each time: nothing but the peer's own word ends it.
        let target = rig.torrent.peer(seed).unwrap().request_target;
        assert!(target >= 100.min((4 << round) / 4 * 3), "{round}: {target}");
    }
    let peer = rig.torrent.peer(seed).unwrap();
    assert_eq!((peer.request_target, peer.requests), (100, 100));
}

#[test]
fn a_small_reqq_is_kept_to_from_the_start() {
    let mut rig = Rig::new(config(0, 100));
    let seed = rig.connect(1);
    rig.say_reqq(seed, 3);
    rig.say(seed, [Message::HaveAll, Message::Unchoke]);
    assert_eq!(rig.requests(seed).len(), 3);
}

#[test]
fn requests_go_out_in_batches() {
    let mut rig = Rig::new(eager(0, 1_000));
    let seed = rig.connect_seed(1);
    rig.say_reqq(seed, 32);
    let asked = rig.requests(seed);
    rig.take();
    for span in &asked[..7] {
        rig.answer(seed, *span);
        assert_eq!(rig.requests(seed), []);
    }
    rig.answer(seed, asked[7]);
    assert_eq!(rig.requests(seed).len(), 8);
}

/// A seed that sends blocks at a steady pace.
struct Source {
    rig: Rig,
    key: PeerKey,
    /// Time from a request to its block at least.
    distance: Duration,
    asked: VecDeque<(Instant, BlockSpan)>,
}

impl Source {
    fn new(distance: Duration) -> Self {
        let mut rig = Rig::new(config(0, 1_000));
        Self {
            key: rig.connect_seed(1),
            rig,
            distance,
            asked: VecDeque::new(),
        }
    }

    /// Says how many blocks it sent in so many turns: one each, if it was asked for one early enough.
    fn run(&mut self, pace: Duration, turns: u32) -> usize {
        (0..turns).filter(|_| self.turn(pace)).count()
    }

    fn turn(&mut self, pace: Duration) -> bool {
        self.rig.wait(pace);
        let due = self.rig.now + self.distance;
        let fresh = self.rig.requests(self.key);
        self.asked.extend(fresh.into_iter().map(|span| (due, span)));
        self.rig.take();
        let next = self.asked.pop_front_if(|(due, _)| *due <= self.rig.now);
        if let Some((_, span)) = next {
            self.rig.answer(self.key, span);
        }
        next.is_some()
    }

    fn target(&self) -> u32 {
        self.rig.torrent.peer(self.key).unwrap().request_target
    }
}

#[test]
fn the_queue_holds_half_a_second_of_the_rate_and_what_the_distance_takes() {
    for (distance, blocks) in [(0, 20), (500, 40), (1_000, 60)] {
        let mut source = Source::new(Duration::from_millis(distance));
        source.run(PACE, 800);
        let target = source.target();
        assert!(target.abs_diff(blocks) <= 4, "{distance:?}: {target}");
    }
}

#[test]
fn a_far_peer_is_kept_busy() {
    let mut source = Source::new(Duration::from_secs(1));
    source.run(PACE, 400);
    assert_eq!(source.run(PACE, 400), 400);
}

#[test]
fn the_queue_shrinks_with_the_rate() {
    let mut source = Source::new(Duration::ZERO);
    source.run(PACE, 400);
    assert!(source.target() >= 18);
    source.run(PACE * 8, 150);
    assert!(source.target() <= 4, "{}", source.target());
    // One that hardly sends anything is asked for two at a time.
    source.run(PACE * 120, 20);
    assert_eq!(source.target(), 2);
}

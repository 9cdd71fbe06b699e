//! One torrent among many seeds, some of which send bad blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use headwater_metainfo::{BlockDigest, BlockSpan, PieceGeometry, PieceIndex};
use headwater_wire::Message;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::net::config;
use super::rig::{Rig, block};
use crate::{Action, Config, Direction, Event, PeerKey, PieceCheck};

/// Blocks of a piece: so many that peers share pieces.
const BLOCKS: u32 = 64;
/// Rounds after which a download that is not done never will be.
const MAX_ROUNDS: u32 = 20_000;

/// What a seed does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Good,
    /// Of each piece it sends one block, which is bad, and refuses the others.
    OneOfEachPiece,
    /// Every so many-th block that it sends is bad.
    OneIn(u32),
    /// It sends one bad block of each piece, and then nothing for a while.
    Dribbles,
}

struct Seed {
    key: PeerKey,
    address: SocketAddr,
    manner: Manner,
    sent: u32,
    spoilt: BTreeSet<PieceIndex>,
}

struct Scene {
    rig: Rig,
    seeds: Vec<Seed>,
    asked: Vec<(PeerKey, BlockSpan)>,
    /// Of each block that waits for its piece to be complete, whether it is good.
    stored: BTreeMap<BlockSpan, bool>,
    failed: usize,
    rng: Xoshiro256PlusPlus,
}

impl Scene {
    fn new(seed: u64, pieces: u32, manners: impl IntoIterator<Item = Manner>) -> Self {
        let mut scene = Self {
            rig: Rig::new(big(seed, pieces)),
            seeds: Vec::new(),
            asked: Vec::new(),
            stored: BTreeMap::new(),
            failed: 0,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        };
        for (index, manner) in (1..).zip(manners) {
            let connected =
                Rig::connected(index, scene.rig.torrent.reserved(), Direction::Incoming);
            let key = scene.rig.connect_with(connected).unwrap();
            scene.rig.say(key, [Message::HaveAll, Message::Unchoke]);
            scene.seeds.push(Seed {
                key,
                address: connected.address,
                manner,
                sent: 0,
                spoilt: BTreeSet::new(),
            });
        }
        scene
    }

    /// `corrupt` of one manner somewhere among good ones.
    fn with_corrupt(seed: u64, pieces: u32, peers: u8, corrupt: &[Manner]) -> Self {
        let mut manners = vec![Manner::Good; usize::from(peers)];
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        for &manner in corrupt {
            let free: Vec<_> = (0..manners.len())
                .filter(|&at| manners[at] == Manner::Good)
                .collect();
            manners[free[rng.random_range(0..free.len())]] = manner;
        }
        Self::new(seed, pieces, manners)
    }

    /// Runs until the torrent has everything.
    fn run(&mut self) {
        for _ in 0..MAX_ROUNDS {
            if self.round() {
                return self.rig.drain();
            }
        }
        panic!("not done: {:#?}", self.rig.torrent.stats());
    }

    /// Some requests are answered, in any order. Says whether everything is there.
    fn round(&mut self) -> bool {
        self.settle();
        for _ in 0..8 {
            if !self.asked.is_empty() {
                let (to, span) = self
                    .asked
                    .swap_remove(self.rng.random_range(0..self.asked.len()));
                self.answer(to, span);
            }
        }
        // When everybody is silent, time passes faster.
        let idle = self.asked.is_empty();
        self.rig
            .wait(Duration::from_millis(if idle { 1_000 } else { 80 }));
        self.rig.torrent.is_seed()
    }

    /// Does what is to be done.
    fn settle(&mut self) {
        for action in std::mem::take(&mut self.rig.actions) {
            self.act(action);
        }
        while let Some(action) = self.rig.torrent.poll_action() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { peer, message } => match message {
                Message::Request(span) => self.asked.push((peer, span)),
                Message::Cancel(span) => self.asked.retain(|each| *each != (peer, span)),
                _ => {}
            },
            Action::StoreBlock { block, data } => {
                self.stored.insert(block, data[0] == GOOD);
            }
            Action::CompletePiece { piece } => self.complete(piece),
            Action::DigestBlocks { piece } => {
                let digests = vec![digest(true); BLOCKS as usize];
                let torrent = &mut self.rig.torrent;
                torrent.handle_block_digests(self.rig.now, piece, &digests);
            }
            Action::Disconnect { peer, .. } => self.asked.retain(|each| each.0 != peer),
            _ => {}
        }
    }

    fn complete(&mut self, piece: PieceIndex) {
        let blocks = (0..BLOCKS).map(|index| block(piece.0, index));
        let blocks: Vec<_> = blocks
            .map(|span| self.stored.remove(&span).expect("every block was stored"))
            .collect();
        let check = if blocks.iter().all(|&good| good) {
            PieceCheck::Passed
        } else {
            self.failed += 1;
            let digests = blocks.into_iter().map(|good| Some(digest(good)));
            PieceCheck::Failed {
                digests: digests.collect(),
            }
        };
        let torrent = &mut self.rig.torrent;
        torrent.handle_piece_checked(self.rig.now, piece, check);
    }

    fn answer(&mut self, to: PeerKey, span: BlockSpan) {
        let seed = self.seeds.iter_mut().find(|seed| seed.key == to).unwrap();
        seed.sent += 1;
        let is_first = seed.spoilt.insert(span.piece);
        let answer = match seed.manner {
            Manner::Good => content(span, GOOD),
            Manner::OneOfEachPiece if !is_first => Message::Reject(span),
            Manner::OneIn(count) if seed.sent % count != count / 2 => content(span, GOOD),
            Manner::Dribbles if !is_first => return,
            _ => content(span, GOOD + 1),
        };
        self.rig.torrent.handle_message(self.rig.now, to, answer);
    }

    /// Those that were banned, in the order of their addresses, once each.
    fn banned(&self) -> Vec<SocketAddr> {
        let banned = self.rig.events.iter().filter_map(|event| match event {
            Event::PeerBanned { address, .. } => Some(*address),
            _ => None,
        });
        let mut banned: Vec<_> = banned.collect();
        banned.sort_unstable();
        banned
    }

    fn guilty(&self) -> Vec<SocketAddr> {
        let corrupt = self.seeds.iter().filter(|seed| seed.manner != Manner::Good);
        corrupt.map(|seed| seed.address).collect()
    }
}

/// The first byte of a good block.
const GOOD: u8 = 7;

fn content(span: BlockSpan, first: u8) -> Message {
    Message::Piece {
        piece: span.piece,
        offset: span.offset,
        data: Bytes::from(vec![first; span.length as usize]),
    }
}

/// Of any good block, or of any bad one.
pub(super) fn digest(good: bool) -> BlockDigest {
    BlockDigest([u8::from(good); 16])
}

fn big(seed: u64, pieces: u32) -> Config {
    let mut big = config(0, pieces);
    let length = BLOCKS * 16_384;
    big.geometry = PieceGeometry::new(u64::from(pieces * length), length.into()).unwrap();
    big.seed = seed;
    big.limits.first_requests = 32;
    big
}

#[test]
fn one_corrupt_peer_among_fifty_is_found_early_and_no_innocent_is_banned() {
    for manner in [
        Manner::OneOfEachPiece,
        Manner::OneIn(1),
        Manner::OneIn(5),
        Manner::Dribbles,
    ] {
        for seed in 0..8 {
            let mut scene = Scene::with_corrupt(seed, 24, 50, &[manner]);
            scene.run();
            assert_eq!(scene.banned(), scene.guilty(), "{manner:?}, {seed}");
            assert!(scene.failed <= 4, "{manner:?}, {seed}: {}", scene.failed);
        }
    }
}

#[test]
fn one_bad_block_in_a_hundred_is_enough() {
    for seed in 0..8 {
        let mut scene = Scene::with_corrupt(seed, 40, 10, &[Manner::OneIn(100)]);
        scene.run();
        assert_eq!(scene.banned(), scene.guilty(), "{seed}");
        assert!(scene.failed <= 4, "{seed}: {}", scene.failed);
    }
}

#[test]
fn two_corrupt_peers_at_once_are_both_found() {
    let manners = [
        [Manner::OneOfEachPiece, Manner::OneOfEachPiece],
        [Manner::OneIn(1), Manner::OneIn(7)],
        [Manner::Dribbles, Manner::OneOfEachPiece],
    ];
    for corrupt in manners {
        for seed in 0..8 {
            let mut scene = Scene::with_corrupt(seed, 40, 20, &corrupt);
            scene.run();
            assert_eq!(scene.banned(), scene.guilty(), "{corrupt:?}, {seed}");
            assert!(scene.failed <= 16, "{corrupt:?}, {seed}: {}", scene.failed);
        }
    }
}

#[test]
fn the_last_piece_is_not_spoilt_for_ever() {
    for manner in [Manner::OneOfEachPiece, Manner::OneIn(3), Manner::Dribbles] {
        for (seed, peers) in (0..10).zip([2, 2, 2, 3, 3, 5, 5, 10, 10, 50]) {
            let mut scene = Scene::with_corrupt(seed, 1, peers, &[manner]);
            scene.run();
            let innocent = scene
                .banned()
                .iter()
                .all(|each| scene.guilty().contains(each));
            assert!(innocent, "{manner:?}, {seed}");
            assert!(scene.failed <= 2, "{manner:?}, {seed}: {}", scene.failed);
        }
    }
}

//! The picker against a model that looks at everything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use headwater_metainfo::PeerId;
use proptest::prelude::*;

use super::*;

const BLOCKS: u32 = 3;

/// What a picker must agree with.
#[derive(Debug, Default)]
struct Model {
    pieces: u32,
    have: BTreeSet<u32>,
    priorities: Vec<u32>,
    peers: Vec<(PeerKey, BTreeSet<u32>, PeerPieces)>,
    /// Blocks that are asked for, and of whom.
    asked: BTreeMap<(u32, u32), Vec<usize>>,
    received: BTreeSet<(u32, u32)>,
}

impl Model {
    fn wants(&self, piece: u32) -> bool {
        !self.have.contains(&piece) && self.priorities[piece as usize] > 0
    }

    fn is_free(&self, block: (u32, u32)) -> bool {
        self.wants(block.0) && !self.asked.contains_key(&block) && !self.received.contains(&block)
    }

    fn blocks(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let pieces = self.pieces;
        (0..pieces).flat_map(|piece| (0..BLOCKS).map(move |block| (piece, block)))
    }

    fn is_untouched(&self, piece: u32) -> bool {
        (0..BLOCKS).all(|index| {
            let block = (piece, index);
            !self.asked.contains_key(&block) && !self.received.contains(&block)
        })
    }

    fn availability(&self, piece: u32) -> usize {
        let having = self
            .peers
            .iter()
            .filter(|(_, pieces, _)| pieces.contains(&piece));
        having.count()
    }

    /// The priority and availability of the pieces that may be begun with a peer, the best first.
    fn best_fresh(&self, peer: usize) -> Option<(std::cmp::Reverse<u32>, usize)> {
        let pieces = self.peers[peer].1.iter().copied();
        let fresh = pieces.filter(|&piece| self.wants(piece) && self.is_untouched(piece));
        let rank = |piece: u32| {
            let priority = std::cmp::Reverse(self.priorities[piece as usize]);
            (priority, self.availability(piece))
        };
        fresh.map(rank).min()
    }
}

#[derive(Debug, Clone)]
enum Operation {
    Pick {
        peer: usize,
        count: usize,
        fast: bool,
    },
    Receive {
        nth: usize,
    },
    Release {
        nth: usize,
    },
    Have {
        peer: usize,
        piece: u32,
    },
    Replace {
        peer: usize,
        pieces: Vec<bool>,
    },
    Passed {
        nth: usize,
    },
    Lost {
        piece: u32,
    },
    Priorities(Vec<u32>),
    Forget {
        piece: u32,
    },
}

fn operation(pieces: u32, peers: usize) -> impl Strategy<Value = Operation> {
    let priorities = prop::collection::vec(0u32..3, pieces as usize);
    prop_oneof![
        6 => (0..peers, 1usize..8, any::<bool>())
            .prop_map(|(peer, count, fast)| Operation::Pick { peer, count, fast }),
        6 => (0usize..100).prop_map(|nth| Operation::Receive { nth }),
        2 => (0usize..100).prop_map(|nth| Operation::Release { nth }),
        4 => (0..peers, 0..pieces).prop_map(|(peer, piece)| Operation::Have { peer, piece }),
        1 => (0..peers, prop::collection::vec(any::<bool>(), pieces as usize))
            .prop_map(|(peer, pieces)| Operation::Replace { peer, pieces }),
        2 => (0usize..100).prop_map(|nth| Operation::Passed { nth }),
        1 => (0..pieces).prop_map(|piece| Operation::Lost { piece }),
        1 => priorities.prop_map(Operation::Priorities),
        1 => (0..pieces).prop_map(|piece| Operation::Forget { piece }),
    ]
}

/// The picker, the model, and the keys of peers that exist nowhere else.
struct Pair {
    picker: Picker,
    model: Model,
    geometry: PieceGeometry,
}

impl Pair {
    fn new(pieces: u32, peers: usize) -> Self {
        let length = BLOCKS * headwater_metainfo::BLOCK_LENGTH;
        let total = u64::from(pieces) * u64::from(length);
        let geometry = PieceGeometry::new(total, length.into()).unwrap();
        let priorities = Priorities::new(vec![], pieces);
        let have = Bitfield::new(pieces);
        Self {
            picker: Picker::new(geometry, &have, &priorities, 7),
            model: Model {
                pieces,
                priorities: vec![1; pieces as usize],
                peers: (0..peers as u32)
                    .map(PeerKey::for_tests)
                    .map(|key| (key, BTreeSet::new(), PeerPieces::None { len: pieces }))
                    .collect(),
                ..Model::default()
            },
            geometry,
        }
    }

    fn have(&self) -> Bitfield {
        let mut have = Bitfield::new(self.model.pieces);
        for &piece in &self.model.have {
            have.set(PieceIndex(piece));
        }
        have
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Pick { peer, count, fast } => self.pick(peer, count, fast),
            Operation::Receive { nth } => self.receive(nth),
            Operation::Release { nth } => self.release(nth),
            Operation::Have { peer, piece } => self.peer_has(peer, piece),
            Operation::Replace { peer, pieces } => self.replace(peer, &pieces),
            Operation::Passed { nth } => self.passed(nth),
            Operation::Lost { piece } => self.lose_blocks(piece),
            Operation::Priorities(priorities) => self.set_priorities(priorities),
            Operation::Forget { piece } => self.forget(piece),
        }
        self.picker.check_invariants();
        for piece in 0..self.model.pieces {
            let index = PieceIndex(piece);
            assert_eq!(self.picker.wants(index), self.model.wants(piece));
            assert_eq!(
                self.picker.availability(index) as usize,
                self.model.availability(piece)
            );
        }
        let free = self.model.blocks().any(|block| self.model.is_free(block));
        assert_eq!(self.picker.is_endgame(), !free);
    }

    fn pick(&mut self, peer: usize, count: usize, fast: bool) {
        let (key, _, pieces) = self.model.peers[peer].clone();
        let idle = !self.model.asked.values().any(|peers| peers.contains(&peer));
        let endgame = self.picker.is_endgame();
        let best = self.model.best_fresh(peer);
        let who = Picking {
            key,
            pieces: &pieces,
            fast,
            parole: false,
            idle,
            allowed: None,
            suggested: &[],
            current: None,
            random: false,
            many_partials: 4,
        };
        let mut picked = Vec::new();
        self.picker.pick(&who, count, &mut picked);
        assert!(picked.len() <= count);
        let mut opened = None;
        for BlockId { piece, index } in picked.iter().copied() {
            let block = (piece.0, index);
            assert!(
                self.model.peers[peer].1.contains(&piece.0),
                "it lacks {block:?}"
            );
            if endgame {
                assert!(self.model.asked.contains_key(&block) && idle, "{block:?}");
            } else {
                assert!(self.model.is_free(block), "{block:?} is not free");
            }
            if opened.is_none() && self.model.is_untouched(piece.0) {
                opened = Some(piece.0);
            }
            self.model.asked.entry(block).or_default().push(peer);
        }
        if let Some(piece) = opened {
            let rank = std::cmp::Reverse(self.model.priorities[piece as usize]);
            let chosen = (rank, self.model.availability(piece));
            assert_eq!(Some(chosen), best, "{piece} is not a rarest one");
        }
        // It gives out as much as there is.
        let left = self.model.blocks().filter(|&block| {
            self.model.is_free(block) && self.model.peers[peer].1.contains(&block.0)
        });
        let left = left.count();
        assert!(
            picked.len() == count || left == 0,
            "{left} blocks kept back"
        );
    }

    fn receive(&mut self, nth: usize) {
        let Some((&block, peers)) = nth_of(&self.model.asked, nth) else {
            return;
        };
        let peer = peers[nth % peers.len()];
        let asked = peers.len() as u8;
        let from = contributor(self.model.peers[peer].0);
        let id = BlockId {
            piece: PieceIndex(block.0),
            index: block.1,
        };
        self.model.asked.remove(&block);
        self.model.received.insert(block);
        let completes = (0..BLOCKS).all(|i| self.model.received.contains(&(block.0, i)));
        let receipt = self.picker.receive(id, from);
        assert_eq!(receipt, Receipt::Useful { asked, completes });
        assert_eq!(self.picker.receive(id, from), Receipt::Useless);
    }

    fn release(&mut self, nth: usize) {
        let Some((&block, peers)) = nth_of(&self.model.asked, nth) else {
            return;
        };
        let mut peers = peers.clone();
        peers.pop();
        self.picker.release(BlockId {
            piece: PieceIndex(block.0),
            index: block.1,
        });
        if peers.is_empty() {
            self.model.asked.remove(&block);
        } else {
            self.model.asked.insert(block, peers);
        }
    }

    fn peer_has(&mut self, peer: usize, piece: u32) {
        let (_, set, pieces) = &mut self.model.peers[peer];
        if !set.insert(piece) {
            return;
        }
        self.picker.remove_peer(pieces);
        pieces.set(PieceIndex(piece));
        self.picker.add_peer(pieces);
    }

    fn replace(&mut self, peer: usize, has: &[bool]) {
        let (_, set, pieces) = &mut self.model.peers[peer];
        self.picker.remove_peer(pieces);
        let mut bits = Bitfield::new(has.len() as u32);
        set.clear();
        for piece in (0..has.len() as u32).filter(|&piece| has[piece as usize]) {
            bits.set(PieceIndex(piece));
            set.insert(piece);
        }
        *pieces = PeerPieces::from_bitfield(bits);
        self.picker.add_peer(pieces);
    }

    fn passed(&mut self, nth: usize) {
        let complete =
            |piece: &u32| (0..BLOCKS).all(|i| self.model.received.contains(&(*piece, i)));
        let pieces: Vec<_> = (0..self.model.pieces).filter(complete).collect();
        let Some(&piece) = pieces.get(nth % pieces.len().max(1)) else {
            return;
        };
        assert!(self.picker.is_complete(PieceIndex(piece)));
        self.picker.piece_had(PieceIndex(piece));
        self.model.have.insert(piece);
        self.model.received.retain(|block| block.0 != piece);
    }

    fn lose_blocks(&mut self, piece: u32) {
        self.picker.piece_lost(PieceIndex(piece));
        self.model.received.retain(|block| block.0 != piece);
    }

    fn set_priorities(&mut self, priorities: Vec<u32>) {
        let list = priorities.iter().copied().map(Priority).collect();
        self.model.priorities = priorities;
        let have = self.have();
        let list = Priorities::new(list, self.model.pieces);
        let unwanted = self.picker.set_priorities(&have, &list);
        for piece in unwanted {
            assert!(!self.model.wants(piece.0) && !self.model.is_untouched(piece.0));
            self.picker.drop_unwanted(piece);
        }
        let complete = |piece: u32| (0..BLOCKS).all(|i| self.model.received.contains(&(piece, i)));
        let wanted: Vec<_> = (0..self.model.pieces)
            .map(|piece| self.model.wants(piece) || complete(piece))
            .collect();
        self.model.asked.retain(|block, _| wanted[block.0 as usize]);
        self.model.received.retain(|block| wanted[block.0 as usize]);
    }

    fn forget(&mut self, piece: u32) {
        if !self.model.have.remove(&piece) {
            return;
        }
        let priority = Priority(self.model.priorities[piece as usize]);
        self.picker.want(PieceIndex(piece), priority);
        assert_eq!(self.geometry.block_count(PieceIndex(piece)), BLOCKS);
    }
}

fn nth_of<K: Ord, V>(map: &BTreeMap<K, V>, nth: usize) -> Option<(&K, &V)> {
    map.iter().nth(nth % map.len().max(1))
}

fn contributor(key: PeerKey) -> Contributor {
    Contributor {
        key,
        address: SocketAddr::from(([10, 0, 0, 1], 1)),
        peer_id: PeerId([0; 20]),
    }
}

proptest! {
    #[test]
    fn agrees_with_the_model(operations in prop::collection::vec(operation(12, 4), 1..150)) {
        let mut pair = Pair::new(12, 4);
        for operation in operations {
            pair.apply(operation);
        }
    }
}

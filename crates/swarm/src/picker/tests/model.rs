//! What a picker must agree with: the same facts, without any order or index.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::PeerKey;
use crate::pieces::PeerPieces;

pub(super) const BLOCKS: u32 = 3;

/// A block by its piece and its number in it.
pub(super) type Block = (u32, u32);

/// How much a piece is wanted, and how rare it is or how early it comes: the smaller, the better.
pub(super) type Rank = (Reverse<u32>, u32);

#[derive(Debug)]
pub(super) struct ModelPeer {
    pub(super) key: PeerKey,
    pub(super) has: BTreeSet<u32>,
    pub(super) pieces: PeerPieces,
    /// What others should fetch.
    pub(super) kept: BTreeSet<u32>,
    /// The piece of which it was asked last.
    pub(super) current: Option<u32>,
}

impl ModelPeer {
    /// Whether it may be asked for a piece.
    pub(super) fn offers(&self, piece: u32) -> bool {
        self.has.contains(&piece) && !self.kept.contains(&piece)
    }
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) pieces: u32,
    pub(super) have: BTreeSet<u32>,
    pub(super) priorities: Vec<u32>,
    pub(super) peers: Vec<ModelPeer>,
    /// Blocks that are asked for, and of whom, in the order of asking.
    pub(super) asked: BTreeMap<Block, Vec<usize>>,
    pub(super) received: BTreeSet<Block>,
    pub(super) deadlines: BTreeMap<u32, Instant>,
    pub(super) sequential: bool,
}

impl Model {
    pub(super) fn new(pieces: u32, peers: u32) -> Self {
        let peer = |slot| ModelPeer {
            key: PeerKey::for_tests(slot),
            has: BTreeSet::new(),
            pieces: PeerPieces::None { len: pieces },
            kept: BTreeSet::new(),
            current: None,
        };
        Self {
            pieces,
            priorities: vec![1; pieces as usize],
            peers: (0..peers).map(peer).collect(),
            ..Self::default()
        }
    }

    pub(super) fn wants(&self, piece: u32) -> bool {
        !self.have.contains(&piece) && self.priorities[piece as usize] > 0
    }

    pub(super) fn is_free(&self, block: Block) -> bool {
        self.wants(block.0) && !self.asked.contains_key(&block) && !self.received.contains(&block)
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = Block> + use<> {
        let pieces = self.pieces;
        (0..pieces).flat_map(|piece| (0..BLOCKS).map(move |block| (piece, block)))
    }

    pub(super) fn is_untouched(&self, piece: u32) -> bool {
        (0..BLOCKS).all(|index| {
            let block = (piece, index);
            !self.asked.contains_key(&block) && !self.received.contains(&block)
        })
    }

    pub(super) fn is_complete(&self, piece: u32) -> bool {
        (0..BLOCKS).all(|index| self.received.contains(&(piece, index)))
    }

    pub(super) fn in_flight(&self, piece: u32) -> usize {
        self.asked.range((piece, 0)..(piece + 1, 0)).count()
    }

    pub(super) fn is_idle(&self, peer: usize) -> bool {
        !self.asked.values().any(|peers| peers.contains(&peer))
    }

    pub(super) fn availability(&self, piece: u32) -> u32 {
        let having = self.peers.iter().filter(|peer| peer.has.contains(&piece));
        having.count() as u32
    }

    /// Whether nothing is left to ask for.
    pub(super) fn is_endgame(&self) -> bool {
        !self.blocks().any(|block| self.is_free(block))
    }

    pub(super) fn rank(&self, piece: u32) -> Rank {
        let second = if self.sequential {
            piece
        } else {
            self.availability(piece)
        };
        (Reverse(self.priorities[piece as usize]), second)
    }

    /// The best rank of a piece that may be begun with a peer.
    pub(super) fn best_fresh(&self, peer: usize) -> Option<Rank> {
        let pieces = (0..self.pieces).filter(|&piece| self.peers[peer].offers(piece));
        let fresh = pieces.filter(|&piece| self.wants(piece) && self.is_untouched(piece));
        fresh.map(|piece| self.rank(piece)).min()
    }

    pub(super) fn take(&mut self, block: Block, peer: usize) {
        self.asked.entry(block).or_default().push(peer);
        self.peers[peer].current = Some(block.0);
    }

    /// Forgets what is under way of pieces that are not wanted.
    pub(super) fn drop_unwanted(&mut self) {
        let kept: Vec<_> = (0..self.pieces)
            .map(|piece| self.wants(piece) || self.is_complete(piece))
            .collect();
        self.asked.retain(|block, _| kept[block.0 as usize]);
        self.received.retain(|block| kept[block.0 as usize]);
    }
}

//! Pieces of which something was asked for or received.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use headwater_metainfo::{Bitfield, PeerId, PieceIndex};
use smallvec::SmallVec;

use super::shelves::Shelved;
use crate::PeerKey;

/// A peer as the sender of a block: whom to blame when the piece turns out to be bad, even when it is gone by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contributor {
    pub(crate) key: PeerKey,
    pub(crate) address: SocketAddr,
    pub(crate) peer_id: PeerId,
}

/// Where a block comes from: an index into its piece's contributors, or [`FROM_DISK`].
type Sender = u16;

/// The sender of blocks that were on disk when the torrent was started.
const FROM_DISK: Sender = Sender::MAX;

const FREE: u8 = 0;
const RECEIVED: u8 = u8::MAX;

/// A block's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockState {
    /// Nobody was asked for it.
    Free,
    /// So many peers were asked for it.
    Requested(u8),
    /// It is there.
    Received,
}

/// Why a piece is to come from one peer alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exclusivity {
    /// It failed before. When its owner is too slow, others may help all the same.
    Suspect,
    /// Its owner is under suspicion.
    Parole,
}

/// One piece's blocks.
#[derive(Debug, Clone)]
pub(super) struct Partial {
    pub(super) piece: PieceIndex,
    /// Grows with each piece that is opened: how new this one is.
    pub(super) serial: u64,
    /// The peer that should fetch all of it, so that one peer is to blame, or because it is fast.
    pub(super) owner: Option<PeerKey>,
    /// Why nobody but the owner may touch it.
    pub(super) exclusivity: Option<Exclusivity>,
    /// Where it stands among the partial pieces that have free blocks.
    pub(super) shelved: Option<Shelved>,
    /// [`FREE`], [`RECEIVED`], or the number of peers that were asked.
    states: Box<[u8]>,
    /// Who was asked for each block first. It means something only where somebody was.
    askers: Box<[PeerKey]>,
    /// Blocks that others were asked for besides, and whom.
    also: BTreeSet<(u32, PeerKey)>,
    senders: Box<[Sender]>,
    contributors: SmallVec<[Contributor; 1]>,
    free: u32,
    received: u32,
    /// No block before this one is free.
    cursor: u32,
}

impl Partial {
    pub(super) fn new(piece: PieceIndex, blocks: u32, serial: u64) -> Self {
        Self {
            piece,
            serial,
            owner: None,
            exclusivity: None,
            shelved: None,
            states: vec![FREE; blocks as usize].into(),
            askers: vec![PeerKey::NOBODY; blocks as usize].into(),
            also: BTreeSet::new(),
            senders: vec![FROM_DISK; blocks as usize].into(),
            contributors: SmallVec::new(),
            free: blocks,
            received: 0,
            cursor: 0,
        }
    }

    pub(super) fn blocks(&self) -> u32 {
        self.states.len() as u32
    }

    pub(super) fn free(&self) -> u32 {
        self.free
    }

    pub(super) fn received(&self) -> u32 {
        self.received
    }

    /// Blocks that were asked for and are not there.
    pub(super) fn in_flight(&self) -> u32 {
        self.blocks() - self.free - self.received
    }

    pub(super) fn is_complete(&self) -> bool {
        self.received == self.blocks()
    }

    pub(super) fn state(&self, block: u32) -> BlockState {
        match self.states[block as usize] {
            FREE => BlockState::Free,
            RECEIVED => BlockState::Received,
            peers => BlockState::Requested(peers),
        }
    }

    /// The peers that were asked for a block and have not sent it.
    pub(super) fn asked(&self, block: u32) -> impl Iterator<Item = PeerKey> + '_ {
        let (first, more) = match self.state(block) {
            BlockState::Requested(peers) => (Some(self.askers[block as usize]), peers > 1),
            _ => (None, false),
        };
        let also = more.then(|| self.also.range((block, PeerKey::FIRST)..));
        let also = also.into_iter().flatten();
        let also = also.take_while(move |other| other.0 == block);
        first.into_iter().chain(also.map(|other| other.1))
    }

    /// Takes the first free block for a peer.
    pub(super) fn take_free(&mut self, peer: PeerKey) -> Option<u32> {
        let from = self.cursor as usize;
        let found = self.states[from..]
            .iter()
            .position(|&state| state == FREE)?;
        let block = (from + found) as u32;
        self.states[block as usize] = 1;
        self.askers[block as usize] = peer;
        self.free -= 1;
        self.cursor = block + 1;
        Some(block)
    }

    /// Takes a block that others were asked for already.
    pub(super) fn take_busy(&mut self, block: u32, peer: PeerKey) {
        debug_assert!(matches!(self.state(block), BlockState::Requested(_)));
        self.states[block as usize] += 1;
        self.also.insert((block, peer));
    }

    /// Takes the request of one peer back and says whether there was one.
    pub(super) fn release(&mut self, block: u32, peer: PeerKey) -> bool {
        let BlockState::Requested(peers) = self.state(block) else {
            return false;
        };
        if !self.also.remove(&(block, peer)) {
            if self.askers[block as usize] != peer {
                return false;
            }
            let next = self.asked(block).nth(1);
            if let Some(next) = next {
                self.also.remove(&(block, next));
                self.askers[block as usize] = next;
            }
        }
        self.states[block as usize] = peers - 1;
        if peers == 1 {
            self.free += 1;
            self.cursor = self.cursor.min(block);
        }
        true
    }

    /// Notes that a block is there. `None` is the disk. Says in which state it was.
    pub(super) fn receive(&mut self, block: u32, from: Option<Contributor>) -> BlockState {
        let before = self.state(block);
        if before == BlockState::Received {
            return before;
        }
        self.free -= u32::from(before == BlockState::Free);
        self.received += 1;
        self.states[block as usize] = RECEIVED;
        self.senders[block as usize] = from.map_or(FROM_DISK, |from| self.sender(from));
        if matches!(before, BlockState::Requested(2..)) {
            self.also.retain(|other| other.0 != block);
        }
        before
    }

    fn sender(&mut self, from: Contributor) -> Sender {
        let same = |known: &Contributor| known.key == from.key;
        let index = self.contributors.iter().rposition(same);
        index.unwrap_or_else(|| {
            self.contributors.push(from);
            self.contributors.len() - 1
        }) as Sender
    }

    /// Every received block is lost; requests under way are kept.
    pub(super) fn lose_received(&mut self) {
        for state in &mut self.states {
            if *state == RECEIVED {
                *state = FREE;
            }
        }
        self.free += self.received;
        self.received = 0;
        self.cursor = 0;
        self.contributors.clear();
    }

    /// Who sent it, and whether that accounts for every block: some may have been on disk.
    pub(super) fn contributors(&self) -> (&[Contributor], bool) {
        let all_known = self.senders.iter().all(|&sender| sender != FROM_DISK);
        (&self.contributors, all_known)
    }

    /// The sender of each block, in order. `None` is the disk. To be asked of complete pieces.
    pub(super) fn senders(&self) -> impl Iterator<Item = Option<Contributor>> + '_ {
        let senders = self.senders.iter().map(|&sender| usize::from(sender));
        senders.map(|sender| self.contributors.get(sender).copied())
    }

    /// The received blocks.
    pub(super) fn received_blocks(&self) -> Bitfield {
        let mut bits = Bitfield::new(self.blocks());
        for (block, &state) in self.states.iter().enumerate() {
            if state == RECEIVED {
                bits.set(PieceIndex(block as u32));
            }
        }
        bits
    }

    pub(super) fn check_invariants(&self) {
        let count = |wanted: fn(u8) -> bool| {
            self.states.iter().filter(|&&state| wanted(state)).count() as u32
        };
        assert_eq!(self.free, count(|state| state == FREE));
        assert_eq!(self.received, count(|state| state == RECEIVED));
        let before = &self.states[..self.cursor as usize];
        assert!(before.iter().all(|&state| state != FREE));
        assert_eq!(self.shelved.is_some(), self.free > 0, "{:?}", self.piece);
        for block in 0..self.blocks() {
            let asked = match self.state(block) {
                BlockState::Requested(peers) => usize::from(peers),
                _ => 0,
            };
            assert_eq!(self.asked(block).count(), asked);
        }
        assert!(self.exclusivity.is_none() || self.owner.is_some());
    }
}

//! A driver that keeps to the protocol of [`Torrent`] and checks that the torrent does.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_metainfo::{Bitfield, BlockSpan, PieceIndex};
use headwater_swarm::{
    Action, Activity, Connected, Direction, PeerKey, PeerSource, PieceCheck, Torrent,
};
use headwater_wire::{Handshake, Message};

use super::content;

/// Actions that no single step may exceed.
const MAX_ACTIONS: usize = 100_000;

/// A connection as the driver knows it.
pub(super) struct Link {
    pub(super) key: PeerKey,
    pub(super) fast: bool,
    /// Pieces that the peer was told of.
    pub(super) told: Bitfield,
    /// What the torrent asked of the peer.
    pub(super) asked: Vec<BlockSpan>,
    /// What it asked and called off; the fast extension promises an answer all the same.
    pub(super) cancelled: Vec<BlockSpan>,
    /// What the driver is to send, and whether that was called off.
    pub(super) serving: Vec<(BlockSpan, bool)>,
}

pub(super) struct Driver {
    pub(super) torrent: Torrent,
    pub(super) now: Instant,
    pub(super) links: Vec<Link>,
    pub(super) dialling: Vec<SocketAddr>,
    /// Blocks that wait for their piece to be complete.
    stored: BTreeSet<BlockSpan>,
    /// Pieces whose check was not answered.
    pub(super) checking: Vec<PieceIndex>,
    /// Pieces of which the torrent wants to know what their blocks are.
    digesting: Vec<PieceIndex>,
    pub(super) backlogged: bool,
}

impl Driver {
    /// `stored` are the blocks that the torrent was told of when it was made.
    pub(super) fn new(torrent: Torrent, now: Instant, stored: BTreeSet<BlockSpan>) -> Self {
        Self {
            torrent,
            now,
            links: Vec::new(),
            dialling: Vec::new(),
            stored,
            checking: Vec::new(),
            digesting: Vec::new(),
            backlogged: false,
        }
    }

    /// Does everything that the torrent asks for and checks its books.
    pub(super) fn drain(&mut self) {
        let mut count = 0;
        loop {
            while let Some(action) = self.torrent.poll_action() {
                self.act(action);
                count += 1;
                assert!(count < MAX_ACTIONS, "there is no end of actions");
            }
            let Some(piece) = self.digesting.pop() else {
                break;
            };
            let blocks = self.torrent.geometry().block_count(piece);
            let digests = vec![content(true); blocks as usize];
            self.torrent.handle_block_digests(self.now, piece, &digests);
        }
        while self.torrent.poll_event().is_some() {}
        self.torrent.check_invariants();
        let known: BTreeSet<_> = self.links.iter().map(|link| link.key).collect();
        let peers: BTreeSet<_> = self.torrent.peers().map(|peer| peer.key).collect();
        assert_eq!(peers, known, "the driver was not told who is connected");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial { address, .. } => self.dial(address),
            Action::Send { peer, message } => self.send(peer, &message),
            Action::ServeBlock { peer, block } => {
                assert!(self.torrent.geometry().contains(block));
                assert!(self.torrent.have().has(block.piece), "{block:?} is not had");
                let link = self.link(peer);
                assert!(link.told.has(block.piece), "{block:?} was never offered");
                link.serving.push((block, false));
            }
            Action::CancelServe { peer, block } => {
                let serving = &mut self.link(peer).serving;
                let entry = serving.iter_mut().find(|each| **each == (block, false));
                entry.expect("what is called off was to be served").1 = true;
            }
            Action::StoreBlock { block, data } => {
                assert!(self.torrent.geometry().is_block(block));
                assert_eq!(data.len(), block.length as usize);
                assert!(self.stored.insert(block), "{block:?} stored twice");
            }
            Action::CompletePiece { piece } => self.complete(piece),
            Action::DigestBlocks { piece } => {
                assert!(self.torrent.have().has(piece), "{piece:?} is not had");
                self.digesting.push(piece);
            }
            Action::DiscardPiece { piece } => self.forget(piece),
            Action::CheckMetadata { .. } => panic!("the metadata is there"),
            Action::Disconnect { peer, .. } => {
                self.link(peer);
                self.links.retain(|link| link.key != peer);
            }
        }
    }

    fn dial(&mut self, address: SocketAddr) {
        assert_ne!(self.torrent.activity(), Activity::Stopped);
        assert!(!self.dialling.contains(&address), "{address} dialled twice");
        self.dialling.push(address);
        assert!(self.dialling.len() <= self.torrent.limits().max_half_open);
    }

    fn send(&mut self, peer: PeerKey, message: &Message) {
        let have = self.torrent.have().clone();
        match message {
            Message::Have(piece) => {
                assert!(have.has(*piece), "{piece:?} is not had");
                self.link(peer).told.set(*piece);
            }
            Message::HaveAll => {
                assert!(have.is_full());
                self.link(peer).told = have;
            }
            // A seed may hide what it has (BEP 16).
            Message::HaveNone => assert!(have.is_clear() || have.is_full()),
            Message::Bitfield(bits) => {
                assert_eq!(bits, have.as_bytes());
                self.link(peer).told = have;
            }
            Message::Piece { .. } => panic!("blocks are served, not sent"),
            Message::Request(block) => self.request(peer, *block),
            Message::Cancel(block) => {
                let link = self.link(peer);
                let at = link.asked.iter().position(|each| each == block);
                link.asked
                    .swap_remove(at.expect("what is cancelled was asked for"));
                link.cancelled.push(*block);
            }
            _ => {}
        }
        self.link(peer);
    }

    fn request(&mut self, peer: PeerKey, block: BlockSpan) {
        assert!(self.torrent.geometry().is_block(block));
        assert!(!self.torrent.have().has(block.piece));
        assert!(self.torrent.priority(block.piece).is_wanted());
        assert_eq!(self.torrent.activity(), Activity::Active);
        assert!(!self.backlogged, "asks for more than the disk can take");
        assert!(!self.stored.contains(&block), "{block:?} is there");
        self.link(peer).asked.push(block);
    }

    fn complete(&mut self, piece: PieceIndex) {
        for block in self.torrent.geometry().blocks(piece) {
            assert!(self.stored.contains(&block), "{block:?} was never stored");
        }
        assert!(!self.checking.contains(&piece), "{piece:?} completed twice");
        self.checking.push(piece);
    }

    /// The torrent speaks only of peers that are connected.
    fn link(&mut self, key: PeerKey) -> &mut Link {
        let link = self.links.iter_mut().find(|link| link.key == key);
        link.expect("the peer is connected")
    }

    fn forget(&mut self, piece: PieceIndex) {
        self.stored.retain(|block| block.piece != piece);
        self.checking.retain(|each| *each != piece);
    }

    pub(super) fn connect(
        &mut self,
        address: SocketAddr,
        direction: Direction,
        handshake: Handshake,
    ) -> Option<PeerKey> {
        let connected = Connected {
            address,
            direction,
            handshake,
            local_ip: None,
            source: PeerSource::Tracker,
        };
        let key = self.torrent.handle_connected(self.now, connected).ok()?;
        self.links.push(Link {
            key,
            fast: handshake.reserved.fast_extension(),
            told: Bitfield::new(self.torrent.geometry().piece_count()),
            asked: Vec::new(),
            cancelled: Vec::new(),
            serving: Vec::new(),
        });
        Some(key)
    }

    pub(super) fn disconnect(&mut self, key: PeerKey) {
        self.links.retain(|link| link.key != key);
        self.torrent.handle_disconnected(self.now, key);
    }

    pub(super) fn stop_dialling(&mut self, address: SocketAddr) {
        self.dialling.retain(|each| *each != address);
    }

    /// Pieces of which there are blocks.
    pub(super) fn touched(&self) -> Vec<PieceIndex> {
        let pieces: BTreeSet<_> = self.stored.iter().map(|block| block.piece).collect();
        pieces.into_iter().collect()
    }

    pub(super) fn lose_blocks(&mut self, piece: PieceIndex) {
        self.forget(piece);
        self.torrent.handle_store_failed(self.now, piece);
    }

    /// Answers a check. What was stored of the piece is then written, or forgotten when the torrent says so.
    pub(super) fn answer_check(&mut self, piece: PieceIndex, check: PieceCheck) {
        self.checking.retain(|each| *each != piece);
        let passed = check == PieceCheck::Passed;
        if passed {
            self.forget(piece);
        }
        self.torrent.handle_piece_checked(self.now, piece, check);
        assert_eq!(self.torrent.have().has(piece), passed);
    }

    pub(super) fn advance(&mut self, time: Duration) {
        self.now += time;
        self.torrent.handle_timeout(self.now);
        self.drain();
        let due = self.torrent.poll_timeout();
        assert!(due.is_none_or(|due| due > self.now), "time stands still");
    }
}

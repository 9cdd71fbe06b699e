//! One torrent among peers that do what a benchmark says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use headwater_metainfo::{Bitfield, BlockSpan, InfoHash, PeerId, PieceGeometry, PieceIndex};
use headwater_swarm::{Action, Config, Connected, Direction, PeerKey, PeerSource, Torrent};
use headwater_wire::{Handshake, Message};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// 16 blocks.
const PIECE: u64 = 256 * 1024;
/// Pieces that are had at the start, so that the rarest are fetched first.
const HAD: u32 = 8;

/// Who has what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Every peer has a random half.
    Even,
    /// Every peer has the second half, all but the first also the first half: the first peer has nothing rare.
    Common,
    /// One peer has everything, the others a hundredth each.
    Fresh,
    /// As [`Even`](Self::Even), and nobody is fast enough for pieces of its own.
    Slow,
    /// Everybody has everything, and there is less left than would keep them busy.
    Scarce,
}

/// A peer, and what it was asked for.
pub(crate) struct Remote {
    pub(crate) key: PeerKey,
    pub(crate) bits: Bitfield,
    pub(crate) asked: VecDeque<BlockSpan>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) torrent: Torrent,
    pub(crate) peers: Vec<Remote>,
    /// Pieces whose blocks are all there.
    pub(crate) complete: Vec<PieceIndex>,
    block: Bytes,
}

impl World {
    pub(crate) fn new(peers: usize, pieces: u32, spread: Spread) -> Self {
        let geometry = PieceGeometry::new(u64::from(pieces) * PIECE, PIECE).expect("it is valid");
        let id = PeerId(*b"-HW0100-abcdefghijkl");
        let mut config = Config::new(InfoHash([1; 20]), id, geometry);
        let had = match spread {
            Spread::Scarce => pieces - peers as u32,
            _ => HAD,
        };
        (0..had).for_each(|piece| _ = config.have.set(PieceIndex(piece)));
        config.limits.max_peers = peers + 1;
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
        let now = Instant::now();
        let mut world = Self {
            now,
            torrent: Torrent::new(now, config),
            peers: Vec::new(),
            complete: Vec::new(),
            block: vec![0; 16_384].into(),
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        for index in 0..peers {
            let bits = spread.pieces(index, pieces, &mut rng);
            world.connect(index, &bits);
        }
        if spread != Spread::Slow {
            world.warm_up();
        }
        world
    }

    /// Connects a peer, which unchokes us and wants something of us.
    pub(crate) fn connect(&mut self, index: usize, bits: &Bitfield) {
        let mut peer_id = [b'x'; 20];
        peer_id[..8].copy_from_slice(&(index as u64).to_be_bytes());
        let connected = Connected {
            address: SocketAddr::from(([10, 1, (index >> 8) as u8, index as u8], 6_881)),
            direction: Direction::Incoming,
            handshake: Handshake {
                reserved: self.torrent.reserved(),
                info_hash: InfoHash([1; 20]),
                peer_id: PeerId(peer_id),
            },
            local_ip: None,
            source: PeerSource::Tracker,
        };
        let connected = self.torrent.handle_connected(self.now, connected);
        let key = connected.expect("there is room");
        let remote = Remote {
            key,
            bits: bits.clone(),
            asked: VecDeque::new(),
        };
        match self.peers.get_mut(index) {
            Some(place) => *place = remote,
            None => self.peers.push(remote),
        }
        let bytes = Bytes::copy_from_slice(bits.as_bytes());
        for message in [
            Message::Bitfield(bytes),
            Message::Interested,
            Message::Unchoke,
        ] {
            self.say(index, message);
        }
        self.drain();
    }

    /// Some seconds in which every peer shows that it is fast enough for whole pieces.
    fn warm_up(&mut self) {
        for _ in 0..4 {
            for index in 0..self.peers.len() {
                for _ in 0..4 {
                    self.answer(index);
                    self.drain();
                    self.lose_complete();
                }
            }
            self.tick();
        }
    }

    pub(crate) fn tick(&mut self) {
        self.now += Duration::from_secs(1);
        self.torrent.handle_timeout(self.now);
        self.drain();
    }

    pub(crate) fn say(&mut self, index: usize, message: Message) {
        let key = self.peers[index].key;
        self.torrent.handle_message(self.now, key, message);
    }

    /// A peer sends the block that it was asked for first, if there is one.
    pub(crate) fn answer(&mut self, index: usize) -> bool {
        let Some(span) = self.peers[index].asked.pop_front() else {
            return false;
        };
        let data = self.block.clone();
        let BlockSpan { piece, offset, .. } = span;
        self.say(
            index,
            Message::Piece {
                piece,
                offset,
                data,
            },
        );
        true
    }

    pub(crate) fn drain(&mut self) {
        let mut actions = Vec::new();
        while let Some(action) = self.torrent.poll_action() {
            actions.push(action);
        }
        self.note_all(actions);
    }

    /// Notes what is to be done, without doing it.
    pub(crate) fn note_all(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send {
                    peer,
                    message: Message::Request(span),
                } => self.note(peer, |asked| asked.push_back(span)),
                Action::Send {
                    peer,
                    message: Message::Cancel(span),
                } => self.note(peer, |asked| asked.retain(|each| *each != span)),
                Action::CompletePiece { piece } => self.complete.push(piece),
                _ => {}
            }
        }
        while self.torrent.poll_event().is_some() {}
    }

    fn note(&mut self, peer: PeerKey, change: impl FnOnce(&mut VecDeque<BlockSpan>)) {
        let at = self.peers.iter().position(|remote| remote.key == peer);
        if let Some(at) = at {
            change(&mut self.peers[at].asked);
        }
    }

    /// The disk loses what is complete, so that there is always as much left to fetch as before.
    pub(crate) fn lose_complete(&mut self) {
        for piece in std::mem::take(&mut self.complete) {
            self.torrent.handle_store_failed(self.now, piece);
        }
        self.drain();
    }
}

impl Spread {
    fn pieces(self, index: usize, pieces: u32, rng: &mut Xoshiro256PlusPlus) -> Bitfield {
        let mut bits = Bitfield::new(pieces);
        for piece in 0..pieces {
            let has = match self {
                Self::Even | Self::Slow => rng.random(),
                Self::Scarce => true,
                Self::Common => piece >= pieces / 2 || index > 0 && rng.random_range(0..10) < 9,
                Self::Fresh => index == 0 || rng.random_range(0..100) == 0,
            };
            if has {
                bits.set(PieceIndex(piece));
            }
        }
        bits
    }
}

//! One torrent, and peers that say whatever a test wants.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use headwater_metainfo::{BlockSpan, PeerId, PieceIndex};
use headwater_wire::extension::ExtendedHandshake;
use headwater_wire::{Handshake, Message, Reserved};

use super::net::INFO_HASH;
use crate::{
    Action, Config, Connected, Direction, DisconnectReason, Event, PeerKey, PeerSource, PieceCheck,
    Refused, Torrent,
};

#[derive(Debug)]
pub(super) struct Rig {
    pub(super) now: Instant,
    pub(super) torrent: Torrent,
    pub(super) actions: Vec<Action>,
    pub(super) events: Vec<Event>,
}

impl Rig {
    pub(super) fn new(config: Config) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
        let now = Instant::now();
        Self {
            now,
            torrent: Torrent::new(now, config),
            actions: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Takes what there is to do and checks that the books are in order.
    pub(super) fn drain(&mut self) {
        while let Some(action) = self.torrent.poll_action() {
            self.actions.push(action);
        }
        while let Some(event) = self.torrent.poll_event() {
            self.events.push(event);
        }
        self.torrent.check_invariants();
    }

    /// What there was to do since the last time.
    pub(super) fn take(&mut self) -> Vec<Action> {
        self.drain();
        std::mem::take(&mut self.actions)
    }

    pub(super) fn connected(index: u8, reserved: Reserved, direction: Direction) -> Connected {
        Connected {
            address: SocketAddr::from(([10, 0, 1, index], 6_881)),
            direction,
            handshake: Handshake {
                reserved,
                info_hash: INFO_HASH,
                peer_id: PeerId([index; 20]),
            },
            local_ip: None,
            source: PeerSource::Tracker,
        }
    }

    pub(super) fn connect_with(&mut self, connected: Connected) -> Result<PeerKey, Refused> {
        let result = self.torrent.handle_connected(self.now, connected);
        self.drain();
        result
    }

    /// Connects a peer that speaks the fast extension and extended messages.
    pub(super) fn connect(&mut self, index: u8) -> PeerKey {
        let reserved = self.torrent.reserved();
        self.connect_with(Self::connected(index, reserved, Direction::Incoming))
            .unwrap()
    }

    /// Connects a peer that speaks nothing but BEP 3.
    pub(super) fn connect_plain(&mut self, index: u8) -> PeerKey {
        self.connect_with(Self::connected(
            index,
            Reserved::default(),
            Direction::Incoming,
        ))
        .unwrap()
    }

    /// Connects a peer that has everything and has unchoked us.
    pub(super) fn connect_seed(&mut self, index: u8) -> PeerKey {
        let key = self.connect(index);
        self.say(key, [Message::HaveAll, Message::Unchoke]);
        key
    }

    /// Connects a seed that answers its first requests, one each `pace`, and then chokes us.
    pub(super) fn connect_measured(&mut self, index: u8, pace: Duration) -> PeerKey {
        let key = self.connect_seed(index);
        let requests = self.requests(key);
        self.torrent.set_backlogged(self.now, true);
        for span in requests {
            self.now += pace;
            self.answer(key, span);
        }
        for piece in self.completed() {
            self.pass(piece);
        }
        self.say(key, [Message::Choke]);
        self.torrent.set_backlogged(self.now, false);
        self.take();
        key
    }

    /// Connects a peer that wants what we have.
    pub(super) fn connect_leech(&mut self, index: u8) -> PeerKey {
        let key = self.connect(index);
        self.say(key, [Message::HaveNone, Message::Interested]);
        key
    }

    pub(super) fn say(&mut self, key: PeerKey, messages: impl IntoIterator<Item = Message>) {
        for message in messages {
            self.torrent.handle_message(self.now, key, message);
        }
        self.drain();
    }

    /// Tells how many requests the peer takes.
    pub(super) fn say_reqq(&mut self, key: PeerKey, reqq: u32) {
        let handshake = ExtendedHandshake {
            request_queue: Some(reqq),
            ..ExtendedHandshake::default()
        };
        self.say(key, [handshake.message()]);
    }

    /// Sends the block that a request asks for.
    pub(super) fn answer(&mut self, key: PeerKey, span: BlockSpan) {
        self.say(key, [piece(span)]);
    }

    pub(super) fn pass(&mut self, piece: u32) {
        let piece = PieceIndex(piece);
        self.torrent
            .handle_piece_checked(self.now, piece, PieceCheck::Passed);
        self.drain();
    }

    pub(super) fn fail(&mut self, piece: u32) {
        let piece = PieceIndex(piece);
        self.torrent
            .handle_piece_checked(self.now, piece, PieceCheck::Failed { digests: vec![] });
        self.drain();
    }

    /// Lets time pass, with every time-out handled when it is due.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.torrent.poll_timeout().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.torrent.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// The requests made of a peer since the actions were last taken.
    pub(super) fn requests(&self, key: PeerKey) -> Vec<BlockSpan> {
        let messages = self.sent(key);
        let requests = messages.into_iter().filter_map(|message| match message {
            Message::Request(span) => Some(span),
            _ => None,
        });
        requests.collect()
    }

    /// What was sent to a peer since the actions were last taken.
    pub(super) fn sent(&self, key: PeerKey) -> Vec<Message> {
        let actions = self.actions.iter().filter_map(|action| match action {
            Action::Send { peer, message } if *peer == key => Some(message.clone()),
            _ => None,
        });
        actions.collect()
    }

    /// The blocks that are to be served to a peer, of those asked for since the actions were last taken.
    pub(super) fn served(&self, key: PeerKey) -> Vec<BlockSpan> {
        let actions = self.actions.iter().filter_map(|action| match action {
            Action::ServeBlock { peer, block } if *peer == key => Some(*block),
            _ => None,
        });
        actions.collect()
    }

    /// Why a peer was disconnected, if it was.
    pub(super) fn disconnected(&self, key: PeerKey) -> Option<DisconnectReason> {
        self.actions.iter().find_map(|action| match action {
            Action::Disconnect { peer, reason } if *peer == key => Some(*reason),
            _ => None,
        })
    }

    /// Pieces that are complete and to be checked, since the actions were last taken.
    pub(super) fn completed(&self) -> Vec<u32> {
        let actions = self.actions.iter().filter_map(|action| match action {
            Action::CompletePiece { piece } => Some(piece.0),
            _ => None,
        });
        actions.collect()
    }
}

pub(super) fn piece(span: BlockSpan) -> Message {
    Message::Piece {
        piece: span.piece,
        offset: span.offset,
        data: Bytes::from(vec![0; span.length as usize]),
    }
}

/// A block of a piece, 16 KiB long.
pub(super) fn block(piece: u32, index: u32) -> BlockSpan {
    BlockSpan {
        piece: PieceIndex(piece),
        offset: index * 16_384,
        length: 16_384,
    }
}

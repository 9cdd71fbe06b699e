//! Anything may happen, in any order, and the books are in order after each step.

use std::time::Duration;

use headwater_metainfo::{BlockDigest, BlockSpan, PieceIndex};
use headwater_wire::extension::{ExtendedHandshake, ExtensionIds};
use headwater_wire::{Message, Reserved};
use proptest::prelude::*;

use super::net::config;
use super::rig::{Rig, block, piece};
use crate::{Action, Activity, Direction, PeerKey, PeerSource, PieceCheck, Priority};

const PIECES: u32 = 12;

#[derive(Debug, Clone)]
enum Operation {
    Connect {
        peer: u8,
        fast: bool,
        incoming: bool,
    },
    Disconnect {
        peer: usize,
    },
    Message {
        peer: usize,
        message: Message,
    },
    /// Answers the latest request that was made of a peer, well or not.
    Answer {
        peer: usize,
        nth: usize,
        reject: bool,
    },
    Check {
        piece: u32,
        passed: bool,
        /// What each block of a bad piece was; there are few kinds.
        digests: Vec<Option<BlockDigest>>,
    },
    Digests {
        piece: u32,
        digests: Vec<BlockDigest>,
    },
    StoreFailed {
        piece: u32,
    },
    Backlogged(bool),
    SetHave {
        piece: u32,
        have: bool,
    },
    Activity(Activity),
    Priorities(Vec<u32>),
    Sequential(bool),
    Deadline {
        piece: u32,
        seconds: Option<u64>,
    },
    Slots(u32),
    Wait(u64),
    /// What becomes of a block that was to be served.
    Served {
        nth: usize,
        how: u8,
    },
    AddPeer(u8),
    DialFailed(u8),
}

fn span() -> impl Strategy<Value = BlockSpan> {
    prop_oneof![
        8 => (0..PIECES, 0u32..4).prop_map(|(piece, index)| block(piece, index)),
        1 => (0..PIECES + 1, 0u32..70_000, 0u32..70_000).prop_map(|(piece, offset, length)| BlockSpan {
            piece: PieceIndex(piece),
            offset,
            length,
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let piece_index = || (0..PIECES).prop_map(PieceIndex);
    let hello =
        (any::<bool>(), 1u32..300, any::<bool>()).prop_map(|(donthave, reqq, upload_only)| {
            let id = u8::from(donthave) * 3;
            ExtendedHandshake {
                extensions: ExtensionIds::from_iter([("lt_donthave", id)]),
                request_queue: Some(reqq),
                port: Some(6_881),
                upload_only: Some(upload_only),
                ..ExtendedHandshake::default()
            }
            .message()
        });
    prop_oneof![
        1 => Just(Message::Choke),
        4 => Just(Message::Unchoke),
        4 => Just(Message::Interested),
        1 => Just(Message::NotInterested),
        3 => piece_index().prop_map(Message::Have),
        4 => Just(Message::HaveAll),
        1 => Just(Message::HaveNone),
        2 => any::<u16>().prop_map(|bits| {
            Message::Bitfield(vec![(bits >> 8) as u8, bits as u8 & 0xf0].into())
        }),
        6 => span().prop_map(Message::Request),
        2 => span().prop_map(Message::Cancel),
        1 => span().prop_map(Message::Reject),
        1 => span().prop_map(piece),
        1 => piece_index().prop_map(Message::Suggest),
        1 => piece_index().prop_map(Message::AllowedFast),
        1 => hello,
        1 => piece_index().prop_map(|piece| Message::Extended {
            id: 7,
            payload: piece.0.to_be_bytes().to_vec().into(),
        }),
    ]
}

fn digest() -> impl Strategy<Value = BlockDigest> {
    (0u8..2).prop_map(|kind| BlockDigest([kind; 16]))
}

fn operation() -> impl Strategy<Value = Operation> {
    let activity = prop_oneof![
        4 => Just(Activity::Active),
        1 => Just(Activity::Paused),
        1 => Just(Activity::Stopped),
    ];
    prop_oneof![
        6 => (1u8..8, any::<bool>(), any::<bool>())
            .prop_map(|(peer, fast, incoming)| Operation::Connect { peer, fast, incoming }),
        1 => (0usize..8).prop_map(|peer| Operation::Disconnect { peer }),
        30 => (0usize..8, message()).prop_map(|(peer, message)| Operation::Message { peer, message }),
        20 => (0usize..8, 0usize..64, prop::bool::weighted(0.1))
            .prop_map(|(peer, nth, reject)| Operation::Answer { peer, nth, reject }),
        8 => (0..PIECES, prop::bool::weighted(0.8), prop::collection::vec(prop::option::weighted(0.9, digest()), 0..5))
            .prop_map(|(piece, passed, digests)| Operation::Check { piece, passed, digests }),
        2 => (0..PIECES, prop::collection::vec(digest(), 3..5))
            .prop_map(|(piece, digests)| Operation::Digests { piece, digests }),
        1 => (0..PIECES).prop_map(|piece| Operation::StoreFailed { piece }),
        1 => any::<bool>().prop_map(Operation::Backlogged),
        1 => (0..PIECES, any::<bool>()).prop_map(|(piece, have)| Operation::SetHave { piece, have }),
        2 => activity.prop_map(Operation::Activity),
        1 => prop::collection::vec(0u32..3, PIECES as usize).prop_map(Operation::Priorities),
        1 => any::<bool>().prop_map(Operation::Sequential),
        2 => (0..PIECES + 1, prop::option::weighted(0.8, 0u64..20))
            .prop_map(|(piece, seconds)| Operation::Deadline { piece, seconds }),
        1 => (0u32..4).prop_map(Operation::Slots),
        4 => (0u64..70_000).prop_map(Operation::Wait),
        6 => (0usize..64, 0u8..4).prop_map(|(nth, how)| Operation::Served { nth, how }),
        2 => (1u8..8).prop_map(Operation::AddPeer),
        1 => (1u8..8).prop_map(Operation::DialFailed),
    ]
}

struct Driver {
    rig: Rig,
    keys: Vec<PeerKey>,
    asked: Vec<(PeerKey, BlockSpan)>,
    serving: Vec<(PeerKey, BlockSpan)>,
}

impl Driver {
    fn key(&self, peer: usize) -> Option<PeerKey> {
        self.keys.get(peer % self.keys.len().max(1)).copied()
    }

    fn apply(&mut self, operation: Operation) {
        let now = self.rig.now;
        let torrent = &mut self.rig.torrent;
        match operation {
            Operation::Connect {
                peer,
                fast,
                incoming,
            } => self.connect(peer, fast, incoming),
            Operation::Disconnect { peer } => {
                if let Some(key) = self.key(peer) {
                    self.rig.torrent.handle_disconnected(now, key);
                }
            }
            Operation::Message { peer, message } => {
                if let Some(key) = self.key(peer) {
                    self.rig.torrent.handle_message(now, key, message);
                }
            }
            Operation::Answer { peer, nth, reject } => self.answer(peer, nth, reject),
            Operation::Check {
                piece,
                passed,
                digests,
            } => {
                let check = if passed {
                    PieceCheck::Passed
                } else {
                    PieceCheck::Failed { digests }
                };
                torrent.handle_piece_checked(now, PieceIndex(piece), check);
            }
            Operation::Digests { piece, digests } => {
                torrent.handle_block_digests(now, PieceIndex(piece), &digests);
            }
            Operation::StoreFailed { piece } => torrent.handle_store_failed(now, PieceIndex(piece)),
            Operation::Backlogged(backlogged) => torrent.set_backlogged(now, backlogged),
            Operation::SetHave { piece, have } => torrent.set_have(now, PieceIndex(piece), have),
            Operation::Activity(activity) => torrent.set_activity(now, activity),
            Operation::Priorities(list) => {
                torrent.set_priorities(now, list.into_iter().map(Priority).collect());
            }
            Operation::Sequential(sequential) => torrent.set_sequential(now, sequential),
            Operation::Deadline { piece, seconds } => {
                let deadline = seconds.map(|seconds| now + Duration::from_secs(seconds));
                torrent.set_deadline(now, PieceIndex(piece), deadline);
            }
            Operation::Slots(slots) => {
                let mut limits = torrent.limits().clone();
                limits.upload_slots = crate::UploadSlots::Fixed(slots);
                limits.max_peers = 2 + slots as usize;
                torrent.set_limits(now, limits);
            }
            Operation::Wait(milliseconds) => self.rig.wait(Duration::from_millis(milliseconds)),
            Operation::Served { nth, how } => self.served(nth, how),
            Operation::AddPeer(peer) => {
                let address = ([10, 0, 1, peer], 6_881).into();
                torrent.add_peers(now, [address], PeerSource::Tracker);
            }
            Operation::DialFailed(peer) => {
                torrent.handle_dial_failed(now, ([10, 0, 1, peer], 6_881).into());
            }
        }
        self.note();
    }

    fn connect(&mut self, peer: u8, fast: bool, incoming: bool) {
        let direction = if incoming {
            Direction::Incoming
        } else {
            Direction::Outgoing
        };
        let reserved = if fast {
            self.rig.torrent.reserved()
        } else {
            Reserved::default()
        };
        let connected = Rig::connected(peer, reserved, direction);
        if let Ok(key) = self.rig.torrent.handle_connected(self.rig.now, connected) {
            self.keys.push(key);
        }
    }

    fn answer(&mut self, peer: usize, nth: usize, reject: bool) {
        let Some(key) = self.key(peer) else { return };
        let asked: Vec<_> = self.asked.iter().filter(|(to, _)| *to == key).collect();
        let Some(&&(_, span)) = asked.get(nth % asked.len().max(1)) else {
            return;
        };
        let message = if reject {
            Message::Reject(span)
        } else {
            piece(span)
        };
        self.rig.torrent.handle_message(self.rig.now, key, message);
    }

    fn served(&mut self, nth: usize, how: u8) {
        if self.serving.is_empty() {
            return;
        }
        let (key, span) = self.serving.swap_remove(nth % self.serving.len());
        let (now, torrent) = (self.rig.now, &mut self.rig.torrent);
        match how {
            0 => torrent.handle_block_unreadable(now, key, span),
            1 => torrent.handle_block_dropped(now, key, span),
            _ => torrent.handle_block_sent(now, key, span),
        }
    }

    /// Drains, checks, and remembers what can be answered.
    fn note(&mut self) {
        for action in self.rig.take() {
            match action {
                Action::Send {
                    peer,
                    message: Message::Request(span),
                } => self.asked.push((peer, span)),
                Action::ServeBlock { peer, block } => {
                    let torrent = &self.rig.torrent;
                    assert!(torrent.have().has(block.piece) || !torrent.is_seed());
                    self.serving.push((peer, block));
                }
                Action::Disconnect { peer, .. } => self.keys.retain(|&key| key != peer),
                _ => {}
            }
        }
        self.keys
            .retain(|&key| self.rig.torrent.peer(key).is_some());
        self.asked.truncate(500);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_books_are_always_in_order(
        seed in 0usize..1_000,
        complete in prop::bool::weighted(0.2),
        operations in prop::collection::vec(operation(), 1..250),
    ) {
        let mut configuration = config(seed, PIECES);
        if complete {
            configuration = configuration.complete();
        }
        let mut driver = Driver {
            rig: Rig::new(configuration),
            keys: Vec::new(),
            asked: Vec::new(),
            serving: Vec::new(),
        };
        for operation in operations {
            driver.apply(operation);
        }
    }
}

//! Torrents that begin with nothing but an info-hash.

use std::time::Duration;

use bytes::Bytes;
use headwater_metainfo::{Bitfield, PieceIndex};
use headwater_wire::extension::{ExtendedHandshake, ExtensionIds};
use headwater_wire::{Message, MetadataMessage, Reserved};
use proptest::collection::vec;
use proptest::prelude::*;

use super::net::{METADATA_SIZE, Net, config, geometry, metadata};
use super::rig::Rig;
use crate::{
    Action, Activity, Config, Connected, Content, Direction, DisconnectReason, Event, Metadata,
    PeerKey, PeerSource, Priority, Refused,
};

const SOON: Duration = Duration::from_mins(1);
const PIECES: u32 = 10;
/// Pieces of metadata.
const PARTS: u32 = 6;
/// Under which id the peers of these tests take messages about metadata.
const THEIR_ID: u8 = 9;
/// Under which id we take them.
const OUR_ID: u8 = 3;

/// Node `index`, which has the metadata, and its data or not.
fn informed(index: usize) -> Config {
    let mut config = config(index, PIECES);
    config.metadata = Metadata::Known(metadata());
    config
}

/// Node `index`, which knows nothing.
fn ignorant(index: usize) -> Config {
    let known = config(index, PIECES);
    Config {
        seed: known.seed,
        listen_port: known.listen_port,
        ..Config::without_metadata(known.info_hash, known.peer_id)
    }
}

fn add_ignorant(net: &mut Net) -> usize {
    let config = ignorant(net.nodes.len());
    net.add_without_metadata(config, PIECES)
}

fn add_seed(net: &mut Net) -> usize {
    let config = informed(net.nodes.len()).complete();
    net.add(config)
}

#[test]
fn metadata_and_then_everything_comes_over_the_same_connection() {
    let mut net = Net::new();
    let seed = add_seed(&mut net);
    let leech = add_ignorant(&mut net);
    let torrent = &net.nodes[leech].torrent;
    assert!(!torrent.has_metadata() && !torrent.is_complete() && !torrent.is_seed());
    net.introduce(leech, seed);
    let took = net.run_until(SOON, |net| net.nodes[leech].torrent.has_metadata());
    // Handshakes, then six pieces, four at a time.
    assert!(took <= net.latency * 6, "{took:?}");
    let key = net.key(leech, seed);
    net.run_until(SOON, |net| net.has_all(leech));
    assert!(key.is_some());
    let connected = |event: &&Event| matches!(event, Event::PeerConnected { .. });
    assert_eq!(net.nodes[leech].events.iter().filter(connected).count(), 1);
}

#[test]
fn it_spreads_from_those_who_got_it() {
    let mut net = Net::new();
    let seed = add_seed(&mut net);
    let chain: Vec<_> = (0..3).map(|_| add_ignorant(&mut net)).collect();
    // Each knows only the one before it, and is there before that one has anything to give.
    for pair in [seed]
        .iter()
        .chain(&chain)
        .collect::<Vec<_>>()
        .windows(2)
        .rev()
    {
        net.introduce(*pair[1], *pair[0]);
    }
    net.run_until(SOON, |net| chain.iter().all(|&node| net.has_all(node)));
}

#[test]
fn several_peers_are_asked_at_once() {
    let mut net = Net::new();
    let seeds: Vec<_> = (0..5).map(|_| add_seed(&mut net)).collect();
    let leech = add_ignorant(&mut net);
    for &seed in &seeds {
        net.introduce(leech, seed);
    }
    net.run_until(SOON, |net| net.nodes[leech].torrent.has_metadata());
    let gave = |&&seed: &&usize| net.nodes[seed].sent.iter().any(is_data);
    assert!(seeds.iter().filter(gave).count() >= 3);
}

#[test]
fn a_liar_among_many_is_found_and_banned() {
    let mut net = Net::new();
    let seeds: Vec<_> = (0..5).map(|_| add_seed(&mut net)).collect();
    let leech = add_ignorant(&mut net);
    let liar = seeds[0];
    net.nodes[liar].lies = true;
    for &seed in &seeds {
        net.introduce(leech, seed);
    }
    net.run_until(SOON, |net| net.has_all(leech));
    let node = &net.nodes[leech];
    let failed = |event: &&Event| **event == Event::MetadataFailed;
    assert_eq!(node.events.iter().filter(failed).count(), 1);
    assert_eq!(banned(&node.events), [net.nodes[liar].address]);
    net.introduce(leech, liar);
    net.run_for(SOON);
    assert_eq!(net.key(leech, liar), None, "it is not trusted again");
}

#[test]
fn liars_alone_are_banned_one_by_one_and_an_honest_peer_ends_it() {
    let mut net = Net::new();
    let liars: Vec<_> = (0..4).map(|_| add_seed(&mut net)).collect();
    let leech = add_ignorant(&mut net);
    for &liar in &liars {
        net.nodes[liar].lies = true;
        net.introduce(leech, liar);
    }
    net.run_for(Duration::from_secs(5));
    assert!(!net.nodes[leech].torrent.has_metadata());
    assert_eq!(banned(&net.nodes[leech].events).len(), 4);
    let honest = add_seed(&mut net);
    net.introduce(leech, honest);
    net.run_until(SOON, |net| net.has_all(leech));
    assert_eq!(banned(&net.nodes[leech].events).len(), 4);
}

#[test]
fn one_that_answers_nothing_holds_nobody_up_for_long() {
    let mut net = Net::new();
    let (mute, seed) = (add_seed(&mut net), add_seed(&mut net));
    let leech = add_ignorant(&mut net);
    net.nodes[mute].mute = Some(is_data);
    net.introduce(leech, mute);
    net.run_for(Duration::from_secs(1));
    net.introduce(leech, seed);
    let took = net.run_until(SOON, |net| net.nodes[leech].torrent.has_metadata());
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn whoever_has_it_already_is_not_asked_and_asks_nobody() {
    let mut net = Net::new();
    let seed = add_seed(&mut net);
    let config = informed(1);
    let leech = net.add(config);
    net.introduce(leech, seed);
    net.run_until(SOON, |net| net.has_all(leech));
    let exchange = |message: &Message| metadata_message(message).is_some();
    assert!(!net.nodes.iter().flat_map(|node| &node.sent).any(exchange));
}

/// A torrent without metadata, and peers that say what they like.
struct Fetching(Rig);

impl Fetching {
    fn new() -> Self {
        Self(Rig::new(ignorant(0)))
    }

    /// Connects a peer that tells this size.
    fn connect(&mut self, index: u8, size: u32) -> PeerKey {
        let key = self.0.connect(index);
        self.0.say(key, [hello(Some(size))]);
        key
    }

    /// The pieces that a peer was asked for since the last time that anybody looked at the actions.
    fn asked(&self, key: PeerKey) -> Vec<u32> {
        asked(&self.0, key)
    }

    fn send(&mut self, key: PeerKey, piece: u32, size: u32, data: Bytes) {
        let data = MetadataMessage::Data {
            piece,
            total_size: Some(size),
            data,
        };
        self.0.say(key, [data.message(OUR_ID)]);
    }

    /// Answers everything that a peer is asked for as an honest one, until nothing more is asked.
    fn answer_all(&mut self, key: PeerKey) {
        for round in 0.. {
            assert!(round < 100, "it is asked without end");
            let asked = self.asked(key);
            self.0
                .actions
                .retain(|action| !matches!(action, Action::Send { .. }));
            if asked.is_empty() {
                return;
            }
            for piece in asked {
                self.send(key, piece, METADATA_SIZE as u32, part(piece));
            }
        }
    }

    fn complete_copy(&mut self) -> Option<Bytes> {
        let actions = self.0.take();
        actions.into_iter().find_map(|action| match action {
            Action::CheckMetadata { metadata } => Some(metadata),
            _ => None,
        })
    }

    fn arrive(&mut self) {
        let content = Content::new(metadata(), geometry(PIECES));
        self.0.torrent.handle_metadata(self.0.now, content);
        self.0.drain();
    }
}

#[test]
fn the_size_that_most_tell_is_believed() {
    let mut fetching = Fetching::new();
    let liar = fetching.connect(1, 30 << 20);
    assert_eq!(fetching.asked(liar).len(), 4, "there is nobody else");
    let honest = [2, 3].map(|index| fetching.connect(index, METADATA_SIZE as u32));
    fetching.answer_all(honest[0]);
    fetching.answer_all(honest[1]);
    assert!(fetching.complete_copy() == Some(metadata()));
}

#[test]
fn a_size_of_which_nothing_comes_gives_way_to_another() {
    let mut fetching = Fetching::new();
    let liars = [1, 2, 3].map(|index| fetching.connect(index, 1_000_000));
    let honest = fetching.connect(4, METADATA_SIZE as u32);
    assert!(fetching.asked(honest).is_empty() && !fetching.asked(liars[0]).is_empty());
    for _ in 0..100 {
        fetching.0.wait(Duration::from_secs(1));
        fetching.answer_all(honest);
    }
    assert!(fetching.complete_copy() == Some(metadata()));
}

#[test]
fn sizes_that_cannot_be_are_not_believed() {
    let mut fetching = Fetching::new();
    let key = fetching.connect(1, (30 << 20) + 1);
    fetching.0.wait(SOON);
    assert_eq!(fetching.asked(key), []);
}

#[test]
fn what_was_not_asked_for_is_no_metadata() {
    let mut fetching = Fetching::new();
    let key = fetching.connect(1, METADATA_SIZE as u32);
    assert_eq!(fetching.asked(key), [0, 1, 2, 3]);
    fetching.0.take();
    for piece in [5, 4, 0, 1, 2, 3] {
        fetching.send(key, piece, METADATA_SIZE as u32, part(piece));
    }
    assert_eq!(
        fetching.asked(key),
        [4, 5],
        "what came unasked does not count"
    );
    assert!(fetching.complete_copy().is_none());
    for _ in 0..40 {
        fetching.send(key, 1000, METADATA_SIZE as u32, part(0));
    }
    assert_eq!(
        fetching.0.disconnected(key),
        Some(DisconnectReason::Unrequested)
    );
}

#[test]
fn a_piece_of_the_wrong_length_is_asked_of_somebody_else() {
    let mut fetching = Fetching::new();
    let odd = fetching.connect(1, METADATA_SIZE as u32);
    for piece in fetching.asked(odd) {
        fetching.send(odd, piece, METADATA_SIZE as u32, part(piece).slice(1..));
    }
    fetching.0.take();
    let good = fetching.connect(2, METADATA_SIZE as u32);
    fetching.answer_all(good);
    assert!(fetching.complete_copy() == Some(metadata()));
}

#[test]
fn one_that_rejects_is_asked_again_later() {
    let mut fetching = Fetching::new();
    let key = fetching.connect(1, METADATA_SIZE as u32);
    for piece in fetching.asked(key) {
        let reject = MetadataMessage::Reject { piece };
        fetching.0.say(key, [reject.message(OUR_ID)]);
    }
    fetching.0.take();
    fetching.0.wait(Duration::from_secs(59));
    assert_eq!(fetching.asked(key), []);
    fetching.0.wait(Duration::from_secs(3));
    fetching.answer_all(key);
    assert!(fetching.complete_copy() == Some(metadata()));
}

#[test]
fn a_slow_answer_counts() {
    let mut fetching = Fetching::new();
    let key = fetching.connect(1, METADATA_SIZE as u32);
    let first = fetching.asked(key);
    fetching.0.take();
    fetching.0.wait(Duration::from_secs(8));
    for piece in first {
        fetching.send(key, piece, METADATA_SIZE as u32, part(piece));
    }
    for _ in 0..20 {
        fetching.0.wait(Duration::from_secs(1));
        fetching.answer_all(key);
    }
    assert!(fetching.complete_copy() == Some(metadata()));
}

#[test]
fn one_that_leaves_takes_nothing_with_it() {
    let mut fetching = Fetching::new();
    let gone = fetching.connect(1, METADATA_SIZE as u32);
    fetching.send(gone, 0, METADATA_SIZE as u32, part(0));
    fetching.0.torrent.handle_disconnected(fetching.0.now, gone);
    fetching.0.take();
    let other = fetching.connect(2, METADATA_SIZE as u32);
    assert!(!fetching.asked(other).contains(&0));
    fetching.answer_all(other);
    assert!(fetching.complete_copy() == Some(metadata()));
}

#[test]
fn nothing_is_asked_while_it_is_paused_or_while_a_copy_is_hashed() {
    let mut fetching = Fetching::new();
    let now = fetching.0.now;
    fetching.0.torrent.set_activity(now, Activity::Paused);
    let key = fetching.connect(1, METADATA_SIZE as u32);
    assert_eq!(fetching.asked(key), []);
    fetching.0.torrent.set_activity(now, Activity::Active);
    fetching.0.drain();
    fetching.answer_all(key);
    let other = fetching.connect(2, METADATA_SIZE as u32);
    assert_eq!(fetching.asked(other), []);
    assert!(fetching.complete_copy().is_some());
    fetching.0.wait(SOON);
    assert_eq!(fetching.asked(other), []);
    fetching.0.torrent.handle_metadata_failed(fetching.0.now);
    fetching.0.drain();
    assert_eq!(fetching.0.disconnected(key), Some(DisconnectReason::Banned));
    assert_eq!(fetching.asked(other).len(), 4);
}

#[test]
fn what_peers_said_of_their_pieces_counts_when_the_metadata_is_there() {
    let mut fetching = Fetching::new();
    let rig = &mut fetching.0;
    let (seed, some, none) = (rig.connect(1), rig.connect(2), rig.connect(3));
    let mut bits = Bitfield::new(PIECES);
    bits.set(PieceIndex(3));
    rig.say(seed, [Message::HaveAll, Message::Unchoke]);
    let bitfield = Message::Bitfield(Bytes::copy_from_slice(bits.as_bytes()));
    let fast = Message::AllowedFast(PieceIndex(7));
    rig.say(some, [bitfield, Message::Have(PieceIndex(7)), fast]);
    rig.say(none, [Message::HaveNone, Message::Have(PieceIndex(0))]);
    let again = rig.connect(4);
    rig.say(again, [Message::HaveNone, Message::HaveAll]);
    assert_eq!(
        rig.disconnected(again),
        Some(DisconnectReason::RepeatedBitfield)
    );
    assert_eq!(rig.torrent.stats().seeds, 1);
    fetching.arrive();
    let rig = &fetching.0;
    let counts = [seed, some, none].map(|key| rig.torrent.peer(key).unwrap().pieces);
    assert_eq!(counts, [PIECES, 2, 1]);
    assert!(rig.sent(seed).contains(&Message::Interested));
    assert!(
        !rig.requests(seed).is_empty(),
        "it has unchoked us long ago"
    );
    let allowed = rig.requests(some);
    assert!(allowed.iter().all(|block| block.piece == PieceIndex(7)));
}

#[test]
fn what_cannot_be_true_of_the_torrent_costs_the_connection() {
    let mut fetching = Fetching::new();
    let rig = &mut fetching.0;
    let (short, spare, beyond) = (rig.connect(1), rig.connect(2), rig.connect(3));
    rig.say(short, [Message::Bitfield(vec![0].into())]);
    rig.say(spare, [Message::Bitfield(vec![0, 0xff].into())]);
    rig.say(beyond, [Message::Have(PieceIndex(PIECES))]);
    let far = rig.connect(4);
    rig.say(far, [Message::Have(PieceIndex(1 << 21))]);
    assert_eq!(rig.disconnected(far), Some(DisconnectReason::InvalidPiece));
    fetching.arrive();
    let reasons = [short, spare, beyond].map(|key| fetching.0.disconnected(key));
    assert_eq!(
        reasons,
        [
            Some(DisconnectReason::InvalidBitfield),
            Some(DisconnectReason::InvalidBitfield),
            Some(DisconnectReason::InvalidPiece)
        ]
    );
}

#[test]
fn peers_hear_what_is_there_already() {
    let mut fetching = Fetching::new();
    let key = fetching.connect(1, METADATA_SIZE as u32);
    fetching.0.take();
    let mut content = Content::new(metadata(), geometry(PIECES));
    content.have.set(PieceIndex(4));
    content.priorities = vec![Priority::SKIP; PIECES as usize];
    fetching.0.torrent.handle_metadata(fetching.0.now, content);
    fetching.0.drain();
    let sent = fetching.0.sent(key);
    assert!(sent.contains(&Message::Have(PieceIndex(4))));
    let size = sent.iter().find_map(|message| match message {
        Message::Extended { id: 0, payload } => {
            ExtendedHandshake::decode(payload).unwrap().metadata_size
        }
        _ => None,
    });
    assert_eq!(size, Some(METADATA_SIZE as u32));
    assert!(fetching.0.torrent.is_complete());
    assert!(fetching.0.events.contains(&Event::Complete));
}

#[test]
fn requests_for_metadata_are_answered_within_bounds() {
    let mut rig = Rig::new(informed(0));
    let key = rig.connect(1);
    rig.say(key, [hello(None)]);
    rig.take();
    for piece in [0, PARTS - 1, PARTS] {
        ask(&mut rig, key, piece);
    }
    let answers: Vec<_> = answers(&rig, key);
    let size = Some(METADATA_SIZE as u32);
    let data = |piece| MetadataMessage::Data {
        piece,
        total_size: size,
        data: part(piece),
    };
    let reject = MetadataMessage::Reject { piece: PARTS };
    assert_eq!(answers, [data(0), data(PARTS - 1), reject]);
}

#[test]
fn one_that_asks_without_end_is_refused() {
    let mut rig = Rig::new(informed(0));
    let key = rig.connect(1);
    rig.say(key, [hello(None)]);
    rig.take();
    let mut data = Vec::new();
    for _ in 0..10 {
        for _ in 0..50 {
            ask(&mut rig, key, 0);
        }
        rig.wait(Duration::from_secs(1));
        let answers = answers(&rig, key);
        rig.take();
        data.push(answers.iter().filter(|each| is_piece(each)).count());
        assert!(answers.len() >= 50, "each is answered");
    }
    assert_eq!(data.iter().sum::<usize>(), 64);
}

#[test]
fn who_has_nothing_to_give_rejects() {
    let mut fetching = Fetching::new();
    let key = fetching.connect(1, METADATA_SIZE as u32);
    fetching.0.take();
    ask(&mut fetching.0, key, 0);
    let reject = MetadataMessage::Reject { piece: 0 };
    assert_eq!(answers(&fetching.0, key), [reject]);
}

fn hello(metadata_size: Option<u32>) -> Message {
    let hello = ExtendedHandshake {
        extensions: ExtensionIds::from_iter([(MetadataMessage::NAME, THEIR_ID)]),
        metadata_size,
        ..ExtendedHandshake::default()
    };
    hello.message()
}

fn part(piece: u32) -> Bytes {
    let length = MetadataMessage::piece_size(METADATA_SIZE as u32, piece);
    let start = piece as usize * MetadataMessage::PIECE_LENGTH;
    metadata().slice(start..start + length)
}

fn ask(rig: &mut Rig, key: PeerKey, piece: u32) {
    rig.say(key, [MetadataMessage::Request { piece }.message(OUR_ID)]);
}

/// What a peer was sent about metadata.
fn answers(rig: &Rig, key: PeerKey) -> Vec<MetadataMessage> {
    let sent = rig.sent(key);
    sent.iter().filter_map(metadata_message).collect()
}

fn asked(rig: &Rig, key: PeerKey) -> Vec<u32> {
    let messages = answers(rig, key).into_iter();
    let requests = messages.filter_map(|message| match message {
        MetadataMessage::Request { piece } => Some(piece),
        _ => None,
    });
    requests.collect()
}

fn metadata_message(message: &Message) -> Option<MetadataMessage> {
    match message {
        Message::Extended { id, payload } if [THEIR_ID, OUR_ID].contains(id) => {
            MetadataMessage::decode(payload).ok()
        }
        _ => None,
    }
}

fn is_piece(message: &MetadataMessage) -> bool {
    matches!(message, MetadataMessage::Data { .. })
}

fn is_data(message: &Message) -> bool {
    metadata_message(message).is_some_and(|message| is_piece(&message))
}

fn banned(events: &[Event]) -> Vec<std::net::SocketAddr> {
    let banned = events.iter().filter_map(|event| match event {
        Event::PeerBanned { address, .. } => Some(*address),
        _ => None,
    });
    banned.collect()
}

/// What may happen while metadata is fetched.
#[derive(Debug, Clone, Copy)]
enum Step {
    Connect(u32),
    Leave(usize),
    /// A peer answers a request, with good bytes or not, under a size.
    Answer(usize, bool, u32),
    Reject(usize),
    /// A peer sends what nobody asked for.
    Unasked(usize, u32),
    Ask(usize, u32),
    Resize(usize, u32),
    Checked,
    Wait(u64),
    SetActivity(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![
        4 => Just(METADATA_SIZE as u32),
        1 => Just(20_000_u32),
        1 => Just(30 << 20),
        1 => any::<u32>(),
    ];
    let peer = 0..6_usize;
    let step = prop_oneof![
        4 => size.clone().prop_map(Step::Connect),
        1 => peer.clone().prop_map(Step::Leave),
        12 => (peer.clone(), prop::bool::weighted(0.9), size.clone())
            .prop_map(|(peer, good, size)| Step::Answer(peer, good, size)),
        1 => peer.clone().prop_map(Step::Reject),
        1 => (peer.clone(), 0..8_u32).prop_map(|(peer, piece)| Step::Unasked(peer, piece)),
        1 => (peer.clone(), 0..8_u32).prop_map(|(peer, piece)| Step::Ask(peer, piece)),
        1 => (peer, size).prop_map(|(peer, size)| Step::Resize(peer, size)),
        3 => Just(Step::Checked),
        2 => (1..20_u64).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::SetActivity),
    ];
    vec(step, 0..150)
}

impl Fetching {
    fn step(&mut self, step: Step, peers: &mut Vec<PeerKey>, index: u8) {
        let peer = |at: usize| peers.get(at % peers.len().max(1)).copied();
        match step {
            Step::Connect(size) => {
                let reserved = self.0.torrent.reserved();
                let peer = Rig::connected(index, reserved, Direction::Incoming);
                if let Ok(key) = self.0.connect_with(peer) {
                    self.0.say(key, [hello(Some(size))]);
                    peers.push(key);
                }
            }
            Step::Leave(at) => {
                if let Some(key) = peer(at) {
                    self.0.torrent.handle_disconnected(self.0.now, key);
                }
            }
            Step::Answer(at, good, size) => {
                let asked = peer(at).map(|key| (key, self.asked(key)));
                for (key, piece) in asked
                    .into_iter()
                    .flat_map(|(key, pieces)| pieces.into_iter().map(move |piece| (key, piece)))
                {
                    let length = MetadataMessage::piece_size(size, piece).max(1);
                    let right = good && size == METADATA_SIZE as u32 && piece < PARTS;
                    let data = if right {
                        part(piece)
                    } else {
                        vec![0; length].into()
                    };
                    self.send(key, piece, size, data);
                }
                self.0
                    .actions
                    .retain(|action| !matches!(action, Action::Send { .. }));
            }
            Step::Reject(at) => {
                for (key, piece) in peer(at)
                    .map(|key| (key, self.asked(key)))
                    .into_iter()
                    .flat_map(|(key, pieces)| pieces.into_iter().map(move |piece| (key, piece)))
                {
                    let reject = MetadataMessage::Reject { piece };
                    self.0.say(key, [reject.message(OUR_ID)]);
                }
            }
            Step::Unasked(at, piece) => {
                if let Some(key) = peer(at) {
                    self.send(key, piece, METADATA_SIZE as u32, vec![1; 16_384].into());
                }
            }
            Step::Ask(at, piece) => {
                if let Some(key) = peer(at) {
                    ask(&mut self.0, key, piece);
                }
            }
            Step::Resize(at, size) => {
                if let Some(key) = peer(at) {
                    self.0.say(key, [hello(Some(size))]);
                }
            }
            Step::Checked => self.answer_check(),
            Step::Wait(seconds) => self.0.wait(Duration::from_secs(seconds)),
            Step::SetActivity(active) => {
                let activity = if active {
                    Activity::Active
                } else {
                    Activity::Paused
                };
                self.0.torrent.set_activity(self.0.now, activity);
            }
        }
        self.0.drain();
        let left: Vec<_> = self.0.torrent.peers().map(|peer| peer.key).collect();
        peers.retain(|key| left.contains(key));
    }

    /// Hashes what there is to be hashed; whether it was good.
    fn answer_check(&mut self) {
        let place = self
            .0
            .actions
            .iter()
            .position(|action| matches!(action, Action::CheckMetadata { .. }));
        let Some(Action::CheckMetadata { metadata: copy }) =
            place.map(|place| self.0.actions.remove(place))
        else {
            return;
        };
        if copy == metadata() {
            self.arrive();
        } else {
            self.0.torrent.handle_metadata_failed(self.0.now);
            self.0.drain();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever peers do, the books are in order, and somebody honest ends it.
    #[test]
    fn an_honest_peer_always_ends_it(steps in steps()) {
        let mut fetching = Fetching::new();
        let mut peers = Vec::new();
        for (index, step) in (1..=200_u8).cycle().zip(steps) {
            fetching.step(step, &mut peers, index);
        }
        fetching.0.torrent.set_activity(fetching.0.now, Activity::Active);
        fetching.answer_check();
        let honest = fetching.connect(250, METADATA_SIZE as u32);
        // Each liar costs a quarter of a minute at most.
        for _ in 0..600 {
            if fetching.0.torrent.has_metadata() {
                break;
            }
            fetching.answer_all(honest);
            fetching.answer_check();
            fetching.0.wait(Duration::from_secs(1));
        }
        prop_assert!(fetching.0.torrent.has_metadata());
        let mut banned = banned(&fetching.0.events).into_iter();
        prop_assert!(banned.all(|address| address.ip() != std::net::Ipv4Addr::new(10, 0, 1, 250)));
    }
}

#[test]
fn a_torrent_that_turns_out_to_be_private_parts_with_those_who_were_found_elsewhere() {
    let mut fetching = Fetching::new();
    let rig = &mut fetching.0;
    let from = |index, source| Connected {
        source,
        ..Rig::connected(index, Reserved::default(), Direction::Outgoing)
    };
    let sources = PeerSource::ALL.into_iter().zip(1..);
    let keys = sources.map(|(source, index)| (source, rig.connect_with(from(index, source))));
    let keys: Vec<_> = keys.map(|(source, key)| (source, key.unwrap())).collect();
    let known = ["192.0.2.1:1".parse().unwrap()];
    rig.torrent.set_activity(rig.now, Activity::Paused);
    rig.torrent.add_peers(rig.now, known, PeerSource::Dht);
    let mut content = Content::new(metadata(), geometry(PIECES));
    content.is_private = true;
    rig.torrent.handle_metadata(rig.now, content);
    rig.drain();
    for (source, key) in keys {
        let is_stranger = matches!(
            source,
            PeerSource::Dht | PeerSource::Exchange | PeerSource::LocalDiscovery
        );
        let expected = is_stranger.then_some(DisconnectReason::Private);
        assert_eq!(rig.disconnected(key), expected, "{source}");
    }
    assert_eq!(rig.torrent.stats().known_peers, 5, "who is connected");
    let late = rig.connect_with(from(20, PeerSource::Dht));
    assert_eq!(late, Err(Refused::Forbidden));
    let asks = rig.connect(21);
    rig.say(asks, [hello(None)]);
    rig.take();
    ask(rig, asks, 0);
    let reject = MetadataMessage::Reject { piece: 0 };
    assert_eq!(
        answers(rig, asks),
        [reject],
        "its metadata is not given out"
    );
}

//! Sequences of operations on a torrent.

mod driver;
mod input;
mod messages;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use headwater_metainfo::{Bitfield, BlockDigest, InfoHash, PeerId, PieceGeometry, PieceIndex};
use headwater_swarm::{
    Activity, Config, Direction, Limits, PeerSource, PieceCheck, Priority, SuperSeeding, Torrent,
    UploadSlots,
};
use headwater_wire::{Handshake, Message, Reserved};

use driver::Driver;
use input::Input;

const INFO_HASH: InfoHash = InfoHash([0xaa; 20]);
const OURS: u8 = 0;
const PIECES: u32 = 6;
/// Where time begins; only differences count.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Whatever peers, disks and users do, in whatever order: the torrent's books agree with themselves and with what its
/// driver saw, and in the end a good seed is all it takes to complete it.
///
/// Every byte is a choice; see `step`.
pub fn swarm(data: &[u8]) {
    let mut input = Input::new(data);
    let mut driver = start(&mut input);
    driver.drain();
    while !input.is_empty() {
        step(&mut driver, &mut input);
        driver.drain();
    }
    finish(&mut driver);
}

fn geometry() -> PieceGeometry {
    PieceGeometry::new(u64::from(PIECES) * 65_536 - 20_000, 65_536).expect("valid sizes")
}

/// A torrent that may have some pieces, and some blocks of one more.
fn start(input: &mut Input<'_>) -> Driver {
    let geometry = geometry();
    let mut config = Config::new(INFO_HASH, peer_id(OURS), geometry);
    let bits = input.byte();
    for piece in geometry.pieces().filter(|piece| bits >> piece.0 & 1 == 1) {
        config.have.set(piece);
    }
    let partial = PieceIndex(u32::from(bits >> 6));
    let mut stored = BTreeSet::new();
    if !config.have.has(partial) {
        let blocks = some_blocks(geometry, partial, input.byte());
        let spans = blocks.ones().map(|block| geometry.block(partial, block.0));
        stored.extend(spans.flatten());
        config.partial.push((partial, blocks));
    }
    config.seed = u64::from(input.byte());
    config.limits = limits(input);
    let torrent = Torrent::new(*START, config);
    Driver::new(torrent, *START, stored)
}

fn some_blocks(geometry: PieceGeometry, piece: PieceIndex, bits: u8) -> Bitfield {
    let mut blocks = Bitfield::new(geometry.block_count(piece));
    for block in (0..blocks.len()).filter(|block| bits >> block & 1 == 1) {
        blocks.set(PieceIndex(block));
    }
    blocks
}

fn limits(input: &mut Input<'_>) -> Limits {
    if input.flag() {
        return Limits::default();
    }
    let slots = input.below(6) as u32;
    Limits {
        max_peers: input.below(6),
        max_half_open: input.below(4),
        max_known_peers: input.below(9),
        upload_slots: slots
            .checked_sub(1)
            .map_or(UploadSlots::Auto, UploadSlots::Fixed),
        max_requests: input.below(9) as u32,
        first_requests: input.below(9) as u32,
        max_incoming_requests: input.below(9),
        serve_window: u32::from(input.byte()) * 1024,
        choke_interval: Duration::from_secs(u64::from(input.byte())),
        idle_timeout: Duration::from_secs(u64::from(input.byte())),
        drop_redundant: input.flag(),
        ..Limits::default()
    }
}

fn peer_id(index: u8) -> PeerId {
    let mut id = *b"-XX0000-000000000000";
    id[19] = index;
    PeerId(id)
}

/// Few addresses, some at the same host, so that they meet often.
fn address(input: &mut Input<'_>) -> SocketAddr {
    let byte = input.byte();
    SocketAddr::from(([10, 0, 0, byte & 3], 6_881 + u16::from(byte >> 2 & 1)))
}

/// One thing happens.
fn step(driver: &mut Driver, input: &mut Input<'_>) {
    match input.byte() % 16 {
        0 => driver.torrent.add_peers(
            driver.now,
            [address(input), address(input)],
            PeerSource::Tracker,
        ),
        1 => {
            driver.connect(address(input), Direction::Incoming, handshake(input));
        }
        2 => answer_dial(driver, input),
        3..=6 => messages::receive(driver, input),
        7 => {
            if let Some(key) = some_peer(driver, input) {
                driver.disconnect(key);
            }
        }
        8 => answer_serve(driver, input),
        9 => answer_check(driver, input),
        10 => {
            if let Some(piece) = input.pick(&driver.touched()) {
                driver.lose_blocks(piece);
            }
        }
        11 => {
            driver.backlogged = input.flag();
            driver.torrent.set_backlogged(driver.now, driver.backlogged);
        }
        12 => set_have(driver, input),
        13 => wish(driver, input),
        _ => driver.advance(Duration::from_millis(u64::from(input.byte()).pow(2) * 4)),
    }
}

fn handshake(input: &mut Input<'_>) -> Handshake {
    let byte = input.byte();
    let mut reserved = Reserved::default();
    if byte & 1 == 0 {
        reserved = reserved.with_fast_extension();
    }
    if byte & 2 == 0 {
        reserved = reserved.with_extension_protocol();
    }
    Handshake {
        reserved,
        info_hash: if byte >> 2 == 63 {
            InfoHash([0; 20])
        } else {
            INFO_HASH
        },
        peer_id: peer_id(byte >> 2 & 7),
    }
}

fn answer_dial(driver: &mut Driver, input: &mut Input<'_>) {
    let Some(address) = input.pick(&driver.dialling) else {
        return;
    };
    driver.stop_dialling(address);
    if input.flag() {
        driver.torrent.handle_dial_failed(driver.now, address);
    } else {
        driver.connect(address, Direction::Outgoing, handshake(input));
    }
}

fn some_peer(driver: &Driver, input: &mut Input<'_>) -> Option<headwater_swarm::PeerKey> {
    let keys: Vec<_> = driver.links.iter().map(|link| link.key).collect();
    input.pick(&keys)
}

fn answer_serve(driver: &mut Driver, input: &mut Input<'_>) {
    let at = input.below(driver.links.len());
    let Some(link) = driver
        .links
        .get_mut(at)
        .filter(|link| !link.serving.is_empty())
    else {
        return;
    };
    let (block, called_off) = link.serving.remove(input.below(link.serving.len()));
    let (key, now) = (link.key, driver.now);
    match input.byte() % 3 {
        0 if called_off => driver.torrent.handle_block_dropped(now, key, block),
        1 => driver.torrent.handle_block_unreadable(now, key, block),
        _ => driver.torrent.handle_block_sent(now, key, block),
    }
}

fn answer_check(driver: &mut Driver, input: &mut Input<'_>) {
    if let Some(piece) = input.pick(&driver.checking) {
        driver.answer_check(piece, outcome(input.byte()));
    }
}

/// Whether a piece passes; if not, what is said of its blocks, if anything.
fn outcome(byte: u8) -> PieceCheck {
    if byte & 1 == 0 {
        return PieceCheck::Passed;
    }
    let digest = |block| (byte >> 6 != block).then(|| content(byte >> (2 + block) & 1 == 0));
    let digests = (0..4).filter(|_| byte & 2 == 0).map(digest);
    PieceCheck::Failed {
        digests: digests.collect(),
    }
}

/// The digest of any good block, or of any bad one.
fn content(is_good: bool) -> BlockDigest {
    BlockDigest([u8::from(is_good); 16])
}

fn set_have(driver: &mut Driver, input: &mut Input<'_>) {
    let byte = input.byte();
    let piece = PieceIndex(u32::from(byte) % (PIECES + 1));
    driver.torrent.set_have(driver.now, piece, byte >= 128);
    let known = piece.0 < PIECES;
    assert_eq!(driver.torrent.have().has(piece), known && byte >= 128);
}

/// Something that the user wants.
fn wish(driver: &mut Driver, input: &mut Input<'_>) {
    let now = driver.now;
    match input.byte() % 4 {
        0 => {
            let activities = [Activity::Active, Activity::Paused, Activity::Stopped];
            let activity = activities[input.below(3)];
            driver.torrent.set_activity(now, activity);
            if activity == Activity::Stopped {
                driver.dialling.clear();
            }
        }
        1 => {
            let count = input.below(PIECES as usize + 2);
            let priorities = input.bytes(count).iter();
            let priorities = priorities.map(|byte| Priority(u32::from(byte % 4)));
            driver.torrent.set_priorities(now, priorities.collect());
        }
        2 => order(driver, input.byte()),
        _ => driver.torrent.set_limits(now, limits(input)),
    }
}

/// In which order pieces are to be fetched: in order or not, and a deadline for one.
fn order(driver: &mut Driver, byte: u8) {
    let (torrent, now) = (&mut driver.torrent, driver.now);
    torrent.set_sequential(now, byte & 1 == 1);
    let modes = [SuperSeeding::Auto, SuperSeeding::On, SuperSeeding::Off];
    torrent.set_super_seeding(now, modes[usize::from(byte >> 1) % 3]);
    let piece = PieceIndex(u32::from(byte >> 3 & 15));
    let deadline = now + Duration::from_secs(u64::from(byte >> 1 & 3) * 4);
    match byte >> 6 {
        0 => torrent.clear_deadlines(now),
        1 => torrent.set_deadline(now, piece, None),
        _ => torrent.set_deadline(now, piece, Some(deadline)),
    }
}

/// All is well again, and a seed comes: the torrent is completed.
fn finish(driver: &mut Driver) {
    while let Some(link) = driver.links.first() {
        driver.disconnect(link.key);
        driver.drain();
    }
    driver.backlogged = false;
    driver.torrent.set_backlogged(driver.now, false);
    driver.torrent.set_limits(driver.now, Limits::default());
    driver.torrent.set_priorities(driver.now, Vec::new());
    driver.torrent.set_activity(driver.now, Activity::Active);
    driver.drain();
    let handshake = Handshake {
        reserved: Reserved::default().with_fast_extension(),
        info_hash: INFO_HASH,
        peer_id: peer_id(99),
    };
    let address = SocketAddr::from(([10, 9, 9, 9], 6_881));
    let seed = driver.connect(address, Direction::Incoming, handshake);
    let seed = seed.expect("there is room for a peer that nobody knows");
    for message in [Message::HaveAll, Message::Unchoke] {
        driver.torrent.handle_message(driver.now, seed, message);
    }
    for _ in 0..100 {
        driver.drain();
        if driver.torrent.is_seed() {
            return assert!(driver.torrent.is_complete());
        }
        serve_everything(driver);
        driver.advance(Duration::from_secs(1));
    }
    panic!("a seed was not enough: {:#?}", driver.torrent);
}

fn serve_everything(driver: &mut Driver) {
    for index in 0..driver.links.len() {
        while let Some(block) = driver
            .links
            .get_mut(index)
            .and_then(|link| link.asked.pop())
        {
            let key = driver.links[index].key;
            driver
                .torrent
                .handle_message(driver.now, key, messages::piece(block));
        }
    }
    driver.drain();
    for piece in driver.checking.clone() {
        driver.answer_check(piece, PieceCheck::Passed);
        driver.drain();
    }
}

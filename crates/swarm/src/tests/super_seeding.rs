//! Super-seeding (BEP 16): in whole swarms, and move by move.

use std::time::Duration;

use headwater_metainfo::PieceIndex;
use headwater_wire::{Message, Reserved};

use super::net::{Net, config};
use super::rig::{Rig, block};
use crate::{PeerKey, SuperSeeding, UploadSlots};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// A seed and leeches whose links carry so many bytes a second.
fn swarm(mode: SuperSeeding, pieces: u32, leeches: usize, up: u32) -> Net {
    let mut net = Net::new();
    for index in 0..=leeches {
        let mut configuration = config(index, pieces);
        configuration.limits.serve_window = 32 * 1024;
        configuration.super_seeding = mode;
        if index == 0 {
            configuration = configuration.complete();
        }
        net.add(configuration);
        net.nodes[index].up = Some(up);
    }
    net
}

/// Payload that the seed sent, in copies of the torrent.
fn copies(net: &Net) -> f64 {
    let seed = &net.nodes[0].torrent;
    seed.stats().uploaded as f64 / seed.geometry().total_size() as f64
}

fn is_spread(net: &Net) -> bool {
    let leeches = || net.nodes.iter().skip(1);
    (0..net.nodes[0].torrent.geometry().piece_count())
        .all(|piece| leeches().any(|node| node.torrent.have().has(PieceIndex(piece))))
}

fn is_done(net: &Net) -> bool {
    (1..net.nodes.len()).all(|leech| net.has_all(leech))
}

/// The pieces that a peer was told of since the actions were last taken.
fn offered(rig: &Rig, key: PeerKey) -> Vec<u32> {
    let haves = rig
        .sent(key)
        .into_iter()
        .filter_map(|message| match message {
            Message::Have(piece) => Some(piece.0),
            _ => None,
        });
    haves.collect()
}

/// A seed with so many pieces, and nothing else set.
fn seed(pieces: u32) -> Rig {
    Rig::new(config(0, pieces).complete())
}

/// Asks for all blocks of a piece and is sent them.
fn fetch(rig: &mut Rig, key: PeerKey, piece: u32) {
    rig.take();
    let blocks: Vec<_> = rig.torrent.geometry().blocks(PieceIndex(piece)).collect();
    rig.say(key, blocks.into_iter().map(Message::Request));
    for span in rig.served(key) {
        rig.torrent.handle_block_sent(rig.now, key, span);
    }
    rig.drain();
}

/// The peer says that it has got a piece.
fn has(rig: &mut Rig, key: PeerKey, piece: u32) {
    rig.say(key, [Message::Have(PieceIndex(piece))]);
}

#[test]
fn one_copy_leaves_a_seed_before_everything_is_with_others() {
    let mut net = swarm(SuperSeeding::Auto, 96, 6, 1 << 20);
    net.introduce_all();
    net.run_until(MINUTE, is_spread);
    assert!(copies(&net) < 1.05, "{}", copies(&net));
    net.run_until(MINUTE, is_done);
    assert!(!net.nodes[0].torrent.is_super_seeding());
    // An ordinary seed is what this is better than.
    let mut ordinary = swarm(SuperSeeding::Off, 96, 6, 1 << 20);
    ordinary.introduce_all();
    ordinary.run_until(MINUTE, is_spread);
    assert!(copies(&ordinary) > 1.2, "{}", copies(&ordinary));
}

#[test]
fn peers_without_extensions_are_seeded_alike() {
    let mut net = swarm(SuperSeeding::Auto, 64, 4, 1 << 20);
    for node in &mut net.nodes {
        node.reserved = Reserved::default();
    }
    net.introduce_all();
    net.run_until(MINUTE, is_spread);
    assert!(copies(&net) < 1.1, "{}", copies(&net));
    net.run_until(MINUTE, is_done);
}

#[test]
fn a_single_leech_is_not_held_up() {
    let time = |mode, up: Option<u32>, latency| {
        let mut net = swarm(mode, 100, 1, 1 << 20);
        net.nodes[0].up = up;
        net.latency = latency;
        net.introduce(1, 0);
        net.run_until(MINUTE, is_done)
    };
    for up in [None, Some(20 << 20), Some(1 << 20)] {
        for milliseconds in [1, 100] {
            let latency = Duration::from_millis(milliseconds);
            let ordinary = time(SuperSeeding::Off, up, latency);
            let hiding = time(SuperSeeding::Auto, up, latency);
            let allowed = ordinary * 11 / 10 + latency * 4;
            assert!(hiding <= allowed, "{hiding:?} instead of {ordinary:?}");
        }
    }
}

#[test]
fn peers_that_pass_nothing_on_get_everything_all_the_same() {
    let mut net = swarm(SuperSeeding::Auto, 40, 3, 4 << 20);
    // They know nobody but the seed.
    for leech in 1..=3 {
        net.introduce(leech, 0);
    }
    let took = net.run_until(MINUTE, is_done);
    let payload = 3 * net.nodes[0].torrent.geometry().total_size();
    let bound = SECOND * (payload as u32 / 1024) / (4 << 10);
    assert!(
        took <= bound * 3 / 2 + 2 * SECOND,
        "{took:?}, at best {bound:?}"
    );
}

#[test]
fn slots_that_change_hands_waste_little() {
    let mut net = swarm(SuperSeeding::Auto, 128, 8, 256 << 10);
    let mut limits = net.nodes[0].torrent.limits().clone();
    limits.upload_slots = UploadSlots::Fixed(2);
    limits.choke_interval = 3 * SECOND;
    let now = net.now;
    net.nodes[0].torrent.set_limits(now, limits);
    net.introduce_all();
    net.run_until(5 * MINUTE, is_spread);
    assert!(copies(&net) < 1.1, "{}", copies(&net));
    net.run_until(5 * MINUTE, is_done);
}

#[test]
fn a_lone_seed_hides_what_it_has_and_offers_pieces_of_their_own() {
    let mut rig = seed(100);
    let (one, other) = (rig.connect_leech(1), rig.connect_leech(2));
    let plain = rig.connect_plain(3);
    rig.say(plain, [Message::Interested]);
    for key in [one, other] {
        assert_eq!(rig.sent(key)[0], Message::HaveNone);
    }
    let bitfields = |message: &Message| matches!(message, Message::Bitfield(_));
    assert!(!rig.sent(plain).iter().any(bitfields));
    let mut all = [one, other, plain].map(|key| offered(&rig, key)).concat();
    assert!(all.len() >= 6 && all.len() < 40, "{all:?}");
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "a piece was offered twice");
    assert!(rig.torrent.stats().super_seeding);
    let granted = |message: &Message| matches!(message, Message::AllowedFast(_));
    assert!(!rig.sent(one).iter().any(granted));
}

#[test]
fn what_was_not_offered_is_refused() {
    let mut rig = seed(100);
    let peer = rig.connect_leech(1);
    let told = offered(&rig, peer);
    let hidden = (0..100).find(|piece| !told.contains(piece)).unwrap();
    rig.take();
    rig.say(
        peer,
        [hidden, told[0]].map(|piece| Message::Request(block(piece, 0))),
    );
    assert_eq!(rig.sent(peer), [Message::Reject(block(hidden, 0))]);
    assert_eq!(rig.served(peer), [block(told[0], 0)]);
}

#[test]
fn the_next_piece_is_offered_before_the_last_is_sent() {
    let mut rig = seed(100);
    let peer = rig.connect_leech(1);
    let told = offered(&rig, peer);
    for &piece in &told {
        fetch(&mut rig, peer, piece);
        assert!(!offered(&rig, peer).is_empty());
    }
}

#[test]
fn everybody_hears_everything_when_every_piece_is_with_somebody() {
    let mut rig = seed(40);
    let peers = [rig.connect_leech(1), rig.connect_leech(2)];
    let mut told = peers.map(|key| offered(&rig, key));
    let mut given = std::collections::BTreeSet::new();
    for round in 0.. {
        assert!(round < 40, "some pieces are with nobody");
        if !rig.torrent.is_super_seeding() {
            break;
        }
        for (key, told) in peers.into_iter().zip(&mut told) {
            for piece in std::mem::take(told) {
                given.insert(piece);
                fetch(&mut rig, key, piece);
                has(&mut rig, key, piece);
                told.extend(offered(&rig, key));
            }
        }
    }
    assert_eq!(given.len(), 40);
    let newcomer = rig.connect_leech(3);
    assert!(rig.sent(newcomer).contains(&Message::HaveAll));
    rig.wait(5 * SECOND);
    rig.take();
    // Whatever is asked for now is served.
    for key in peers {
        rig.say(key, (0..40).map(|piece| Message::Request(block(piece, 2))));
        assert_eq!(rig.served(key).len(), 40);
    }
}

#[test]
fn another_seed_ends_it_and_is_remembered() {
    let mut rig = seed(50);
    let leech = rig.connect_leech(1);
    assert!(rig.torrent.is_super_seeding());
    rig.take();
    let other = rig.connect(2);
    rig.say(other, [Message::HaveAll]);
    assert!(!rig.torrent.is_super_seeding());
    assert_eq!(
        rig.disconnected(other),
        Some(crate::DisconnectReason::Redundant)
    );
    assert!(offered(&rig, leech).len() > 30);
    let later = rig.connect_leech(3);
    assert!(rig.sent(later).contains(&Message::HaveAll));
    // After a long time without word of another seed it is alone again.
    rig.wait(31 * MINUTE);
    let much_later = rig.connect_leech(4);
    assert!(rig.sent(much_later).contains(&Message::HaveNone));
}

#[test]
fn a_peer_that_takes_its_only_copies_away_makes_it_begin_again() {
    let mut rig = seed(4);
    let peer = rig.connect(1);
    rig.say(peer, [Message::Bitfield(vec![0xe0].into())]);
    has(&mut rig, peer, 3);
    rig.torrent.handle_disconnected(rig.now, peer);
    rig.drain();
    assert!(!rig.torrent.is_super_seeding());
    // It was a seed in the end; that is remembered for a while.
    rig.wait(31 * MINUTE);
    let next = rig.connect_leech(2);
    assert!(rig.sent(next).contains(&Message::HaveNone));
}

#[test]
fn a_piece_that_its_peer_does_not_fetch_goes_to_others() {
    let mut rig = seed(2);
    let idle = rig.connect_leech(1);
    assert_eq!(offered(&rig, idle).len(), 2);
    let other = rig.connect_leech(2);
    assert_eq!(offered(&rig, other), []);
    rig.wait(20 * SECOND);
    assert_eq!(offered(&rig, other).len(), 2);
}

#[test]
fn a_peer_that_wants_nothing_of_what_it_is_offered_hears_of_the_rest() {
    let mut rig = seed(500);
    let peer = rig.connect(1);
    rig.say(peer, [Message::HaveNone]);
    assert_eq!(offered(&rig, peer).len(), 1);
    rig.wait(10 * SECOND);
    assert_eq!(offered(&rig, peer).len(), 500);
    // Others are kept in the dark as before.
    let other = rig.connect_leech(2);
    assert!(rig.sent(other).contains(&Message::HaveNone));
}

#[test]
fn a_choked_peer_may_finish_the_piece_that_it_has_begun() {
    let mut configuration = config(0, 100).complete();
    configuration.limits.upload_slots = UploadSlots::Fixed(1);
    let mut rig = Rig::new(configuration);
    let peer = rig.connect_leech(1);
    let told = offered(&rig, peer);
    rig.say(peer, [Message::Request(block(told[0], 0))]);
    rig.torrent
        .handle_block_sent(rig.now, peer, block(told[0], 0));
    let rival = rig.connect_leech(2);
    rig.take();
    rig.wait(11 * SECOND);
    let sent = rig.sent(peer);
    let at = |wanted: &Message| sent.iter().position(|message| message == wanted);
    let (allowed, choked) = (
        at(&Message::AllowedFast(PieceIndex(told[0]))),
        at(&Message::Choke),
    );
    assert!(allowed.is_some() && allowed < choked, "{sent:?}");
    rig.take();
    rig.say(
        peer,
        [told[0], told[1]].map(|piece| Message::Request(block(piece, 1))),
    );
    assert_eq!(rig.served(peer), [block(told[0], 1)]);
    assert!(
        rig.torrent
            .peer(rival)
            .is_some_and(|rival| !rival.am_choking)
    );
}

#[test]
fn a_silent_peer_is_taken_to_have_what_it_was_sent() {
    let mut rig = seed(2);
    let peer = rig.connect_leech(1);
    for piece in offered(&rig, peer) {
        fetch(&mut rig, peer, piece);
    }
    assert!(rig.torrent.is_super_seeding());
    rig.wait(40 * SECOND);
    assert!(!rig.torrent.is_super_seeding());
}

#[test]
fn a_lost_piece_ends_it_and_is_told_to_those_who_knew() {
    let mut rig = seed(20);
    let peer = rig.connect_leech(1);
    let told = offered(&rig, peer);
    rig.take();
    let lost = (0..20).find(|piece| !told.contains(piece)).unwrap();
    rig.torrent.set_have(rig.now, PieceIndex(lost), false);
    rig.drain();
    assert!(!rig.torrent.is_super_seeding());
    let mut now_told = offered(&rig, peer);
    assert!(!now_told.contains(&lost));
    now_told.extend(told);
    assert_eq!(now_told.len(), 19);
    assert_eq!(rig.disconnected(peer), None);
}

#[test]
fn it_is_as_the_user_wants_it() {
    let mut rig = seed(20);
    rig.torrent.set_super_seeding(rig.now, SuperSeeding::Off);
    let first = rig.connect_leech(1);
    assert!(rig.sent(first).contains(&Message::HaveAll));
    rig.torrent.set_super_seeding(rig.now, SuperSeeding::On);
    let other = rig.connect(2);
    rig.say(other, [Message::HaveAll]);
    let second = rig.connect_leech(3);
    assert!(rig.sent(second).contains(&Message::HaveNone));
    rig.take();
    rig.torrent.set_super_seeding(rig.now, SuperSeeding::Off);
    rig.drain();
    assert!(offered(&rig, second).len() >= 10);
}

#[test]
fn a_large_torrent_is_told_a_part_at_a_time() {
    let mut rig = seed(10_000);
    let peer = rig.connect_leech(1);
    rig.torrent.set_super_seeding(rig.now, SuperSeeding::Off);
    rig.drain();
    assert!(offered(&rig, peer).len() < 1_100);
    rig.wait(15 * SECOND);
    let mut told = offered(&rig, peer);
    told.sort_unstable();
    assert_eq!(told, (0..10_000).collect::<Vec<_>>());
}

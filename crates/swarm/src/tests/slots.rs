//! Who has an upload slot.

use std::time::Duration;

use headwater_metainfo::{Bitfield, PieceIndex};
use headwater_wire::Message;

use super::net::config;
use super::rig::{Rig, block};
use crate::{Activity, Config, PeerKey, SuperSeeding, UploadSlots};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
/// Time between two looks for free slots.
const LOOK: Duration = Duration::from_millis(100);
/// Time after which an idle slot is sure to have been seen.
const IDLE: Duration = Duration::from_millis(600);

fn seed(upload_slots: UploadSlots) -> Config {
    let mut configuration = config(0, 100).complete();
    configuration.super_seeding = SuperSeeding::Off;
    configuration.limits.upload_slots = upload_slots;
    configuration
}

/// A seed, and peers that want something.
fn seed_and_leeches(upload_slots: UploadSlots, count: u8) -> (Rig, Vec<PeerKey>) {
    let mut rig = Rig::new(seed(upload_slots));
    let leeches = (1..=count).map(|index| rig.connect_leech(index)).collect();
    (rig, leeches)
}

fn is_unchoked(rig: &Rig, key: PeerKey) -> bool {
    rig.torrent.peer(key).is_some_and(|peer| !peer.am_choking)
}

fn unchoked(rig: &Rig, keys: &[PeerKey]) -> usize {
    keys.iter().filter(|&&key| is_unchoked(rig, key)).count()
}

/// Lets a peer ask for blocks, so many that it has something to wait for until the end of the test.
fn ask(rig: &mut Rig, key: PeerKey) {
    let pieces = (0..100).flat_map(|piece| (0..4).map(move |index| block(piece, index)));
    rig.say(key, pieces.take(200).map(Message::Request));
}

#[test]
fn slots_are_given_at_once_while_there_are_any() {
    let (mut rig, peers) = seed_and_leeches(UploadSlots::Fixed(2), 3);
    let are = |rig: &Rig| -> Vec<_> { peers.iter().map(|&key| is_unchoked(rig, key)).collect() };
    assert_eq!(are(&rig), [true, true, false]);
    rig.torrent.handle_disconnected(rig.now, peers[0]);
    rig.drain();
    // No later than the next look for free slots, though nothing else happens.
    rig.wait(LOOK);
    assert_eq!(are(&rig), [false, true, true]);
}

#[test]
fn a_leech_unchokes_those_who_give() {
    let mut configuration = config(0, 1_000);
    configuration.have.set(PieceIndex(0));
    configuration.limits.upload_slots = UploadSlots::Fixed(2);
    let mut rig = Rig::new(configuration);
    let idle: Vec<_> = (1..=4).map(|index| rig.connect_leech(index)).collect();
    let mut most = Bitfield::full(1_000);
    most.clear(PieceIndex(0));
    let giver = rig.connect(9);
    let bytes = most.as_bytes().to_vec().into();
    rig.say(
        giver,
        [
            Message::Bitfield(bytes),
            Message::Interested,
            Message::Unchoke,
        ],
    );
    assert!(!is_unchoked(&rig, giver));
    for _ in 0..25 {
        let asked = rig.requests(giver);
        rig.take();
        for span in asked {
            rig.answer(giver, span);
        }
        rig.wait(SECOND);
    }
    assert!(is_unchoked(&rig, giver));
    // The other slot goes round.
    let mut tried = 0;
    for &key in &idle {
        tried += u32::from(rig.sent(key).contains(&Message::Unchoke));
    }
    rig.wait(MINUTE * 2);
    for &key in &idle {
        tried += u32::from(rig.sent(key).contains(&Message::Unchoke));
    }
    assert!(tried >= 3, "{tried}");
}

#[test]
fn a_seed_gives_everybody_a_turn() {
    let mut configuration = config(0, 4).complete();
    configuration.limits.upload_slots = UploadSlots::Fixed(4);
    let mut rig = Rig::new(configuration);
    let peers: Vec<_> = (1..=12).map(|index| rig.connect_leech(index)).collect();
    rig.wait(MINUTE * 3);
    for peer in peers {
        assert!(rig.sent(peer).contains(&Message::Unchoke), "{peer:?}");
    }
}

#[test]
fn who_asks_for_nothing_does_not_keep_others_from_a_slot() {
    let (mut rig, peers) = seed_and_leeches(UploadSlots::Auto, 5);
    assert_eq!(unchoked(&rig, &peers), 4);
    // Three have something to ask for, the fourth has not, and the fifth waits.
    peers[..3].iter().for_each(|&key| ask(&mut rig, key));
    rig.wait(IDLE / 2);
    assert!(!is_unchoked(&rig, peers[4]));
    rig.wait(IDLE / 2);
    assert!(is_unchoked(&rig, peers[4]));
    // It is not choked for that, as long as it is in nobody's way.
    assert!(is_unchoked(&rig, peers[3]));
}

#[test]
fn the_more_slots_are_idle_the_more_are_tried() {
    let (mut rig, peers) = seed_and_leeches(UploadSlots::Auto, 100);
    assert_eq!(unchoked(&rig, &peers), 4);
    // Four that are idle: for each free slot five are tried. Then there are 24 that are idle, and the rest is tried.
    for expected in [4 + 4 * 5, 100] {
        rig.wait(IDLE);
        assert_eq!(unchoked(&rig, &peers), expected);
    }
}

#[test]
fn nobody_is_choked_for_being_idle_while_slots_are_free() {
    let (mut rig, peers) = seed_and_leeches(UploadSlots::Auto, 100);
    ask(&mut rig, peers[0]);
    for span in rig.served(peers[0]).into_iter().take(60) {
        // One of them takes a block now and then.
        rig.torrent.handle_block_sent(rig.now, peers[0], span);
        rig.drain();
        rig.wait(LOOK);
    }
    let sent = peers.iter().flat_map(|&key| rig.sent(key));
    let chokes = sent.filter(|message| *message == Message::Choke).count();
    assert_eq!((unchoked(&rig, &peers), chokes), (100, 0));
}

#[test]
fn idle_slots_are_taken_back_when_all_are_in_use() {
    let (mut rig, peers) = seed_and_leeches(UploadSlots::Auto, 24);
    rig.wait(IDLE);
    assert_eq!(unchoked(&rig, &peers), 24);
    // Three leave room for a fourth.
    peers[..3].iter().for_each(|&key| ask(&mut rig, key));
    rig.wait(SECOND);
    assert_eq!(unchoked(&rig, &peers), 24);
    ask(&mut rig, peers[9]);
    rig.wait(SECOND);
    let kept: Vec<_> = peers
        .iter()
        .filter(|&&key| is_unchoked(&rig, key))
        .collect();
    assert_eq!(kept, [&peers[0], &peers[1], &peers[2], &peers[9]]);
}

#[test]
fn a_peer_that_was_just_sent_a_block_is_not_idle() {
    let (mut rig, peers) = seed_and_leeches(UploadSlots::Auto, 5);
    // Four ask for one block at a time, and each is sent at once.
    for _ in 0..20 {
        for &key in &peers[..4] {
            let mut little = block(0, 0);
            little.length = 1_024;
            rig.say(key, [Message::Request(little)]);
            for span in rig.served(key) {
                rig.torrent.handle_block_sent(rig.now, key, span);
            }
            rig.take();
        }
        rig.wait(LOOK);
        assert!(!is_unchoked(&rig, peers[4]));
    }
    rig.wait(IDLE);
    assert!(is_unchoked(&rig, peers[4]));
}

#[test]
fn a_fixed_number_of_slots_is_never_exceeded() {
    let (mut rig, peers) = seed_and_leeches(UploadSlots::Fixed(3), 12);
    let most = |rig: &mut Rig, time: Duration| {
        for _ in 0..time.as_millis() / 50 {
            rig.wait(Duration::from_millis(50));
            assert!(rig.torrent.stats().unchoked <= 3);
        }
    };
    // Nobody asks for anything; that is no reason to try others.
    most(&mut rig, SECOND * 5);
    assert_eq!(unchoked(&rig, &peers), 3);
    // Those who have slots want nothing for a while, come back at once, and others come with them.
    rig.say(peers[0], [Message::NotInterested]);
    rig.say(peers[1], [Message::NotInterested]);
    most(&mut rig, SECOND);
    for index in [0, 1] {
        rig.say(peers[index], [Message::Interested]);
        assert!(rig.torrent.stats().unchoked <= 3);
    }
    most(&mut rig, MINUTE);
    // Slots that were open are so no longer when there are fewer.
    let mut rig = Rig::new(seed(UploadSlots::Fixed(3)));
    let mut limits = rig.torrent.limits().clone();
    limits.upload_slots = UploadSlots::Fixed(1);
    rig.torrent.set_limits(rig.now, limits);
    (1..5).for_each(|index| _ = rig.connect_leech(index));
    assert_eq!(rig.torrent.stats().unchoked, 1);
}

#[test]
fn who_comes_back_to_a_slot_that_others_have_is_choked() {
    let (mut rig, peers) = seed_and_leeches(UploadSlots::Fixed(1), 1);
    rig.say(peers[0], [Message::NotInterested]);
    rig.wait(LOOK);
    let other = rig.connect_leech(2);
    assert!(is_unchoked(&rig, other));
    rig.say(peers[0], [Message::Interested]);
    assert_eq!(unchoked(&rig, &[peers[0], other]), 1);
    // To say it again changes nothing.
    rig.take();
    rig.say(other, [Message::Interested, Message::Interested]);
    assert_eq!(rig.take(), []);
}

#[test]
fn free_slots_go_first_to_those_who_give() {
    let mut configuration = config(0, 1_000);
    configuration.have.set(PieceIndex(0));
    configuration.limits.upload_slots = UploadSlots::Fixed(1);
    configuration.limits.choke_interval = MINUTE * 60;
    let mut rig = Rig::new(configuration);
    let holder = rig.connect_leech(1);
    let idle: Vec<_> = (2..8).map(|index| rig.connect_leech(index)).collect();
    let givers = [8, 9].map(|index| rig.connect_leech(index));
    let most = Message::Bitfield([&[0x7f][..], &[0xff; 124]].concat().into());
    for key in givers {
        rig.say(key, [most.clone(), Message::Unchoke]);
    }
    // The last one gives twice as much as the one before it.
    for _ in 0..10 {
        for (key, blocks) in [(givers[0], 2), (givers[1], 4)] {
            for span in rig.requests(key).into_iter().take(blocks) {
                rig.answer(key, span);
            }
        }
        rig.take();
        rig.wait(SECOND);
    }
    assert!(is_unchoked(&rig, holder));
    for (leaves, follows) in [(holder, givers[1]), (givers[1], givers[0])] {
        rig.torrent.handle_disconnected(rig.now, leaves);
        rig.drain();
        rig.wait(LOOK);
        assert!(is_unchoked(&rig, follows));
        assert_eq!(unchoked(&rig, &idle), 0);
    }
}

#[test]
fn slots_follow_the_rate_within_a_second() {
    let (mut rig, peers) = seed_and_leeches(UploadSlots::Auto, 1);
    assert_eq!(rig.torrent.stats().upload_slots, 4);
    ask(&mut rig, peers[0]);
    // A good 3 MiB in the first second.
    for _ in 0..4 {
        let served = rig.served(peers[0]);
        rig.take();
        for span in served {
            rig.torrent.handle_block_sent(rig.now, peers[0], span);
        }
        rig.drain();
    }
    rig.wait(SECOND);
    assert_eq!(rig.torrent.stats().upload_slots, 13);
    // And back when nothing goes any more.
    rig.wait(MINUTE);
    assert_eq!(rig.torrent.stats().upload_slots, 4);
}

#[test]
fn nobody_is_unchoked_while_paused() {
    let (mut rig, peers) = seed_and_leeches(UploadSlots::Auto, 8);
    rig.torrent.set_activity(rig.now, Activity::Paused);
    rig.drain();
    rig.wait(SECOND * 2);
    assert_eq!(unchoked(&rig, &peers), 0);
    rig.torrent.set_activity(rig.now, Activity::Active);
    rig.drain();
    rig.wait(LOOK);
    assert!(unchoked(&rig, &peers) >= 4);
}

//! Policies, one by one.

use std::time::Duration;

use headwater_metainfo::{Bitfield, PieceIndex};
use headwater_wire::Message;
use headwater_wire::extension::{ExtendedHandshake, ExtensionIds};

use super::net::{Net, config, eager};
use super::rig::{Rig, block};
use crate::{
    Action, Activity, Direction, DisconnectReason, Event, PeerSource, Priority, Refused,
    SuperSeeding, UploadSlots,
};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn interest_follows_what_is_wanted() {
    let mut rig = Rig::new(config(0, 2));
    let peer = rig.connect(1);
    rig.say(peer, [Message::HaveNone]);
    assert!(!rig.sent(peer).contains(&Message::Interested));
    rig.say(peer, [Message::Have(PieceIndex(1))]);
    assert!(rig.sent(peer).contains(&Message::Interested));
    rig.torrent
        .set_priorities(rig.now, vec![Priority(1), Priority::SKIP]);
    rig.drain();
    assert!(rig.sent(peer).contains(&Message::NotInterested));
}

#[test]
fn a_second_bitfield_adds_to_the_first_and_have_all_behind_it_ends_it() {
    let mut rig = Rig::new(config(0, 8));
    let peer = rig.connect(1);
    rig.say(
        peer,
        [
            Message::Have(PieceIndex(7)),
            Message::Bitfield(vec![0x80].into()),
        ],
    );
    assert_eq!(rig.torrent.peer(peer).unwrap().pieces, 2);
    rig.say(peer, [Message::Bitfield(vec![0x40].into())]);
    assert_eq!(rig.torrent.peer(peer).unwrap().pieces, 3);
    rig.say(peer, [Message::HaveAll]);
    assert_eq!(
        rig.disconnected(peer),
        Some(DisconnectReason::RepeatedBitfield)
    );
}

#[test]
fn fast_messages_need_the_fast_extension() {
    for message in [
        Message::HaveAll,
        Message::HaveNone,
        Message::Suggest(PieceIndex(0)),
        Message::AllowedFast(PieceIndex(0)),
        Message::Reject(block(0, 0)),
    ] {
        let mut rig = Rig::new(config(0, 4));
        let peer = rig.connect_plain(1);
        rig.say(peer, [message]);
        assert_eq!(
            rig.disconnected(peer),
            Some(DisconnectReason::UnexpectedFast)
        );
    }
}

#[test]
fn an_allowed_piece_is_fetched_while_choked() {
    let mut rig = Rig::new(config(0, 4));
    let peer = rig.connect(1);
    rig.say(
        peer,
        [Message::HaveAll, Message::AllowedFast(PieceIndex(2))],
    );
    assert_eq!(
        rig.requests(peer),
        (0..4).map(|index| block(2, index)).collect::<Vec<_>>()
    );
}

#[test]
fn a_new_peer_is_granted_pieces_and_served_them_while_choked_once() {
    let mut configuration = config(0, 80).complete();
    configuration.super_seeding = SuperSeeding::Off;
    configuration.limits.upload_slots = UploadSlots::Fixed(0);
    let mut rig = Rig::new(configuration);
    let peer = rig.connect_leech(1);
    let granted: Vec<_> = rig
        .sent(peer)
        .into_iter()
        .filter_map(|message| match message {
            Message::AllowedFast(piece) => Some(piece.0),
            _ => None,
        })
        .collect();
    assert_eq!(granted.len(), 10);
    let mut served = 0;
    for _ in 0..3 {
        for index in 0..4 {
            rig.say(
                peer,
                granted
                    .iter()
                    .map(|&piece| Message::Request(block(piece, index))),
            );
        }
        for span in rig.served(peer) {
            rig.torrent.handle_block_sent(rig.now, peer, span);
            served += 1;
        }
        rig.take();
    }
    assert!((40..=40 + 64).contains(&served), "{served}");
    let other = (0..80).find(|piece| !granted.contains(piece)).unwrap();
    rig.say(peer, [Message::Request(block(other, 0))]);
    assert_eq!(rig.served(peer), []);
}

#[test]
fn a_suggested_piece_is_begun_first() {
    let mut configuration = config(0, 100);
    for piece in 0..10 {
        configuration.have.set(PieceIndex(piece));
    }
    let mut rig = Rig::new(configuration);
    let peer = rig.connect(1);
    rig.say(
        peer,
        [
            Message::HaveAll,
            Message::Suggest(PieceIndex(77)),
            Message::Unchoke,
        ],
    );
    assert_eq!(rig.requests(peer)[0].piece, PieceIndex(77));
}

#[test]
fn the_rarest_piece_is_begun_first() {
    let mut configuration = config(0, 64);
    for piece in 0..10 {
        configuration.have.set(PieceIndex(piece));
    }
    let mut rig = Rig::new(configuration);
    let mut most = Bitfield::full(64);
    most.clear(PieceIndex(40));
    for index in 2..6 {
        let peer = rig.connect(index);
        rig.say(peer, [Message::Bitfield(most.as_bytes().to_vec().into())]);
    }
    let seed = rig.connect_seed(1);
    assert_eq!(rig.requests(seed)[0].piece, PieceIndex(40));
}

#[test]
fn higher_priorities_come_first_and_zero_never() {
    let mut configuration = eager(0, 6);
    configuration.priorities = [1, 0, 9, 1, 1_000_000, 9].map(Priority).to_vec();
    let mut rig = Rig::new(configuration);
    let seed = rig.connect_seed(1);
    let mut order: Vec<_> = rig.requests(seed).iter().map(|span| span.piece.0).collect();
    order.dedup();
    assert_eq!(order[0], 4);
    assert_eq!([order[1].min(order[2]), order[1].max(order[2])], [2, 5]);
    assert!(!order.contains(&1));
}

#[test]
fn sequential_means_in_order() {
    let mut configuration = config(0, 8);
    configuration.have.set(PieceIndex(0));
    let mut rig = Rig::new(configuration);
    rig.torrent.set_sequential(rig.now, true);
    let seed = rig.connect_seed(1);
    let order: Vec<_> = rig.requests(seed).iter().map(|span| span.piece.0).collect();
    assert!(order.is_sorted() && order[0] == 1, "{order:?}");
}

#[test]
fn only_the_endgame_asks_twice_and_then_cancels() {
    let mut rig = Rig::new(eager(0, 4));
    let a = rig.connect_seed(1);
    let asked = rig.requests(a);
    assert_eq!(asked.len(), 16);
    let b = rig.connect_seed(2);
    let twice = rig.requests(b);
    assert!(!twice.is_empty() && twice.iter().all(|span| asked.contains(span)));
    rig.take();
    rig.answer(b, twice[0]);
    assert!(rig.sent(a).contains(&Message::Cancel(twice[0])));
    // It had been sent already: no offence, but a waste.
    rig.answer(a, twice[0]);
    assert_eq!(rig.torrent.stats().wasted_duplicate, 16_384);
}

#[test]
fn nothing_is_asked_twice_while_there_is_something_else() {
    let mut rig = Rig::new(config(0, 100));
    let (a, b) = (rig.connect_seed(1), rig.connect_seed(2));
    let (of_a, of_b) = (rig.requests(a), rig.requests(b));
    assert_eq!((of_a.len(), of_b.len()), (4, 4));
    assert!(!of_a.iter().any(|span| of_b.contains(span)));
}

#[test]
fn a_backlogged_disk_stops_requests() {
    let mut rig = Rig::new(config(0, 100));
    rig.torrent.set_backlogged(rig.now, true);
    let seed = rig.connect_seed(1);
    assert_eq!(rig.requests(seed), []);
    rig.torrent.set_backlogged(rig.now, false);
    rig.drain();
    assert_eq!(rig.requests(seed).len(), 4);
}

#[test]
fn pausing_asks_for_nothing_and_serves_nothing() {
    let mut configuration = config(0, 100);
    configuration.have.set(PieceIndex(0));
    let mut rig = Rig::new(configuration);
    let (seed, leech) = (rig.connect_seed(1), rig.connect_leech(2));
    let asked = rig.requests(seed);
    rig.take();
    rig.torrent.set_activity(rig.now, Activity::Paused);
    rig.drain();
    let sent = rig.sent(seed);
    assert!(
        asked
            .iter()
            .all(|span| sent.contains(&Message::Cancel(*span)))
    );
    assert!(sent.contains(&Message::NotInterested));
    assert!(rig.sent(leech).contains(&Message::Choke));
    rig.say(leech, [Message::Request(block(0, 0))]);
    assert_eq!(rig.served(leech), []);
    // Connections are still made and accepted.
    rig.torrent
        .add_peers(rig.now, ["192.0.2.1:1".parse().unwrap()], PeerSource::User);
    rig.connect_seed(3);
    assert!(
        rig.take()
            .iter()
            .any(|action| matches!(action, Action::Dial { .. }))
    );
    rig.wait(MINUTE);
    assert_eq!(rig.requests(seed), []);
    rig.take();
    rig.torrent.set_activity(rig.now, Activity::Active);
    rig.drain();
    assert!(!rig.requests(seed).is_empty());
    assert!(rig.sent(leech).contains(&Message::Unchoke));
}

#[test]
fn stopping_closes_everything_and_refuses_everybody() {
    let mut rig = Rig::new(config(0, 4));
    let peer = rig.connect(1);
    rig.torrent.set_activity(rig.now, Activity::Stopped);
    rig.drain();
    assert_eq!(rig.disconnected(peer), Some(DisconnectReason::Stopped));
    let reserved = rig.torrent.reserved();
    let again = Rig::connected(1, reserved, Direction::Incoming);
    assert_eq!(rig.connect_with(again), Err(Refused::Stopped));
    assert_eq!(rig.torrent.poll_timeout(), None);
}

#[test]
fn silence_is_kept_alive_and_too_much_of_it_ends() {
    let mut rig = Rig::new(config(0, 4));
    let (quiet, dead) = (rig.connect(1), rig.connect(2));
    for _ in 0..5 {
        rig.wait(MINUTE * 2);
        rig.say(quiet, [Message::KeepAlive]);
    }
    assert_eq!(rig.disconnected(quiet), None);
    assert!(rig.sent(quiet).contains(&Message::KeepAlive));
    assert_eq!(rig.disconnected(dead), Some(DisconnectReason::Idle));
}

#[test]
fn seeds_leave_each_other_alone() {
    let mut rig = Rig::new(config(0, 4).complete());
    let seed = rig.connect(1);
    rig.say(seed, [Message::HaveAll]);
    assert_eq!(rig.disconnected(seed), Some(DisconnectReason::Redundant));
    let partial = rig.connect(2);
    let hello = ExtendedHandshake {
        upload_only: Some(true),
        ..ExtendedHandshake::default()
    };
    rig.say(partial, [Message::HaveNone, hello.message()]);
    assert_eq!(rig.disconnected(partial), Some(DisconnectReason::Redundant));
}

#[test]
fn a_piece_that_is_lost_is_fetched_again_and_taken_back() {
    let mut configuration = config(0, 4).complete();
    configuration.super_seeding = SuperSeeding::Off;
    let mut rig = Rig::new(configuration);
    let (fast, plain, knowing) = (
        rig.connect_leech(1),
        rig.connect_plain(2),
        rig.connect_leech(3),
    );
    let hello = ExtendedHandshake {
        extensions: ExtensionIds::from_iter([("lt_donthave", 9)]),
        ..ExtendedHandshake::default()
    };
    rig.say(knowing, [hello.message()]);
    rig.torrent.set_have(rig.now, PieceIndex(1), false);
    rig.drain();
    assert_eq!(rig.disconnected(plain), Some(DisconnectReason::LostPiece));
    assert_eq!(rig.disconnected(fast), None);
    let dont_have = Message::Extended {
        id: 9,
        payload: vec![0, 0, 0, 1].into(),
    };
    assert!(rig.sent(knowing).contains(&dont_have));
    assert_eq!(rig.torrent.left(), 65_536);
    let seed = rig.connect_seed(4);
    assert_eq!(rig.requests(seed).len(), 4);
    rig.torrent.set_have(rig.now, PieceIndex(1), true);
    rig.drain();
    assert!(rig.torrent.is_seed());
    assert!(rig.events.contains(&Event::Complete));
}

#[test]
fn a_peer_may_lose_a_piece() {
    let mut rig = Rig::new(config(0, 4));
    let seed = rig.connect_seed(1);
    rig.say(
        seed,
        [Message::Extended {
            id: 7,
            payload: vec![0, 0, 0, 1].into(),
        }],
    );
    assert_eq!(rig.torrent.availability(PieceIndex(1)), 0);
    assert_eq!(rig.torrent.availability(PieceIndex(0)), 1);
    assert_eq!(rig.torrent.peer(seed).unwrap().pieces, 3);
}

#[test]
fn blocks_on_disk_are_not_fetched_again() {
    let mut configuration = config(0, 2);
    let mut blocks = Bitfield::new(4);
    blocks.set(PieceIndex(0));
    blocks.set(PieceIndex(2));
    configuration.partial = vec![(PieceIndex(1), blocks), (PieceIndex(0), Bitfield::full(4))];
    let mut rig = Rig::new(configuration);
    rig.drain();
    assert_eq!(rig.completed(), [0]);
    let seed = rig.connect_seed(1);
    // The last piece is short; of the first, nothing is missing.
    let asked: Vec<_> = rig
        .requests(seed)
        .iter()
        .map(|span| (span.piece.0, span.offset))
        .collect();
    assert_eq!(asked, [(1, 16_384), (1, 49_152)]);
    // If the disk lied, nobody is to blame.
    for span in rig.requests(seed) {
        rig.answer(seed, span);
    }
    rig.fail(1);
    assert_eq!(rig.disconnected(seed), None);
}

#[test]
fn unwanted_pieces_are_dropped_with_their_requests() {
    let mut rig = Rig::new(config(0, 2));
    let seed = rig.connect_seed(1);
    let asked = rig.requests(seed);
    rig.answer(seed, asked[0]);
    let piece = asked[0].piece;
    rig.take();
    let mut priorities = vec![Priority::NORMAL; 2];
    priorities[piece.as_usize()] = Priority::SKIP;
    rig.torrent.set_priorities(rig.now, priorities);
    rig.drain();
    assert!(rig.sent(seed).contains(&Message::Cancel(asked[1])));
    assert!(rig.actions.contains(&Action::DiscardPiece { piece }));
    rig.answer(seed, asked[1]);
    assert_eq!(rig.torrent.stats().wasted_duplicate, 16_384);
}

#[test]
fn corrupt_seeds_are_banned_and_innocents_are_not() {
    for (corrupt, tells_digests) in [(1, true), (2, true), (1, false), (2, false)] {
        let mut net = Net::new();
        net.tells_digests = tells_digests;
        let seeds: Vec<_> = (0..6).map(|_| net.seed(40)).collect();
        for &seed in &seeds[..corrupt] {
            net.nodes[seed].corrupt = true;
        }
        let leech = net.leech(40);
        for &seed in &seeds {
            net.introduce(leech, seed);
        }
        net.run_until(MINUTE * 10, |net| net.has_all(leech));
        let events = &net.nodes[leech].events;
        let banned = events.iter().filter_map(|event| match event {
            Event::PeerBanned { address, .. } => Some(*address),
            _ => None,
        });
        let mut banned: Vec<_> = banned.collect();
        banned.sort_unstable();
        let guilty: Vec<_> = seeds[..corrupt]
            .iter()
            .map(|&seed| net.nodes[seed].address)
            .collect();
        assert_eq!(banned, guilty);
        let failed = events
            .iter()
            .filter(|event| matches!(event, Event::PieceFailed(_)));
        assert!(failed.count() <= 12, "{events:?}");
    }
}

#[test]
fn a_ban_on_a_shared_address_spares_the_others() {
    let mut rig = Rig::new(eager(0, 4));
    let reserved = rig.torrent.reserved();
    let mut bad = Rig::connected(1, reserved, Direction::Incoming);
    let mut good = Rig::connected(2, reserved, Direction::Incoming);
    bad.address = "127.0.0.1:5001".parse().unwrap();
    good.address = "127.0.0.1:5002".parse().unwrap();
    let key = rig.connect_with(bad).unwrap();
    rig.say(key, [Message::HaveAll, Message::Unchoke]);
    for span in rig.requests(key) {
        rig.answer(key, span);
    }
    rig.fail(0);
    assert_eq!(rig.disconnected(key), Some(DisconnectReason::Banned));
    bad.address.set_port(6_001);
    assert_eq!(rig.connect_with(bad), Err(Refused::Banned));
    assert!(rig.connect_with(good).is_ok());
    assert!(!rig.torrent.is_banned(good.address.ip()));
}

#[test]
fn a_churning_swarm_gets_there() {
    let mut net = Net::new();
    let seed = net.seed(40);
    let leeches: Vec<_> = (0..6).map(|_| net.leech(40)).collect();
    net.introduce_all();
    for round in 0..20 {
        net.run_for(Duration::from_millis(40));
        net.cut(leeches[round % 6], leeches[(round + 1) % 6]);
        net.cut(leeches[round % 6], seed);
    }
    net.run_until(MINUTE * 5, |net| {
        leeches.iter().all(|&leech| net.has_all(leech))
    });
}

#[test]
fn a_peer_that_drops_requests_does_not_stop_the_download() {
    let mut net = Net::new();
    let (bad, good, leech) = (net.seed(20), net.seed(20), net.leech(20));
    net.nodes[bad].mute = Some(|message| matches!(message, Message::Piece { .. }));
    net.introduce(leech, bad);
    net.introduce(leech, good);
    net.run_until(MINUTE * 2, |net| net.has_all(leech));
    let _ = good;
}

#[test]
fn suspects_prove_themselves_with_pieces_of_their_own() {
    let mut configuration = eager(0, 40);
    configuration.priorities = vec![Priority::SKIP; 40];
    configuration.priorities[0] = Priority::NORMAL;
    let mut rig = Rig::new(configuration);
    let (a, b) = (rig.connect_seed(1), rig.connect(2));
    rig.say_reqq(a, 30);
    rig.say_reqq(b, 30);
    rig.say(b, [Message::HaveAll]);
    // Two blocks from each of them.
    let asked = rig.requests(a);
    rig.answer(a, asked[0]);
    rig.answer(a, asked[1]);
    rig.say(
        a,
        [
            Message::Choke,
            Message::Reject(asked[2]),
            Message::Reject(asked[3]),
        ],
    );
    rig.take();
    rig.say(b, [Message::Unchoke]);
    for span in rig.requests(b) {
        rig.answer(b, span);
    }
    assert_eq!(rig.completed(), [0]);
    rig.say(a, [Message::Unchoke]);
    rig.take();
    rig.fail(0);
    assert_eq!((rig.disconnected(a), rig.disconnected(b)), (None, None));
    rig.torrent.set_priorities(rig.now, vec![]);
    rig.drain();
    // 30 blocks are seven pieces and a half, but they share none.
    let (of_a, of_b) = (rig.requests(a), rig.requests(b));
    assert_eq!((of_a.len(), of_b.len()), (30, 30));
    assert!(!of_a.iter().any(|x| of_b.iter().any(|y| x.piece == y.piece)));
    // One passes, and is trusted again; the other one fails, and there is nobody else to blame.
    for (peer, asked) in [(a, &of_a), (b, &of_b)] {
        for span in asked.iter().filter(|span| span.piece == asked[0].piece) {
            rig.answer(peer, *span);
        }
    }
    rig.pass(of_a[0].piece.0);
    rig.fail(of_b[0].piece.0);
    assert_eq!(rig.disconnected(b), Some(DisconnectReason::Banned));
    assert_eq!(rig.disconnected(a), None);
}

#[test]
fn the_same_calls_give_the_same_actions() {
    let run = || {
        let mut net = Net::new();
        let seed = net.seed(30);
        let leeches: Vec<_> = (0..5).map(|_| net.leech(30)).collect();
        net.introduce_all();
        net.cut(seed, leeches[2]);
        net.run_for(Duration::from_secs(20));
        let sent = net.nodes.into_iter().map(|node| node.sent);
        sent.collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_suspect_that_is_all_alone_finishes_what_others_began() {
    let mut rig = Rig::new(eager(0, 4));
    let (a, b) = (rig.connect_seed(1), rig.connect(2));
    rig.say(b, [Message::HaveAll]);
    let asked = rig.requests(a);
    let bad = asked[0].piece;
    rig.answer(a, asked[0]);
    rig.take();
    rig.torrent.handle_disconnected(rig.now, a);
    rig.say(b, [Message::Unchoke]);
    let of_b = rig.requests(b);
    for span in of_b.iter().filter(|span| span.piece == bad) {
        rig.answer(b, *span);
    }
    rig.fail(bad.0);
    // Another one begins every piece that is left, and goes.
    rig.say(b, [Message::Choke]);
    let rejected = rig.requests(b).into_iter().map(Message::Reject);
    rig.say(b, rejected);
    let c = rig.connect(3);
    rig.say(c, [Message::HaveAll]);
    rig.take();
    rig.say(c, [Message::Unchoke]);
    let begun = rig.requests(c);
    for span in begun.iter().filter(|span| span.offset == 0) {
        rig.answer(c, *span);
    }
    rig.torrent.handle_disconnected(rig.now, c);
    rig.say(b, [Message::Unchoke]);
    for _ in 0..50 {
        let asked = rig.requests(b);
        rig.take();
        for span in asked {
            rig.answer(b, span);
        }
        for piece in rig.completed() {
            rig.pass(piece);
        }
    }
    assert!(rig.torrent.is_seed(), "{:#?}", rig.torrent.stats());
}

/// What the handshakes that were sent to a peer say of `upload_only`, of those that say anything.
fn said_upload_only(rig: &Rig, peer: crate::PeerKey) -> Vec<bool> {
    let handshakes = rig
        .sent(peer)
        .into_iter()
        .filter_map(|message| match message {
            Message::Extended { id: 0, payload } => ExtendedHandshake::decode(&payload).ok(),
            _ => None,
        });
    handshakes.filter_map(|hello| hello.upload_only).collect()
}

#[test]
fn a_partial_seed_says_so_and_takes_it_back() {
    let mut configuration = config(0, 4);
    configuration.have.set(PieceIndex(0));
    let mut rig = Rig::new(configuration);
    let peer = rig.connect_leech(1);
    assert_eq!(said_upload_only(&rig, peer), [] as [bool; 0]);
    let mut wishes = vec![Priority::SKIP; 4];
    rig.torrent.set_priorities(rig.now, wishes.clone());
    rig.drain();
    assert_eq!(said_upload_only(&rig, peer), [true]);
    wishes[2] = Priority::NORMAL;
    rig.torrent.set_priorities(rig.now, wishes);
    rig.drain();
    assert_eq!(said_upload_only(&rig, peer), [true, false]);
    // Who connects now hears nothing of it.
    let newcomer = rig.connect(2);
    assert_eq!(said_upload_only(&rig, newcomer), [] as [bool; 0]);
    // What a partial seed has is fetched from it like from anybody.
    let hello = ExtendedHandshake {
        upload_only: Some(true),
        ..ExtendedHandshake::default()
    };
    rig.say(
        newcomer,
        [
            Message::Bitfield(vec![0x20].into()),
            hello.message(),
            Message::Unchoke,
        ],
    );
    assert_eq!(rig.requests(newcomer)[0].piece, PieceIndex(2));
}

#[test]
fn a_seed_that_loses_a_piece_is_upload_only_no_more() {
    let mut configuration = config(0, 4).complete();
    configuration.super_seeding = SuperSeeding::Off;
    let mut rig = Rig::new(configuration);
    let peer = rig.connect_leech(1);
    rig.torrent.set_have(rig.now, PieceIndex(1), false);
    rig.drain();
    assert_eq!(said_upload_only(&rig, peer), [true, false]);
}

#[test]
fn upload_only_peers_part_unless_one_is_interested() {
    let mut configuration = config(0, 4).complete();
    configuration.super_seeding = SuperSeeding::Off;
    let mut rig = Rig::new(configuration);
    let peer = rig.connect_leech(1);
    let hello = ExtendedHandshake {
        upload_only: Some(true),
        ..ExtendedHandshake::default()
    };
    rig.say(peer, [hello.message()]);
    assert_eq!(rig.disconnected(peer), None);
    rig.say(peer, [Message::NotInterested]);
    assert_eq!(rig.disconnected(peer), Some(DisconnectReason::Redundant));
}

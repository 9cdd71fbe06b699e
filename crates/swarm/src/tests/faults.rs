//! Faults that others have made, one test for each.

use std::time::Duration;

use headwater_metainfo::{BlockSpan, PieceIndex};
use headwater_wire::{Message, Reserved};

use super::net::{Net, config, eager};
use super::rig::{Rig, block, piece};
use crate::{Action, Direction, DisconnectReason, PieceCheck, Priority, Refused, SuperSeeding};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn have_goes_to_every_peer() {
    let mut rig = Rig::new(config(0, 4));
    let seed = rig.connect_seed(1);
    let mut others: Vec<_> = (2..8).map(|index| rig.connect(index)).collect();
    others.push(rig.connect_plain(8));
    others.push(seed);
    let asked = rig.requests(seed);
    let first = asked[0].piece;
    for span in asked.into_iter().filter(|span| span.piece == first) {
        rig.answer(seed, span);
    }
    rig.take();
    rig.pass(first.0);
    for peer in others {
        let told = rig.sent(peer).contains(&Message::Have(first));
        assert!(told, "{peer:?} was not told of {first:?}");
    }
}

#[test]
fn a_choke_without_the_fast_extension_leaks_no_request() {
    let mut rig = Rig::new(eager(0, 4));
    let (a, b) = (rig.connect_plain(1), rig.connect(2));
    rig.say(b, [Message::HaveAll]);
    let all = vec![0xf0].into();
    rig.say(a, [Message::Bitfield(all), Message::Unchoke]);
    let asked = rig.requests(a).len();
    assert!(asked > 0);
    rig.take();
    rig.say(a, [Message::Choke]);
    assert_eq!(rig.torrent.peer(a).unwrap().requests, 0);
    // The other one gets them all, and so does the first when it thinks again.
    rig.say(b, [Message::Unchoke]);
    assert_eq!(rig.requests(b).len(), asked);
    rig.torrent.handle_disconnected(rig.now, b);
    rig.take();
    rig.say(a, [Message::Unchoke]);
    assert_eq!(rig.requests(a).len(), asked);
}

#[test]
fn a_reject_leaks_no_request() {
    let mut rig = Rig::new(eager(0, 4));
    let (a, b) = (rig.connect_seed(1), rig.connect(2));
    let asked = rig.requests(a);
    rig.say(b, [Message::HaveAll, Message::Unchoke]);
    rig.say(a, [Message::Choke]);
    rig.say(a, asked.iter().map(|&span| Message::Reject(span)));
    assert_eq!(rig.torrent.peer(a).unwrap().requests, 0);
    let mut again = rig.requests(b);
    again.sort_unstable();
    again.dedup();
    assert!(asked.iter().all(|span| again.binary_search(span).is_ok()));
}

#[test]
fn a_peer_that_rejects_everything_is_not_asked_in_a_circle() {
    let mut rig = Rig::new(config(0, 40));
    let seed = rig.connect_seed(1);
    let mut sent = 0;
    for _ in 0..1_000 {
        let asked = rig.requests(seed);
        sent += asked.len();
        rig.take();
        rig.say(seed, asked.into_iter().map(Message::Reject));
    }
    assert!(sent < 200, "{sent}");
    // It is asked again later.
    rig.wait(Duration::from_secs(2));
    assert!(!rig.requests(seed).is_empty());
}

#[test]
fn a_disconnect_leaks_no_request() {
    let mut rig = Rig::new(eager(0, 4));
    let (a, b) = (rig.connect_seed(1), rig.connect(2));
    let asked = rig.requests(a).len();
    rig.say(b, [Message::HaveAll, Message::Unchoke]);
    rig.take();
    rig.torrent.handle_disconnected(rig.now, a);
    rig.drain();
    assert!(rig.torrent.peer(b).unwrap().requests >= asked.min(32));
}

#[test]
fn what_is_not_answered_is_asked_for_again() {
    let mut rig = Rig::new(eager(0, 4));
    let silent = rig.connect_seed(1);
    let asked = rig.requests(silent);
    rig.wait(MINUTE);
    assert!(rig.torrent.peer(silent).unwrap().is_snubbed);
    let other = rig.connect_seed(2);
    let again = rig.requests(other);
    assert!(asked.iter().filter(|span| !again.contains(span)).count() <= 1);
}

#[test]
fn the_only_peer_is_asked_again_after_a_timeout() {
    let mut rig = Rig::new(config(0, 4));
    let seed = rig.connect_seed(1);
    rig.take();
    rig.wait(MINUTE);
    // One at a time until it answers.
    assert!(!rig.requests(seed).is_empty());
    assert_eq!(rig.torrent.peer(seed).unwrap().requests, 1);
    for _ in 0..100 {
        let asked = rig.requests(seed);
        rig.take();
        for span in asked {
            rig.answer(seed, span);
        }
    }
    assert_eq!(
        rig.torrent
            .partial()
            .filter(|(_, blocks)| blocks.is_full())
            .count(),
        4
    );
}

#[test]
fn a_late_block_is_taken() {
    let mut rig = Rig::new(eager(0, 4));
    let seed = rig.connect_seed(1);
    let asked = rig.requests(seed);
    rig.wait(MINUTE);
    rig.take();
    let late = asked.into_iter().next_back().unwrap();
    rig.answer(seed, late);
    let stored =
        |action: &Action| matches!(action, Action::StoreBlock { block, .. } if *block == late);
    assert!(rig.actions.iter().any(stored));
    // A second time it is of no use, and no offence.
    rig.answer(seed, late);
    assert_eq!(rig.torrent.stats().wasted_unrequested, 16_384);
    assert_eq!(rig.disconnected(seed), None);
}

#[test]
fn a_piece_that_is_wanted_by_one_file_is_wanted() {
    // Which pieces are wanted is for the owner of the files to say; here, a piece at a boundary is one piece.
    let mut configuration = config(0, 3);
    configuration.priorities = vec![Priority::SKIP, Priority(1), Priority::SKIP];
    let mut rig = Rig::new(configuration);
    let seed = rig.connect_seed(1);
    let asked = rig.requests(seed);
    assert_eq!(
        asked,
        (0..4).map(|index| block(1, index)).collect::<Vec<_>>()
    );
    for span in asked {
        rig.answer(seed, span);
    }
    rig.pass(1);
    assert!(rig.torrent.is_complete() && !rig.torrent.is_seed());
}

#[test]
fn indices_past_the_end_are_refused() {
    for message in [
        Message::Have(PieceIndex(4)),
        Message::Have(PieceIndex(u32::MAX)),
        Message::Suggest(PieceIndex(4)),
        Message::AllowedFast(PieceIndex(4)),
    ] {
        let mut rig = Rig::new(config(0, 4));
        let peer = rig.connect(1);
        rig.say(peer, [message]);
        assert_eq!(rig.disconnected(peer), Some(DisconnectReason::InvalidPiece));
    }
}

#[test]
fn bitfields_of_the_wrong_length_are_refused() {
    for bytes in [vec![], vec![0xf0, 0], vec![0xff]] {
        let mut rig = Rig::new(config(0, 4));
        let peer = rig.connect(1);
        rig.say(peer, [Message::Bitfield(bytes.into())]);
        let reason = rig.disconnected(peer);
        assert_eq!(reason, Some(DisconnectReason::InvalidBitfield));
    }
}

#[test]
fn request_lengths_are_bounded() {
    let span = |offset, length| BlockSpan {
        piece: PieceIndex(0),
        offset,
        length,
    };
    for bad in [
        span(0, 0),
        span(0, 65_537),
        span(65_535, 2),
        span(u32::MAX, 16_384),
        span(0, u32::MAX),
        block(4, 0),
    ] {
        let mut rig = Rig::new(config(0, 4).complete());
        let peer = rig.connect_leech(1);
        rig.say(peer, [Message::Request(bad)]);
        assert_eq!(rig.served(peer), []);
        let reason = rig.disconnected(peer);
        assert_eq!(reason, Some(DisconnectReason::InvalidRequest), "{bad:?}");
    }
}

#[test]
fn request_queues_are_bounded() {
    let mut configuration = config(0, 4).complete();
    configuration.limits.max_incoming_requests = 100;
    let mut rig = Rig::new(configuration);
    let peer = rig.connect_leech(1);
    rig.say(peer, (0..150).map(|_| Message::Request(block(0, 0))));
    assert_eq!(rig.torrent.peer(peer).unwrap().incoming_requests, 100);
    let rejects = rig
        .sent(peer)
        .iter()
        .filter(|message| matches!(message, Message::Reject(_)))
        .count();
    assert_eq!(rejects, 50);
    // With the driver is no more than a window full.
    let window = rig.torrent.limits().serve_window / 16_384;
    assert_eq!(rig.served(peer).len(), (window as usize).min(100));
    rig.say(peer, (0..10_000).map(|_| Message::Request(block(0, 0))));
    assert_eq!(
        rig.disconnected(peer),
        Some(DisconnectReason::TooManyRequests)
    );
}

#[test]
fn a_lowered_limit_refuses_the_latest_requests() {
    let mut configuration = config(0, 4).complete();
    configuration.limits.serve_window = 2 * 16_384;
    let mut rig = Rig::new(configuration);
    let peer = rig.connect_leech(1);
    rig.say(peer, (0..4).map(|index| Message::Request(block(0, index))));
    assert_eq!(rig.served(peer), [block(0, 0), block(0, 1)]);
    let mut limits = rig.torrent.limits().clone();
    limits.max_incoming_requests = 1;
    rig.torrent.set_limits(rig.now, limits);
    rig.torrent.check_invariants();
    rig.drain();
    assert_eq!(rig.torrent.peer(peer).unwrap().incoming_requests, 1);
    let refused: Vec<_> = rig
        .sent(peer)
        .into_iter()
        .filter(|message| matches!(message, Message::Reject(_)))
        .collect();
    assert_eq!(
        refused,
        [3, 2].map(|index| Message::Reject(block(0, index)))
    );
}

#[test]
fn a_lowered_window_takes_blocks_back_from_the_driver() {
    let mut configuration = config(0, 16).complete();
    configuration.super_seeding = SuperSeeding::Off;
    let mut rig = Rig::new(configuration);
    let peer = rig.connect_leech(1);
    rig.say(
        peer,
        (0..16).map(|index| Message::Request(block(index / 4, index % 4))),
    );
    let with_driver = rig.served(peer).len();
    let mut limits = rig.torrent.limits().clone();
    limits.serve_window = 0;
    rig.torrent.set_limits(rig.now, limits);
    rig.torrent.check_invariants();
    rig.drain();
    let is_cancel = |action: &&Action| matches!(action, Action::CancelServe { .. });
    let cancelled = rig.take().iter().filter(is_cancel).count();
    // As much as one request may ask for stays.
    assert_eq!(cancelled, with_driver - 8);
}

#[test]
fn choked_peers_are_not_served() {
    for fast in [true, false] {
        let mut configuration = config(0, 4).complete();
        configuration.limits.upload_slots = crate::UploadSlots::Fixed(1);
        let mut rig = Rig::new(configuration);
        let _unchoked = rig.connect_leech(1);
        let peer = if fast {
            rig.connect(2)
        } else {
            rig.connect_plain(2)
        };
        rig.say(peer, [Message::Interested, Message::Request(block(0, 0))]);
        assert!(rig.torrent.peer(peer).unwrap().am_choking);
        assert_eq!(rig.served(peer), []);
        let rejected = rig.sent(peer).contains(&Message::Reject(block(0, 0)));
        assert_eq!(rejected, fast);
    }
}

#[test]
fn a_choke_takes_back_what_was_to_be_served() {
    let mut configuration = config(0, 100).complete();
    configuration.super_seeding = SuperSeeding::Off;
    let mut rig = Rig::new(configuration);
    let peer = rig.connect_leech(1);
    rig.say(
        peer,
        (0..100).map(|index| Message::Request(block(index / 4, index % 4))),
    );
    let serving = rig.served(peer).len();
    assert!(serving > 10 && serving < 100);
    rig.take();
    rig.torrent.set_activity(rig.now, crate::Activity::Paused);
    rig.drain();
    let sent = rig.sent(peer);
    let rejects = |message: &&Message| matches!(message, Message::Reject(_));
    assert_eq!(sent[0], Message::Choke);
    assert_eq!(sent.iter().filter(rejects).count(), 100 - serving);
    let cancels = |action: &&Action| matches!(action, Action::CancelServe { .. });
    assert_eq!(rig.actions.iter().filter(cancels).count(), serving);
    // What the driver really dropped is rejected as well; what was on its way counts.
    rig.torrent.handle_block_dropped(rig.now, peer, block(0, 0));
    rig.torrent.handle_block_sent(rig.now, peer, block(0, 1));
    rig.drain();
    assert!(rig.sent(peer).contains(&Message::Reject(block(0, 0))));
    assert_eq!(rig.torrent.stats().uploaded, 16_384);
    assert_eq!(rig.torrent.peer(peer).unwrap().incoming_requests, 0);
}

#[test]
fn uploading_waits_for_no_timer() {
    let mut net = Net::new();
    let (seed, leech) = (net.seed(100), net.leech(100));
    net.introduce(leech, seed);
    // 400 blocks in less than the time between two ticks of anything.
    let took = net.run_until(MINUTE, |net| net.has_all(leech));
    assert!(took < Duration::from_millis(300), "{took:?}");
}

#[test]
fn connections_to_ourselves_are_refused_and_remembered() {
    let mut rig = Rig::new(config(0, 4));
    let own = config(0, 4).peer_id;
    let mut connected = Rig::connected(1, Reserved::default(), Direction::Outgoing);
    connected.handshake.peer_id = own;
    let address = connected.address;
    rig.torrent.add_peers(rig.now, [address], connected.source);
    assert!(matches!(rig.take()[..], [Action::Dial { .. }]));
    assert_eq!(rig.connect_with(connected), Err(Refused::SelfConnection));
    rig.torrent.add_peers(rig.now, [address], connected.source);
    rig.wait(MINUTE * 60);
    assert_eq!(rig.take(), []);
}

#[test]
fn of_two_connections_to_one_peer_both_ends_keep_the_same() {
    let mut net = Net::new();
    let (a, b) = (net.seed(50), net.leech(50));
    net.introduce(a, b);
    net.introduce(b, a);
    net.introduce(a, b);
    net.run_until(MINUTE, |net| net.has_all(b));
    let open = [a, b].map(|node| {
        let events = &net.nodes[node].events;
        let connected = |event: &&crate::Event| matches!(event, crate::Event::PeerConnected { .. });
        events.iter().filter(connected).count()
    });
    assert!(open.iter().all(|&count| count <= 2), "{open:?}");
    assert_eq!(net.nodes[b].torrent.stats().wasted_duplicate, 0);
}

#[test]
fn what_we_lack_is_not_served() {
    let mut rig = Rig::new(config(0, 4));
    let peer = rig.connect_leech(1);
    rig.say(peer, [Message::Request(block(0, 0))]);
    assert_eq!(rig.served(peer), []);
    assert!(rig.sent(peer).contains(&Message::Reject(block(0, 0))));
    // Nor is what has been received and not verified.
    let seed = rig.connect_seed(2);
    for span in rig.requests(seed) {
        rig.answer(seed, span);
    }
    assert!(!rig.completed().is_empty());
    rig.say(peer, [Message::Request(block(0, 0))]);
    assert_eq!(rig.served(peer), []);
}

#[test]
fn a_failed_write_is_no_piece() {
    let mut rig = Rig::new(config(0, 1));
    let seed = rig.connect_seed(1);
    for span in rig.requests(seed) {
        rig.answer(seed, span);
    }
    rig.take();
    rig.torrent.handle_store_failed(rig.now, PieceIndex(0));
    rig.drain();
    assert!(rig.torrent.have().is_clear());
    assert!(!rig.sent(seed).contains(&Message::Have(PieceIndex(0))));
    assert_eq!(rig.requests(seed).len(), 4);
    // An answer to the check that was under way is void.
    rig.torrent
        .handle_piece_checked(rig.now, PieceIndex(0), PieceCheck::Passed);
    rig.drain();
    assert!(rig.torrent.have().is_clear());
}

#[test]
fn unrequested_blocks_are_dropped_and_then_the_peer_is() {
    let mut rig = Rig::new(config(0, 4));
    let peer = rig.connect(1);
    rig.say(peer, [Message::HaveAll]);
    rig.answer(peer, block(0, 0));
    assert!(
        !rig.actions
            .iter()
            .any(|action| matches!(action, Action::StoreBlock { .. }))
    );
    assert_eq!(rig.torrent.stats().wasted_unrequested, 16_384);
    assert_eq!(rig.disconnected(peer), None);
    rig.say(peer, (0..100).map(|_| piece(block(0, 0))));
    assert_eq!(rig.disconnected(peer), Some(DisconnectReason::Unrequested));
}

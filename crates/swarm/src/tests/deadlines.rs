//! Pieces that a reader waits for.

use std::time::{Duration, Instant};

use headwater_metainfo::PieceIndex;
use headwater_wire::{Message, Reserved};

use super::net::{Net, config};
use super::rig::Rig;
use crate::{Event, PeerKey, Priority, SuperSeeding};

const SECOND: Duration = Duration::from_secs(1);

/// A rig with some pieces, so that nothing is chosen at random.
fn rig(pieces: u32) -> Rig {
    let mut configuration = config(0, pieces);
    configuration.limits.first_requests = 32;
    (0..8).for_each(|piece| _ = configuration.have.set(PieceIndex(piece)));
    Rig::new(configuration)
}

fn set(rig: &mut Rig, piece: u32, after: Duration) {
    let deadline = rig.now + after;
    rig.torrent
        .set_deadline(rig.now, PieceIndex(piece), Some(deadline));
    rig.drain();
}

/// How many blocks of a piece a peer was asked for since the actions were last taken.
fn asked(rig: &Rig, peer: PeerKey, piece: u32) -> usize {
    let requests = rig.requests(peer);
    requests.iter().filter(|span| span.piece.0 == piece).count()
}

/// Lets peers unchoke us at the same time, with a piece that is needed soon.
fn unchoke(rig: &mut Rig, peers: &[PeerKey], piece: u32, after: Duration) {
    rig.torrent.set_backlogged(rig.now, true);
    for &peer in peers {
        rig.say(peer, [Message::Unchoke]);
    }
    rig.torrent.set_backlogged(rig.now, false);
    set(rig, piece, after);
}

#[test]
fn they_come_first_in_the_order_of_their_deadlines() {
    let mut configuration = config(0, 40);
    configuration.limits.first_requests = 32;
    configuration.priorities = vec![Priority(1); 40];
    configuration.priorities[9] = Priority(100);
    let mut rig = Rig::new(configuration);
    for (piece, seconds) in [(30, 60), (20, 30), (25, 90)] {
        set(&mut rig, piece, SECOND * seconds);
    }
    let seed = rig.connect_seed(1);
    let mut order: Vec<_> = rig.requests(seed).iter().map(|span| span.piece.0).collect();
    order.dedup();
    assert_eq!(order[..4], [20, 30, 25, 9]);
}

#[test]
fn a_new_deadline_takes_the_place_of_the_old_one_and_may_be_taken_back() {
    let mut rig = rig(40);
    for (piece, seconds) in [(30, 60), (20, 30), (25, 40)] {
        set(&mut rig, piece, SECOND * seconds);
    }
    set(&mut rig, 20, SECOND * 90);
    let deadline = rig.torrent.deadline(PieceIndex(20));
    assert_eq!(deadline, Some(rig.now + SECOND * 90));
    rig.torrent.set_deadline(rig.now, PieceIndex(25), None);
    let seed = rig.connect_seed(1);
    let mut order: Vec<_> = rig.requests(seed).iter().map(|span| span.piece.0).collect();
    order.dedup();
    assert_eq!(order[..2], [30, 20]);
    rig.torrent.clear_deadlines(rig.now);
    assert_eq!(rig.torrent.deadline(PieceIndex(20)), None);
}

#[test]
fn they_mean_nothing_for_pieces_that_are_not_wanted_or_there_or_do_not_exist() {
    let mut configuration = config(0, 20);
    configuration.have.set(PieceIndex(3));
    configuration.priorities = vec![Priority(1); 20];
    configuration.priorities[12] = Priority::SKIP;
    let mut rig = Rig::new(configuration);
    for piece in [3, 12, 20, u32::MAX] {
        set(&mut rig, piece, SECOND);
    }
    assert_eq!(rig.torrent.deadline(PieceIndex(3)), None);
    assert_eq!(rig.torrent.deadline(PieceIndex(u32::MAX)), None);
    let seed = rig.connect_seed(1);
    assert_eq!(asked(&rig, seed, 12), 0);
    // It is remembered for when the piece is wanted.
    rig.torrent.set_priorities(rig.now, Vec::new());
    rig.take();
    let other = rig.connect_seed(2);
    assert_eq!(rig.requests(other)[0].piece, PieceIndex(12));
}

#[test]
fn a_piece_that_is_there_has_no_deadline() {
    let mut rig = rig(20);
    set(&mut rig, 15, SECOND * 30);
    let seed = rig.connect_seed(1);
    for span in rig.requests(seed) {
        rig.answer(seed, span);
    }
    rig.pass(15);
    assert_eq!(rig.torrent.deadline(PieceIndex(15)), None);
    // Nor has it one when it is lost later.
    rig.torrent.set_have(rig.now, PieceIndex(15), false);
    assert_eq!(rig.torrent.deadline(PieceIndex(15)), None);
}

#[test]
fn who_would_be_late_leaves_it_to_those_who_would_not() {
    let mut rig = rig(400);
    let slow = rig.connect_measured(1, SECOND);
    let fast = rig.connect_measured(2, SECOND / 100);
    unchoke(&mut rig, &[slow, fast], 300, SECOND / 2);
    assert_eq!((asked(&rig, slow, 300), asked(&rig, fast, 300)), (0, 4));
    // The slow one is not idle for that.
    assert!(!rig.requests(slow).is_empty());
}

#[test]
fn who_would_be_late_is_better_than_nobody() {
    let mut rig = rig(400);
    let slow = rig.connect_measured(1, SECOND);
    let fast = rig.connect_measured(2, SECOND / 100);
    unchoke(&mut rig, &[slow], 300, SECOND / 2);
    assert_eq!((asked(&rig, slow, 300), asked(&rig, fast, 300)), (4, 0));
}

#[test]
fn what_is_not_urgent_yet_is_asked_of_everybody() {
    let mut rig = rig(400);
    let slow = rig.connect_measured(1, SECOND);
    let fast = rig.connect_measured(2, SECOND / 100);
    unchoke(&mut rig, &[slow, fast], 300, SECOND * 600);
    assert_eq!((asked(&rig, slow, 300), asked(&rig, fast, 300)), (4, 0));
}

/// A slow peer was asked for piece 300; then a fast one has room, and maybe a third one.
fn late_piece(after: Duration) -> (Rig, [PeerKey; 3]) {
    let mut rig = rig(400);
    let slow = rig.connect_measured(1, SECOND);
    let fast = rig.connect_measured(2, SECOND / 100);
    let third = rig.connect_measured(3, SECOND / 1_000);
    unchoke(&mut rig, &[slow], 300, after);
    assert_eq!(asked(&rig, slow, 300), 4);
    rig.say(fast, [Message::Unchoke]);
    (rig, [slow, fast, third])
}

#[test]
fn what_a_slow_peer_owes_is_asked_for_again_when_it_is_near() {
    // The first two blocks come in time.
    let (rig, [_, fast, _]) = late_piece(SECOND * 5 / 2);
    assert_eq!(asked(&rig, fast, 300), 2);
    let (rig, [_, fast, _]) = late_piece(SECOND * 600);
    assert_eq!(asked(&rig, fast, 300), 0);
}

#[test]
fn a_late_block_is_not_asked_of_a_third_peer_while_the_second_is_fast() {
    let (mut rig, [_, fast, third]) = late_piece(SECOND / 2);
    assert!(asked(&rig, fast, 300) > 0);
    rig.say(third, [Message::Unchoke]);
    assert_eq!(asked(&rig, third, 300), 0);
}

#[test]
fn a_late_block_is_asked_of_another_peer_while_all_are_late_but_of_three_at_most() {
    let (mut rig, [slow, fast, third]) = late_piece(SECOND / 10);
    let requests = rig.requests(fast);
    let again: Vec<_> = requests.iter().filter(|s| s.piece.0 == 300).collect();
    assert_eq!(again.len(), 4);
    // The fast one stalls.
    rig.wait(SECOND * 3);
    rig.say(third, [Message::Unchoke]);
    assert_eq!(asked(&rig, third, 300), 4);
    let fourth = rig.connect_seed(4);
    rig.wait(SECOND * 3);
    assert_eq!(asked(&rig, fourth, 300), 0);
    // When one of them delivers, the others need not.
    rig.answer(third, *again[0]);
    for other in [slow, fast] {
        assert!(rig.sent(other).contains(&Message::Cancel(*again[0])));
    }
}

/// A film whose pieces are to be there one a second, and of which two of four seeds never send a block that they were
/// asked for. Says how many pieces come too late.
fn late_pieces(with_deadlines: bool) -> usize {
    const PIECES: u32 = 200;
    const SEEN: u32 = 40;
    let mut net = Net::new();
    net.latency = SECOND / 2;
    // They do not know each other, and each would hide from the only peer that it has what that one is about to need.
    let seed = |index| {
        let mut seed = config(index, PIECES).complete();
        seed.super_seeding = SuperSeeding::Off;
        seed
    };
    let seeds: Vec<_> = (0..4).map(|index| net.add(seed(index))).collect();
    for &seed in &seeds[..2] {
        net.nodes[seed].mute = Some(|message| matches!(message, Message::Piece { .. }));
    }
    let mut configuration = config(4, PIECES);
    // A seed sends two pieces a second.
    (
        configuration.limits.first_requests,
        configuration.limits.max_requests,
    ) = (8, 8);
    let reader = net.add(configuration);
    let start = net.now + SECOND * 5;
    let due = |piece: u32| start + SECOND * piece;
    let torrent = &mut net.nodes[reader].torrent;
    torrent.set_sequential(net.now, true);
    for piece in (0..SEEN).filter(|_| with_deadlines) {
        torrent.set_deadline(net.now, PieceIndex(piece), Some(due(piece)));
    }
    // Without the fast extension no piece is allowed before its time.
    for node in &mut net.nodes {
        node.reserved = Reserved::default();
    }
    for seed in seeds {
        net.introduce(reader, seed);
    }
    let late = (0..SEEN).filter(|&piece| {
        let wait = due(piece).saturating_duration_since(net.now);
        net.run_for(wait);
        !passed(&net, reader, piece)
    });
    late.count()
}

fn passed(net: &Net, node: usize, piece: u32) -> bool {
    let verified = Event::PieceVerified(PieceIndex(piece));
    net.nodes[node].events.contains(&verified)
}

#[test]
fn a_reader_does_not_wait_for_peers_that_stall() {
    assert_eq!(late_pieces(true), 0);
    // It would without.
    assert!(late_pieces(false) > 2);
}

#[test]
fn the_past_is_the_most_urgent() {
    let mut rig = rig(40);
    let then: Instant = rig.now;
    rig.now += SECOND * 10;
    set(&mut rig, 20, SECOND);
    rig.torrent
        .set_deadline(rig.now, PieceIndex(30), Some(then));
    let seed = rig.connect_seed(1);
    assert_eq!(rig.requests(seed)[0].piece, PieceIndex(30));
}

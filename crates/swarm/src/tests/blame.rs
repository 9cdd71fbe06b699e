//! Who is blamed for a bad piece, who is cleared, and of whom it is fetched again, a step at a time.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_metainfo::{Bitfield, BlockSpan, PeerId, PieceIndex};
use headwater_wire::Message;

use super::net::config;
use super::rig::{Rig, block};
use super::smart_ban::digest;
use crate::picker::Contributor;
use crate::smart_ban::SmartBan;
use crate::{
    Action, Config, Direction, DisconnectReason, Event, PeerKey, PieceCheck, Priority, Refused,
};

/// Two peers that sent two blocks each of piece 0, which is complete and the only one that is wanted. The first chokes us now.
fn two_contributors(rig: &mut Rig, first: PeerKey, second: PeerKey) {
    let asked = rig.requests(first);
    rig.answer(first, asked[0]);
    rig.answer(first, asked[1]);
    let rejects = asked[2..].iter().map(|&span| Message::Reject(span));
    rig.say(first, [Message::Choke].into_iter().chain(rejects));
    rig.take();
    rig.say(second, [Message::Unchoke]);
    for span in rig.requests(second) {
        rig.answer(second, span);
    }
    assert_eq!(rig.completed(), [0]);
    rig.take();
}

fn one_wanted(partial: Option<&[u32]>) -> Config {
    let mut configuration = config(0, 2);
    configuration.priorities = vec![Priority::NORMAL, Priority::SKIP];
    configuration.limits.drop_redundant = false;
    if let Some(blocks) = partial {
        let mut bits = Bitfield::new(4);
        for &block in blocks {
            bits.set(PieceIndex(block));
        }
        configuration.partial = vec![(PieceIndex(0), bits)];
    }
    configuration
}

/// Has piece 0 fail; a block is good, bad or not known.
fn fail_with(rig: &mut Rig, blocks: [Option<bool>; 4]) {
    let check = PieceCheck::Failed {
        digests: blocks.map(|good| good.map(digest)).to_vec(),
    };
    let piece = PieceIndex(0);
    rig.torrent.handle_piece_checked(rig.now, piece, check);
    rig.drain();
}

/// Gives a good copy of piece 0, which `from` sends.
fn pass_from(rig: &mut Rig, from: PeerKey) {
    for span in rig.requests(from) {
        rig.answer(from, span);
    }
    rig.pass(0);
    let asked = Action::DigestBlocks {
        piece: PieceIndex(0),
    };
    assert!(rig.take().contains(&asked));
    let good = [digest(true); 4];
    rig.torrent
        .handle_block_digests(rig.now, PieceIndex(0), &good);
    rig.drain();
}

fn connect_silent(rig: &mut Rig, index: u8) -> PeerKey {
    let key = rig.connect(index);
    rig.say(key, [Message::HaveAll]);
    key
}

const GUILTY_FIRST: [Option<bool>; 4] = [Some(false), Some(true), Some(true), Some(true)];

#[test]
fn a_corrupt_peer_that_leaves_is_refused_when_it_comes_back() {
    let mut rig = Rig::new(one_wanted(None));
    let (bad, good) = (rig.connect_seed(1), connect_silent(&mut rig, 2));
    two_contributors(&mut rig, bad, good);
    fail_with(&mut rig, GUILTY_FIRST);
    rig.torrent.handle_disconnected(rig.now, bad);
    rig.drain();
    pass_from(&mut rig, good);
    let banned = rig
        .events
        .iter()
        .filter(|event| matches!(event, Event::PeerBanned { .. }));
    assert_eq!(banned.count(), 1);
    let again = |index| Rig::connected(index, rig.torrent.reserved(), Direction::Incoming);
    let (again, other) = (again(1), again(3));
    assert_eq!(rig.connect_with(again), Err(Refused::Banned));
    assert!(rig.connect_with(other).is_ok());
    assert_eq!(rig.disconnected(good), None);
}

#[test]
fn a_corrupt_peer_that_is_back_under_another_key_is_sent_away() {
    let mut rig = Rig::new(one_wanted(None));
    let (bad, good) = (rig.connect_seed(1), connect_silent(&mut rig, 2));
    two_contributors(&mut rig, bad, good);
    fail_with(&mut rig, GUILTY_FIRST);
    rig.torrent.handle_disconnected(rig.now, bad);
    let back = rig.connect_seed(1);
    // The other one is as suspect as this one. Whoever is asked first is to send all of it.
    let from = [good, back]
        .into_iter()
        .find(|&key| !rig.requests(key).is_empty());
    pass_from(&mut rig, from.unwrap());
    assert_eq!(rig.disconnected(back), Some(DisconnectReason::Banned));
    assert_eq!(rig.disconnected(good), None);
    assert!(rig.torrent.is_banned([10, 0, 1, 1].into()));
}

#[test]
fn of_two_behind_one_address_only_the_guilty_one_is_banned() {
    let mut rig = Rig::new(one_wanted(None));
    let reserved = rig.torrent.reserved();
    let mut ends = [1, 2, 3].map(|index| Rig::connected(index, reserved, Direction::Incoming));
    for (port, end) in (5_001..).zip(&mut ends) {
        end.address = SocketAddr::from(([10, 0, 9, 9], port));
    }
    let bad = rig.connect_with(ends[0]).unwrap();
    rig.say(bad, [Message::HaveAll, Message::Unchoke]);
    let good = rig.connect_with(ends[1]).unwrap();
    rig.say(good, [Message::HaveAll]);
    two_contributors(&mut rig, bad, good);
    fail_with(&mut rig, GUILTY_FIRST);
    pass_from(&mut rig, good);
    assert_eq!(rig.disconnected(bad), Some(DisconnectReason::Banned));
    assert_eq!(rig.disconnected(good), None);
    // Another port does not help, another name does: it may be a third one.
    ends[0].address.set_port(6_000);
    assert_eq!(rig.connect_with(ends[0]), Err(Refused::Banned));
    assert!(rig.connect_with(ends[2]).is_ok());
    // Nobody elsewhere is refused for having the same name.
    ends[0].address = SocketAddr::from(([10, 0, 8, 8], 5_001));
    assert!(rig.connect_with(ends[0]).is_ok());
}

#[test]
fn those_who_sent_what_is_right_are_cleared() {
    let mut rig = Rig::new(one_wanted(None));
    let (bad, good) = (rig.connect_seed(1), connect_silent(&mut rig, 2));
    two_contributors(&mut rig, bad, good);
    fail_with(&mut rig, GUILTY_FIRST);
    assert!(rig.torrent.is_on_parole(bad) && rig.torrent.is_on_parole(good));
    // A third one sends the good copy, so that it is the comparison that clears.
    rig.say(good, [Message::Choke]);
    let third = rig.connect_seed(3);
    pass_from(&mut rig, third);
    assert_eq!(rig.disconnected(bad), Some(DisconnectReason::Banned));
    assert!(!rig.torrent.is_on_parole(good));
}

#[test]
fn nobody_is_blamed_for_what_was_on_disk() {
    // All that the peer sent is right; a block that was there before is not.
    let mut rig = Rig::new(one_wanted(Some(&[1])));
    let peer = rig.connect_seed(1);
    for span in rig.requests(peer) {
        rig.answer(peer, span);
    }
    rig.take();
    fail_with(&mut rig, [Some(true), Some(false), Some(true), Some(true)]);
    assert_eq!(rig.disconnected(peer), None);
    pass_from(&mut rig, peer);
    assert_eq!(rig.disconnected(peer), None);
    assert!(!rig.torrent.is_on_parole(peer));
}

#[test]
fn nobody_is_blamed_for_what_the_disk_cannot_vouch_for() {
    let mut rig = Rig::new(one_wanted(None));
    let peer = rig.connect_seed(1);
    for span in rig.requests(peer) {
        rig.answer(peer, span);
    }
    rig.take();
    fail_with(&mut rig, [Some(true), None, Some(true), Some(true)]);
    assert_eq!(rig.disconnected(peer), None);
    pass_from(&mut rig, peer);
    assert_eq!(rig.disconnected(peer), None);
}

#[test]
fn one_that_contradicts_itself_is_banned_before_there_is_a_good_copy() {
    let mut rig = Rig::new(one_wanted(None));
    let peer = rig.connect_seed(1);
    for first in [true, false] {
        assert_eq!(rig.disconnected(peer), None);
        for span in rig.requests(peer) {
            rig.answer(peer, span);
        }
        assert_eq!(rig.completed(), [0]);
        rig.take();
        // The disk may be to blame, but not for the first block.
        fail_with(&mut rig, [Some(first), None, Some(true), Some(true)]);
    }
    assert_eq!(rig.disconnected(peer), Some(DisconnectReason::Banned));
}

#[test]
fn a_late_block_does_not_spoil_the_next_copy() {
    let mut rig = Rig::new(one_wanted(None));
    let (bad, good) = (rig.connect_seed(1), connect_silent(&mut rig, 2));
    let asked = rig.requests(bad);
    rig.answer(bad, asked[0]);
    // It is asked for the rest and does not answer; somebody else does.
    rig.wait(Duration::from_secs(40));
    rig.take();
    rig.say(good, [Message::Unchoke]);
    while rig.completed().is_empty() {
        let asked = rig.requests(good);
        rig.take();
        for span in asked {
            rig.answer(good, span);
        }
    }
    assert_eq!(rig.completed(), [0]);
    let third = rig.connect_seed(3);
    rig.take();
    // Nobody is asked for anything until that block has come.
    rig.torrent.set_backlogged(rig.now, true);
    fail_with(&mut rig, GUILTY_FIRST);
    rig.answer(bad, asked[1]);
    let stored = |action: &Action| matches!(action, Action::StoreBlock { .. });
    assert!(!rig.actions.iter().any(stored));
    rig.torrent.set_backlogged(rig.now, false);
    rig.drain();
    let is_kept = rig.requests(bad).is_empty();
    assert!(
        is_kept,
        "a contributor is asked again though another one has it"
    );
    pass_from(&mut rig, third);
    assert_eq!(rig.disconnected(bad), Some(DisconnectReason::Banned));
}

#[test]
fn what_failed_is_begun_first() {
    let mut rig = Rig::new(config(0, 40));
    let (bad, good) = (rig.connect_seed(1), connect_silent(&mut rig, 2));
    let piece = rig.requests(bad)[0].piece;
    let of_piece =
        |asked: Vec<BlockSpan>| asked.into_iter().filter(move |span| span.piece == piece);
    rig.answer(bad, block(piece.0, 0));
    rig.torrent.handle_disconnected(rig.now, bad);
    rig.take();
    rig.say(good, [Message::Unchoke]);
    for span in of_piece(rig.requests(good)) {
        rig.answer(good, span);
    }
    assert_eq!(rig.completed(), [piece.0]);
    let check = PieceCheck::Failed {
        digests: GUILTY_FIRST.map(|good| good.map(digest)).to_vec(),
    };
    rig.torrent.handle_piece_checked(rig.now, piece, check);
    rig.take();
    let third = rig.connect_seed(3);
    // But for what is left of a piece that others are at.
    let begun = rig.requests(third);
    let first = begun.iter().position(|span| span.offset == 0).unwrap();
    assert_eq!(begun[first].piece, piece);
}

#[test]
fn a_suspect_that_leaves_a_piece_leaves_nothing_in_it() {
    for way in ["rejects", "chokes", "is silent", "goes"] {
        let mut configuration = config(0, 40);
        configuration.limits.first_requests = 32;
        let mut rig = Rig::new(configuration);
        let (suspect, other) = (rig.connect_seed(1), connect_silent(&mut rig, 2));
        let asked = rig.requests(suspect);
        let piece = asked[0].piece;
        rig.answer(suspect, asked[0]);
        rig.say(suspect, [Message::Choke]);
        rig.say(
            suspect,
            asked[1..].iter().map(|&span| Message::Reject(span)),
        );
        rig.take();
        rig.say(other, [Message::Unchoke]);
        for span in rig.requests(other) {
            if span.piece == piece {
                rig.answer(other, span);
            }
        }
        let check = PieceCheck::Failed {
            digests: GUILTY_FIRST.map(|good| good.map(digest)).to_vec(),
        };
        rig.torrent.handle_piece_checked(rig.now, piece, check);
        rig.take();
        // It begins a piece of its own and sends one block of it.
        rig.say(suspect, [Message::Unchoke]);
        let mut asked = rig.requests(suspect);
        asked.retain(|span| span.piece != piece);
        let own = asked[0].piece;
        rig.answer(suspect, asked[0]);
        assert!(
            rig.torrent.partial().any(|(piece, _)| piece == own),
            "{way}"
        );
        rig.take();
        match way {
            "rejects" => rig.say(suspect, [Message::Reject(asked[1])]),
            "chokes" => rig.say(suspect, [Message::Choke]),
            "is silent" => rig.wait(Duration::from_secs(45)),
            _ => rig.torrent.handle_disconnected(rig.now, suspect),
        }
        rig.drain();
        let discard = Action::DiscardPiece { piece: own };
        assert!(rig.actions.contains(&discard), "{way}");
        assert!(
            rig.torrent.partial().all(|(piece, _)| piece != own),
            "{way}"
        );
    }
}

#[test]
fn a_suspect_cannot_sit_on_the_last_piece() {
    let mut rig = Rig::new(one_wanted(None));
    let (slow, good) = (rig.connect_seed(1), connect_silent(&mut rig, 2));
    two_contributors(&mut rig, slow, good);
    rig.say(good, [Message::Choke]);
    rig.say(slow, [Message::Unchoke]);
    fail_with(&mut rig, GUILTY_FIRST);
    rig.say(good, [Message::Unchoke]);
    // It has all of it to itself, and sends just enough not to be taken for dead.
    let asked = rig.requests(slow);
    assert_eq!((asked.len(), rig.requests(good).len()), (4, 0));
    for span in asked.into_iter().take(3) {
        assert_eq!(rig.requests(good), []);
        rig.wait(Duration::from_secs(3));
        rig.answer(slow, span);
    }
    rig.wait(Duration::from_secs(5));
    assert_ne!(rig.requests(good), []);
}

#[test]
fn who_has_begun_a_piece_goes_on_with_it() {
    let mut rig = Rig::new(one_wanted(None));
    let (bad, good) = (rig.connect_seed(1), connect_silent(&mut rig, 2));
    two_contributors(&mut rig, bad, good);
    rig.say_reqq(good, 1);
    fail_with(&mut rig, GUILTY_FIRST);
    // Somebody who had no part in it comes when it is begun already.
    let third = rig.connect_seed(3);
    for _ in 0..4 {
        let asked = rig.requests(good);
        assert_eq!((asked.len(), rig.requests(third).len()), (1, 0));
        rig.take();
        rig.answer(good, asked[0]);
    }
    assert_eq!(rig.completed(), [0]);
}

#[test]
fn a_slow_suspect_does_not_keep_others_waiting() {
    for is_slow in [false, true] {
        let mut rig = Rig::new(one_wanted(None));
        let (suspect, other) = (rig.connect_seed(1), connect_silent(&mut rig, 2));
        rig.now += Duration::from_secs(if is_slow { 5 } else { 1 });
        two_contributors(&mut rig, suspect, other);
        rig.say(other, [Message::Choke]);
        rig.fail(0);
        let third = rig.connect_seed(3);
        for span in rig.requests(third) {
            rig.answer(third, span);
        }
        rig.pass(0);
        rig.say(third, [Message::Choke]);
        // Nothing shows who spoilt that piece. The other one is to come from a suspect alone.
        let both = vec![Priority::NORMAL; 2];
        rig.torrent.set_priorities(rig.now, both);
        rig.take();
        rig.say(suspect, [Message::Unchoke]);
        rig.say(third, [Message::Unchoke]);
        assert_eq!(rig.requests(suspect).len(), 4);
        assert_eq!(rig.requests(third), []);
        rig.wait(Duration::from_secs(2));
        assert_eq!(rig.requests(third).is_empty(), !is_slow);
    }
}

#[test]
fn those_that_are_alike_take_turns() {
    let now = Rig::new(config(0, 1)).now;
    let (a, b) = (contributor(1), contributor(2));
    let mut evidence = SmartBan::default();
    let piece = PieceIndex(0);
    let copy = || [(0, a, digest(true)), (1, b, digest(true))];
    let kept = |evidence: &SmartBan| {
        let kept = |who, other| evidence.is_kept_from(now, piece, &who, [other].into_iter());
        (kept(a, b), kept(b, a))
    };
    assert_eq!(kept(&evidence), (false, false));
    evidence.record(now, piece, copy());
    assert_eq!(kept(&evidence), (false, false));
    evidence.record(now, piece, copy());
    let first = kept(&evidence);
    evidence.record(now, piece, copy());
    let second = kept(&evidence);
    assert!(first.0 != first.1 && second == (first.1, first.0));
    // One that had no part in it comes before both, and for some time only.
    assert!(evidence.is_kept_from(now, piece, &a, [contributor(3)].into_iter()));
    let later = now + Duration::from_mins(10);
    assert!(!evidence.is_kept_from(later, piece, &a, [contributor(3)].into_iter()));
}

fn contributor(index: u32) -> Contributor {
    Contributor {
        key: PeerKey::for_tests(index),
        address: SocketAddr::from(([10, 0, 0, index as u8], 6_881)),
        peer_id: PeerId([index as u8; 20]),
    }
}

#[test]
fn the_evidence_is_bounded_and_the_oldest_goes_first() {
    let mut evidence = SmartBan::default();
    let now = Rig::new(config(0, 1)).now;
    let who = contributor;
    let bad = |count: u32| (0..count).map(move |block| (block, who(block % 200), digest(false)));
    for piece in 0..1_000 {
        evidence.record(now, PieceIndex(piece), bad(64));
        evidence.check_invariants();
    }
    assert!(!evidence.has(PieceIndex(0)) && evidence.has(PieceIndex(999)));
    // Pieces of the greatest length, and one that fails again and again.
    for piece in [2_000, 2_001, 2_002, 2_002, 2_002] {
        evidence.record(now, PieceIndex(piece), bad(32_768));
        evidence.check_invariants();
    }
    assert!(!evidence.has(PieceIndex(999)) && evidence.has(PieceIndex(2_002)));
    for round in 0..10 {
        let others = (0..32_768).map(|block| (block, who(1_000 + round), digest(false)));
        evidence.record(now, PieceIndex(2_002), others);
        evidence.check_invariants();
    }
    let judgement = evidence.judge(PieceIndex(2_002), &vec![digest(true); 32_768]);
    let keys: Vec<_> = judgement.guilty.iter().map(|each| each.key).collect();
    assert!(keys.contains(&who(1_009).key) && !keys.contains(&who(1_000).key));
    evidence.check_invariants();
}

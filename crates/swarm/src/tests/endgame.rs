//! The last blocks.

use std::time::Duration;

use headwater_metainfo::{Bitfield, PieceIndex};
use headwater_wire::Message;

use super::net::{config, eager};
use super::rig::{Rig, block};
use crate::{PeerKey, Priority};

const SECOND: Duration = Duration::from_secs(1);

/// Four pieces are left; a slow and a fast seed were asked for half of their blocks each.
fn last_pieces() -> (Rig, PeerKey, PeerKey) {
    let mut configuration = config(0, 40);
    configuration.limits.first_requests = 32;
    (0..8).for_each(|piece| _ = configuration.have.set(PieceIndex(piece)));
    let mut rig = Rig::new(configuration);
    let slow = rig.connect_measured(1, SECOND);
    let fast = rig.connect_measured(2, SECOND / 100);
    let left: Vec<_> = rig.torrent.have().zeros().take(4).collect();
    let priority = |piece| Priority(u32::from(left.contains(&PieceIndex(piece))));
    let priorities = (0..40).map(priority).collect();
    rig.torrent.set_priorities(rig.now, priorities);
    for peer in [slow, fast] {
        rig.say_reqq(peer, 8);
        rig.say(peer, [Message::Unchoke]);
        assert_eq!(rig.requests(peer).len(), 8);
    }
    (rig, slow, fast)
}

#[test]
fn an_idle_peer_relieves_the_slowest_of_what_comes_last() {
    let (mut rig, slow, fast) = last_pieces();
    let (owed, others) = (rig.requests(slow), rig.requests(fast));
    let idle = rig.connect_seed(3);
    let asked = rig.requests(idle);
    let last: Vec<_> = owed.iter().rev().take(4).copied().collect();
    assert_eq!(asked, last);
    assert!(asked.iter().all(|span| !others.contains(span)));
    // What it delivers need not be delivered again.
    rig.answer(idle, asked[0]);
    assert!(rig.sent(slow).contains(&Message::Cancel(asked[0])));
    assert!(!rig.sent(fast).contains(&Message::Cancel(asked[0])));
}

#[test]
fn no_block_is_asked_of_more_than_three_peers() {
    let (mut rig, slow, _) = last_pieces();
    let owed = rig.requests(slow);
    let helpers: Vec<_> = (3..20).map(|index| rig.connect_seed(index)).collect();
    for span in owed {
        let asked = helpers
            .iter()
            .filter(|&&helper| rig.requests(helper).contains(&span));
        assert!(asked.count() <= 2);
    }
}

#[test]
fn nothing_is_asked_for_twice_while_something_else_can_be() {
    let (mut rig, _, _) = last_pieces();
    let piece = rig.torrent.have().zeros().nth(6).unwrap();
    let mut priorities = vec![Priority::SKIP; 40];
    for wanted in rig.torrent.wanted().ones().chain([piece]) {
        priorities[wanted.as_usize()] = Priority::NORMAL;
    }
    rig.torrent.set_priorities(rig.now, priorities);
    let idle = rig.connect_seed(3);
    assert!(rig.requests(idle).iter().all(|span| span.piece == piece));
}

#[test]
fn it_does_not_begin_while_there_is_something_that_nobody_has() {
    let mut rig = Rig::new(eager(0, 6));
    let mut most = Bitfield::full(6);
    most.clear(PieceIndex(2));
    let bitfield = || Message::Bitfield(most.as_bytes().to_vec().into());
    let stalling = rig.connect(1);
    rig.say(stalling, [bitfield(), Message::Unchoke]);
    assert_eq!(rig.requests(stalling).len(), 20);
    let idle = rig.connect(2);
    rig.say(idle, [bitfield(), Message::Unchoke]);
    // What it takes over is asked of nobody twice.
    let taken_over = rig.requests(idle);
    let cancelled = |rig: &Rig, span| rig.sent(stalling).contains(&Message::Cancel(span));
    assert!(taken_over.iter().all(|&span| cancelled(&rig, span)));
    // As soon as it can be had it is asked for, and then everything was.
    rig.take();
    rig.say(stalling, [Message::Have(PieceIndex(2))]);
    assert!(rig.requests(stalling).contains(&block(2, 0)));
    for span in taken_over {
        rig.answer(idle, span);
    }
    let twice = rig.requests(idle);
    assert!(
        twice.iter().any(|&span| !cancelled(&rig, span)),
        "{twice:?}"
    );
}

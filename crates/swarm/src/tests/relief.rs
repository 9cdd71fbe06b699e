//! Blocks that move from peers that are long in coming to them to peers with nothing to do.

use std::time::Duration;

use headwater_metainfo::{Bitfield, BlockSpan, PieceIndex};
use headwater_wire::Message;

use super::net::config;
use super::rig::{Rig, block};
use crate::PeerKey;

const SECOND: Duration = Duration::from_secs(1);
const PIECES: u32 = 40;

/// A seed that needs `pace` for a block was asked for eight of them, and there is much else to ask for.
fn busy_seed(pace: Duration) -> (Rig, PeerKey, Vec<BlockSpan>) {
    let mut rig = Rig::new(config(0, PIECES));
    let busy = rig.connect_measured(1, pace);
    rig.say_reqq(busy, 8);
    rig.say(busy, [Message::Unchoke]);
    let owed = rig.requests(busy);
    assert!(owed.len() >= 4, "{owed:?}");
    (rig, busy, owed)
}

/// A peer that has only the pieces of these blocks, and does not choke us.
fn helper(rig: &mut Rig, index: u8, blocks: &[BlockSpan]) -> PeerKey {
    let mut has = Bitfield::new(PIECES);
    for span in blocks {
        has.set(span.piece);
    }
    let bits = has.as_bytes().to_vec();
    let key = rig.connect(index);
    rig.say(key, [Message::Bitfield(bits.into()), Message::Unchoke]);
    key
}

/// What a peer is still to send.
fn cancelled(rig: &Rig, key: PeerKey) -> Vec<BlockSpan> {
    let sent = rig.sent(key).into_iter();
    sent.filter_map(|message| match message {
        Message::Cancel(span) => Some(span),
        _ => None,
    })
    .collect()
}

#[test]
fn an_idle_peer_takes_over_what_another_will_be_long_in_coming_to() {
    let (mut rig, busy, owed) = busy_seed(SECOND);
    let idle = helper(&mut rig, 2, &owed);
    let taken = rig.requests(idle);
    let last = owed.last().copied();
    assert!(taken.contains(&last.unwrap()), "{taken:?} of {owed:?}");
    let moved = cancelled(&rig, busy);
    assert!(
        taken
            .iter()
            .all(|span| moved.contains(span) || !owed.contains(span))
    );
    rig.torrent.check_invariants();
    // What it sends all the same is taken, and the other one need not send it.
    rig.answer(busy, taken[0]);
    assert!(cancelled(&rig, idle).contains(&taken[0]));
    assert_eq!(rig.torrent.stats().wasted_unrequested, 0);
}

#[test]
fn nothing_moves_that_will_come_soon() {
    let (mut rig, busy, owed) = busy_seed(SECOND / 100);
    let idle = helper(&mut rig, 2, &owed);
    for _ in 0..3 {
        let next = rig
            .requests(busy)
            .into_iter()
            .find(|span| owed.contains(span));
        if let Some(span) = next {
            rig.answer(busy, span);
        }
        rig.wait(SECOND / 2);
    }
    assert_eq!(cancelled(&rig, busy), []);
    rig.torrent.check_invariants();
    assert!(rig.requests(idle).iter().all(|span| !owed.contains(span)));
}

#[test]
fn a_peer_that_lacks_the_piece_takes_nothing_over() {
    let (mut rig, busy, owed) = busy_seed(SECOND);
    let other = (0..PIECES).find(|&piece| owed.iter().all(|span| span.piece.0 != piece));
    let mut has = Bitfield::new(PIECES);
    has.set(PieceIndex(other.unwrap()));
    let idle = rig.connect(2);
    rig.say(
        idle,
        [
            Message::Bitfield(has.as_bytes().to_vec().into()),
            Message::Unchoke,
        ],
    );
    let asked = rig.requests(idle);
    for span in asked {
        rig.answer(idle, span);
    }
    rig.wait(2 * SECOND);
    assert_eq!(cancelled(&rig, busy), []);
}

#[test]
fn who_falls_behind_later_is_relieved_then() {
    let (mut rig, busy, owed) = busy_seed(SECOND / 100);
    let free = (0..PIECES).find(|&piece| owed.iter().all(|span| span.piece.0 != piece));
    let mut pieces = owed.clone();
    pieces.push(block(free.unwrap(), 0));
    let quick = helper(&mut rig, 2, &pieces);
    for span in rig.requests(quick) {
        rig.wait(SECOND / 100);
        rig.answer(quick, span);
    }
    assert_eq!(cancelled(&rig, busy), []);
    // Less than it takes to the next look at everything.
    rig.wait(SECOND / 2);
    let moved = cancelled(&rig, busy);
    assert!(!moved.is_empty());
    assert!(moved.iter().all(|span| rig.requests(quick).contains(span)));
}

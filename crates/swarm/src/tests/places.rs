//! Connections: how many, with whom, and who has to go.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_metainfo::PieceIndex;
use headwater_wire::Message;

use super::net::config;
use super::rig::{Rig, block};
use crate::{
    Action, Config, Direction, DisconnectReason, PeerKey, PeerSource, Refused, UploadSlots,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn of_two_connections_the_one_of_the_greater_id_stays() {
    use Direction::{Incoming, Outgoing};
    // Our id begins with a dash: greater than peer 1's, less than peer 200's.
    for (index, stays) in [(1, Outgoing), (200, Incoming)] {
        for first in [Incoming, Outgoing] {
            let mut rig = Rig::new(config(0, 4));
            let second = if first == Incoming {
                Outgoing
            } else {
                Incoming
            };
            let reserved = rig.torrent.reserved();
            let old = rig
                .connect_with(Rig::connected(index, reserved, first))
                .unwrap();
            let new = rig.connect_with(Rig::connected(index, reserved, second));
            if first == stays {
                assert_eq!(new, Err(Refused::Duplicate));
                assert!(rig.torrent.peer(old).is_some());
            } else {
                assert!(new.is_ok());
                assert_eq!(rig.disconnected(old), Some(DisconnectReason::Duplicate));
            }
            assert_eq!(rig.torrent.stats().peers, 1);
        }
    }
}

#[test]
fn of_two_connections_from_the_same_end_the_older_stays() {
    let mut rig = Rig::new(config(0, 4));
    let old = rig.connect(1);
    let mut again = Rig::connected(1, rig.torrent.reserved(), Direction::Incoming);
    again.address.set_port(1);
    assert_eq!(rig.connect_with(again), Err(Refused::Duplicate));
    assert!(rig.torrent.peer(old).is_some());
}

#[test]
fn dials_are_bounded_and_retried_later_and_later() {
    let mut configuration = config(0, 4);
    configuration.limits.max_half_open = 3;
    let mut rig = Rig::new(configuration);
    let addresses: Vec<_> = (1..=5u8).map(|i| ([192, 0, 2, i], 1).into()).collect();
    rig.torrent
        .add_peers(rig.now, addresses.clone(), PeerSource::Tracker);
    assert_eq!(rig.take().len(), 3);
    for &address in &addresses[..3] {
        rig.torrent.handle_dial_failed(rig.now, address);
    }
    assert_eq!(rig.take().len(), 2);
    let mut dials = 0;
    for _ in 0..600 {
        rig.wait(SECOND);
        for action in rig.take() {
            if let Action::Dial { address, .. } = action {
                dials += 1;
                rig.torrent.handle_dial_failed(rig.now, address);
            }
        }
    }
    // Three addresses four times more each; the last two have not answered.
    assert_eq!(dials, 12);
}

fn with_places(max_peers: usize) -> Config {
    let mut configuration = config(0, 40);
    configuration.have.set(PieceIndex(0));
    configuration.limits.max_peers = max_peers;
    configuration.limits.upload_slots = UploadSlots::Fixed(2);
    configuration
}

/// Names so many peers to a rig, and lets every one answer that is dialled. Says how many were.
fn dial(rig: &mut Rig, addresses: u8) -> usize {
    let named = (1..=addresses).map(|index| SocketAddr::from(([10, 0, 1, index], 6_881)));
    rig.torrent.add_peers(rig.now, named, PeerSource::Tracker);
    answer_dials(rig)
}

fn answer_dials(rig: &mut Rig) -> usize {
    let mut answered = 0;
    loop {
        let dialled = rig.take().into_iter().filter_map(|action| match action {
            Action::Dial { address, .. } => Some(address),
            _ => None,
        });
        let dialled: Vec<_> = dialled.collect();
        if dialled.is_empty() {
            return answered;
        }
        answered += dialled.len();
        for address in dialled {
            let index = match address.ip() {
                std::net::IpAddr::V4(ip) => ip.octets()[3],
                std::net::IpAddr::V6(_) => unreachable!("only these were named"),
            };
            let reserved = rig.torrent.reserved();
            let connected = Rig::connected(index, reserved, Direction::Outgoing);
            assert!(rig.torrent.handle_connected(rig.now, connected).is_ok());
        }
    }
}

#[test]
fn two_fifths_of_the_places_are_kept_for_those_who_find_us() {
    let mut rig = Rig::new(with_places(10));
    assert_eq!(dial(&mut rig, 100), 6);
    // They take them, and nobody else does, however long it takes.
    let first = rig.connect(201);
    assert_eq!(answer_dials(&mut rig), 0);
    rig.wait(SECOND * 60);
    assert_eq!(answer_dials(&mut rig), 0);
    (202..205).for_each(|index| _ = rig.connect(index));
    assert_eq!(rig.torrent.stats().peers, 10);
    // One that leaves makes room for no dial.
    rig.torrent.handle_disconnected(rig.now, first);
    assert_eq!(answer_dials(&mut rig), 0);
}

#[test]
fn where_nobody_finds_us_no_places_are_kept() {
    let mut rig = Rig::new(with_places(10));
    assert_eq!(dial(&mut rig, 100), 6);
    rig.wait(SECOND * 29);
    assert_eq!(answer_dials(&mut rig), 0);
    rig.wait(SECOND * 2);
    assert_eq!(answer_dials(&mut rig), 4);
}

#[test]
fn few_places_are_all_of_use() {
    for (places, dials) in [(1, 1), (2, 2), (3, 2), (5, 3)] {
        let mut rig = Rig::new(with_places(places));
        assert_eq!(dial(&mut rig, 100), dials);
    }
}

fn refused(rig: &mut Rig, index: u8) -> Option<Refused> {
    let connected = Rig::connected(index, rig.torrent.reserved(), Direction::Incoming);
    rig.connect_with(connected).err()
}

/// A full torrent whose peers are a giver, a taker, one that was asked for something, and one that does nothing.
fn full() -> (Rig, [PeerKey; 4]) {
    let mut rig = Rig::new(with_places(4));
    let giver = rig.connect(1);
    let taker = rig.connect_leech(2);
    let owing = rig.connect(3);
    let idle = rig.connect(4);
    for key in [giver, owing] {
        let most = [&[0x7f][..], &[0xff; 4]].concat();
        rig.say(key, [Message::Bitfield(most.into()), Message::Unchoke]);
    }
    for span in rig.requests(giver) {
        rig.answer(giver, span);
    }
    rig.say(giver, [Message::Choke]);
    let owed: Vec<_> = rig
        .requests(giver)
        .into_iter()
        .map(Message::Reject)
        .collect();
    rig.say(giver, owed);
    rig.say(taker, [Message::Request(block(0, 0))]);
    for span in rig.served(taker) {
        rig.torrent.handle_block_sent(rig.now, taker, span);
    }
    rig.take();
    (rig, [giver, taker, owing, idle])
}

#[test]
fn a_connection_over_which_nothing_goes_makes_room() {
    let (mut rig, [giver, taker, owing, idle]) = full();
    // Not while it is young.
    rig.wait(SECOND * 9);
    assert_eq!(refused(&mut rig, 9), Some(Refused::Full));
    rig.wait(SECOND);
    assert_eq!(refused(&mut rig, 9), None);
    assert_eq!(rig.disconnected(idle), Some(DisconnectReason::Full));
    // Over all others something goes, or is about to, and the new one is young.
    assert_eq!(refused(&mut rig, 10), Some(Refused::Full));
    for key in [giver, taker, owing] {
        assert!(rig.torrent.peer(key).is_some());
    }
    assert_eq!(rig.torrent.stats().peers, 4);
}

#[test]
fn of_idle_connections_the_oldest_goes_of_which_we_want_nothing() {
    let mut rig = Rig::new(with_places(3));
    let wanted = rig.connect(1);
    rig.say(wanted, [Message::Have(PieceIndex(7))]);
    rig.wait(SECOND);
    let (old, new) = (rig.connect(2), rig.connect(3));
    rig.wait(SECOND * 20);
    for (index, goes) in [(11, old), (12, new), (13, wanted)] {
        assert_eq!(refused(&mut rig, index), None);
        assert_eq!(rig.disconnected(goes), Some(DisconnectReason::Full));
    }
    assert_eq!(refused(&mut rig, 14), Some(Refused::Full));
}

#[test]
fn what_can_be_told_before_a_handshake_agrees_with_what_becomes_of_it() {
    let (mut rig, _) = full();
    let ip = [10, 0, 1, 9].into();
    assert!(!rig.torrent.accepts_incoming(ip));
    rig.wait(SECOND * 10);
    assert!(rig.torrent.accepts_incoming(ip));
    assert_eq!(refused(&mut rig, 9), None);
    assert!(!rig.torrent.accepts_incoming(ip));
}

//! Peers that have a node of the DHT.

use std::net::SocketAddr;

use headwater_wire::{Message, Reserved};

use super::net;
use super::rig::Rig;
use crate::{Direction, Discovery, Event, PeerKey};

const OUR_PORT: u16 = 7_000;

/// A torrent beside a node.
fn rig(discovery: Discovery) -> Rig {
    let mut config = net::config(0, 10);
    config.discovery = discovery;
    let mut rig = Rig::new(config);
    rig.torrent.set_dht_port(Some(OUR_PORT));
    rig
}

/// Connects a peer that says whether it has a node.
fn connect(rig: &mut Rig, index: u8, reserved: Reserved) -> PeerKey {
    let connected = Rig::connected(index, reserved, Direction::Incoming);
    rig.connect_with(connected).unwrap()
}

fn with_node() -> Reserved {
    Reserved::default().with_fast_extension().with_dht()
}

fn is_told(rig: &Rig, key: PeerKey) -> bool {
    rig.sent(key).contains(&Message::Port(OUR_PORT))
}

/// The nodes that we were told of.
fn heard(rig: &Rig) -> Vec<SocketAddr> {
    let nodes = rig.events.iter().filter_map(|event| match event {
        Event::DhtNode(node) => Some(*node),
        _ => None,
    });
    nodes.collect()
}

#[test]
fn nodes_are_told_of_each_other() {
    let mut rig = rig(Discovery::ALL);
    assert!(rig.torrent.reserved().dht());
    let peer = connect(&mut rig, 1, with_node());
    assert!(is_told(&rig, peer));
    rig.say(peer, [Message::Port(7_001)]);
    assert_eq!(heard(&rig), [SocketAddr::from(([10, 0, 1, 1], 7_001))]);
}

#[test]
fn who_has_no_node_is_not_told() {
    let mut rig = rig(Discovery::ALL);
    let without = connect(&mut rig, 1, Reserved::default().with_fast_extension());
    assert!(!is_told(&rig, without));
}

#[test]
fn a_peer_names_one_port_at_most() {
    let mut rig = rig(Discovery::ALL);
    let peer = connect(&mut rig, 1, with_node());
    rig.say(peer, [0, 7_001, 7_002, 7_003].map(Message::Port));
    assert_eq!(heard(&rig), [SocketAddr::from(([10, 0, 1, 1], 7_001))]);
}

#[test]
fn without_a_node_nothing_is_said_or_heard() {
    let mut rig = rig(Discovery::ALL);
    rig.torrent.set_dht_port(None);
    says_and_hears_nothing(&mut rig);
}

#[test]
fn of_a_private_torrent_nothing_is_said_or_heard() {
    says_and_hears_nothing(&mut rig(Discovery::of_torrent(true)));
}

fn says_and_hears_nothing(rig: &mut Rig) {
    assert!(!rig.torrent.reserved().dht());
    let peer = connect(rig, 1, with_node());
    assert!(!is_told(rig, peer));
    rig.say(peer, [Message::Port(7_001)]);
    assert!(heard(rig).is_empty());
}

//! Peer exchange: who is told of whom, and what is taken of what others tell.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use headwater_wire::Message;
use headwater_wire::extension::{ExtendedHandshake, ExtensionIds, HANDSHAKE_ID};
use headwater_wire::pex::{self, PexFlags, PexMessage, PexPeer};

use super::net::{self, Net};
use super::rig::Rig;
use crate::{Action, Direction, Discovery, PeerKey, PeerSource};

/// The id under which the peers of these tests take peer exchange.
const THEIR_ID: u8 = 9;
const MINUTE: Duration = Duration::from_mins(1);
const SETTLED: Duration = Duration::from_secs(7);

fn rig() -> Rig {
    Rig::new(net::config(0, 10))
}

/// What a peer says of itself: that it takes peer exchange, and where it listens.
fn hello(port: u16) -> Message {
    ExtendedHandshake {
        extensions: ExtensionIds::from_iter([(pex::NAME, THEIR_ID)]),
        port: Some(port),
        ..ExtendedHandshake::default()
    }
    .message()
}

/// Connects a peer that takes peer exchange and has nothing.
fn listener(rig: &mut Rig, index: u8) -> PeerKey {
    let key = rig.connect(index);
    rig.say(key, [Message::HaveNone, hello(6_881)]);
    key
}

fn address(index: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 1, index], 6_881))
}

/// Lets time pass in which no peer falls silent.
fn wait(rig: &mut Rig, mut time: Duration) {
    while time > Duration::ZERO {
        let step = time.min(MINUTE);
        rig.wait(step);
        let keys: Vec<_> = rig.torrent.peers().map(|peer| peer.key).collect();
        for key in keys {
            rig.say(key, [Message::KeepAlive]);
        }
        time -= step;
    }
}

/// The peer exchange messages sent to a peer since the actions were last taken.
fn told(rig: &Rig, key: PeerKey) -> Vec<PexMessage> {
    let sent = rig.sent(key).into_iter();
    let told = sent.filter_map(|message| match message {
        Message::Extended { id, payload } if id == THEIR_ID => {
            Some(PexMessage::decode(&payload).unwrap())
        }
        _ => None,
    });
    told.collect()
}

fn added(message: &PexMessage) -> Vec<SocketAddr> {
    message.added.iter().map(|peer| peer.address).collect()
}

fn tell(rig: &mut Rig, key: PeerKey, added: impl IntoIterator<Item = (SocketAddr, PexFlags)>) {
    let peer = |(address, flags)| PexPeer { address, flags };
    let message = PexMessage {
        added: added.into_iter().map(peer).collect(),
        dropped: Vec::new(),
    };
    let payload = Bytes::from(message.encode());
    rig.say(key, [Message::Extended { id: 1, payload }]);
}

fn tell_plain(rig: &mut Rig, key: PeerKey, addresses: impl IntoIterator<Item = SocketAddr>) {
    let addresses = addresses.into_iter();
    tell(rig, key, addresses.map(|it| (it, PexFlags::default())));
}

/// What is dialled, and from where it is known.
fn dialled(rig: &mut Rig) -> Vec<(SocketAddr, PeerSource)> {
    let actions = rig.take().into_iter();
    let dials = actions.filter_map(|action| match action {
        Action::Dial { address, source } => Some((address, source)),
        _ => None,
    });
    dials.collect()
}

#[test]
fn peers_are_told_of_each_other_and_not_of_themselves() {
    let mut rig = rig();
    let keys = [1, 2, 3].map(|index| listener(&mut rig, index));
    wait(&mut rig, SETTLED);
    for (key, others) in keys.into_iter().zip([[2, 3], [1, 3], [1, 2]]) {
        let [message] = &told(&rig, key)[..] else {
            panic!("one message is sent");
        };
        assert_eq!(added(message), others.map(address));
        assert_eq!(message.dropped, []);
    }
}

/// A peer that was told of the second one, which is gone since.
fn one_who_was_told_of_another() -> (Rig, PeerKey) {
    let mut rig = rig();
    let key = listener(&mut rig, 1);
    let second = listener(&mut rig, 2);
    wait(&mut rig, SETTLED);
    rig.take();
    rig.torrent.handle_disconnected(rig.now, second);
    (rig, key)
}

#[test]
fn then_once_a_minute_and_only_of_changes() {
    let (mut rig, key) = one_who_was_told_of_another();
    listener(&mut rig, 3);
    wait(&mut rig, Duration::from_secs(50));
    assert_eq!(told(&rig, key), [], "less than a minute has gone by");
    wait(&mut rig, Duration::from_secs(10));
    let messages = told(&rig, key);
    assert_eq!(messages.len(), 1);
    assert_eq!(added(&messages[0]), [address(3)]);
    assert_eq!(messages[0].dropped, [address(2)]);
    rig.take();
    wait(&mut rig, 2 * MINUTE);
    assert_eq!(told(&rig, key), [], "nothing has changed");
    listener(&mut rig, 4);
    wait(&mut rig, Duration::from_secs(2));
    assert_eq!(told(&rig, key).len(), 1, "it may be told at once");
}

#[test]
fn who_comes_and_goes_or_goes_and_comes_in_between_is_left_out() {
    let (mut rig, key) = one_who_was_told_of_another();
    listener(&mut rig, 2);
    let third = listener(&mut rig, 3);
    wait(&mut rig, SETTLED);
    rig.torrent.handle_disconnected(rig.now, third);
    wait(&mut rig, MINUTE);
    assert_eq!(told(&rig, key), []);
}

#[test]
fn flags_say_what_is_known() {
    let mut rig = rig();
    let key = listener(&mut rig, 1);
    let reserved = rig.torrent.reserved();
    let outgoing = Rig::connected(2, reserved, Direction::Outgoing);
    let second = rig.connect_with(outgoing).unwrap();
    let hello = ExtendedHandshake {
        extensions: ExtensionIds::from_iter([("ut_holepunch", 3)]),
        prefers_encryption: Some(true),
        ..ExtendedHandshake::default()
    };
    rig.say(second, [Message::HaveAll, hello.message()]);
    wait(&mut rig, SETTLED);
    let flags = PexFlags(0x01 | 0x02 | 0x08 | 0x10);
    let expected = PexPeer {
        address: address(2),
        flags,
    };
    assert_eq!(told(&rig, key)[0].added, [expected]);
}

#[test]
fn only_those_are_told_of_who_can_be_reached() {
    let mut rig = rig();
    let key = listener(&mut rig, 1);
    rig.connect(2); // has not said where it listens
    let public = Rig::connected(3, rig.torrent.reserved(), Direction::Outgoing);
    let mut public = public;
    public.address = "192.0.2.3:6881".parse().unwrap();
    let public = rig.connect_with(public).unwrap();
    rig.say(public, [Message::HaveNone, hello(6_881)]);
    wait(&mut rig, SETTLED);
    assert_eq!(
        added(&told(&rig, key)[0]),
        ["192.0.2.3:6881".parse().unwrap()]
    );
    assert_eq!(told(&rig, public), [], "10.0.1.1 is somebody else there");
}

#[test]
fn seeds_are_not_told_of_seeds() {
    let mut rig = rig();
    let (seed, leech) = (listener(&mut rig, 1), listener(&mut rig, 2));
    let other = listener(&mut rig, 3);
    for key in [seed, other] {
        let all = (0..10).map(|piece| Message::Have(headwater_metainfo::PieceIndex(piece)));
        rig.say(key, all);
    }
    wait(&mut rig, SETTLED);
    assert_eq!(added(&told(&rig, seed)[0]), [address(2)]);
    assert_eq!(added(&told(&rig, leech)[0]), [address(1), address(3)]);
}

#[test]
fn no_more_than_fifty_are_told_at_a_time() {
    let mut rig = rig();
    let key = listener(&mut rig, 0);
    let others: Vec<_> = (1..=120).map(|index| listener(&mut rig, index)).collect();
    wait(&mut rig, 4 * MINUTE);
    let messages = told(&rig, key);
    let lengths: Vec<_> = messages.iter().map(|it| it.added.len()).collect();
    assert_eq!(lengths, [50, 50, 20]);
    let mut known: Vec<_> = messages.iter().flat_map(added).collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), 120);

    rig.take();
    for other in others {
        rig.torrent.handle_disconnected(rig.now, other);
    }
    wait(&mut rig, 4 * MINUTE);
    let messages = told(&rig, key);
    let lengths: Vec<_> = messages.iter().map(|it| it.dropped.len()).collect();
    assert_eq!(lengths, [50, 50, 20]);
}

#[test]
fn of_whom_we_let_go_others_hear_once() {
    let mut rig = Rig::new(net::config(0, 10).complete());
    let seed = rig.connect(1);
    rig.say(seed, [hello(6_881), Message::HaveAll]); // of no use to a seed
    assert!(rig.disconnected(seed).is_some());
    let first = listener(&mut rig, 2);
    wait(&mut rig, SETTLED);
    assert_eq!(added(&told(&rig, first)[0]), [address(1)]);
    rig.take();
    wait(&mut rig, MINUTE);
    let messages = told(&rig, first);
    assert_eq!(
        (added(&messages[0]), &messages[0].dropped[..]),
        (vec![], &[address(1)][..])
    );
    rig.take();
    wait(&mut rig, 2 * MINUTE);
    assert_eq!(told(&rig, first), []);
    let broken = listener(&mut rig, 3);
    rig.torrent.handle_disconnected(rig.now, broken);
    wait(&mut rig, MINUTE);
    assert_eq!(told(&rig, first), [], "it is that one which left");
}

#[test]
fn whoever_takes_no_exchange_is_told_nothing() {
    let mut rig = rig();
    let keys = [rig.connect(1), rig.connect(2), rig.connect_plain(3)];
    listener(&mut rig, 4);
    let off = ExtendedHandshake {
        extensions: ExtensionIds::from_iter([(pex::NAME, 0)]),
        ..ExtendedHandshake::default()
    };
    rig.say(keys[1], [hello(6_881), off.message()]);
    rig.take();
    wait(&mut rig, MINUTE);
    for key in keys {
        assert_eq!(rig.sent(key), []);
    }
}

#[test]
fn what_peers_tell_is_dialled() {
    let mut rig = rig();
    let key = listener(&mut rig, 1);
    rig.take();
    let v6: SocketAddr = "[2001:db8::1]:6881".parse().unwrap();
    tell_plain(&mut rig, key, [address(2), v6]);
    let source = PeerSource::Exchange;
    assert_eq!(dialled(&mut rig), [(address(2), source), (v6, source)]);
}

#[test]
fn who_tells_too_often_is_not_heard() {
    let mut rig = rig();
    let key = listener(&mut rig, 1);
    rig.take();
    let before = rig.torrent.stats().known_peers;
    for second in 0..=u8::MAX {
        tell_plain(&mut rig, key, [SocketAddr::from(([10, 1, 1, second], 1))]);
        rig.now += Duration::from_secs(1);
    }
    // Two at the beginning, then one a minute.
    assert_eq!(rig.torrent.stats().known_peers - before, 2 + 4);
}

#[test]
fn addresses_that_mean_another_host_here_are_not_taken() {
    let mut rig = rig();
    let mut public = Rig::connected(1, rig.torrent.reserved(), Direction::Incoming);
    public.address = "192.0.2.1:50000".parse().unwrap();
    let key = rig.connect_with(public).unwrap();
    rig.take();
    let odd = [
        "127.0.0.1:80",
        "10.0.0.1:80",
        "192.168.0.1:80",
        "169.254.169.254:80",
        "0.0.0.0:80",
        "224.0.0.1:80",
        "255.255.255.255:80",
        "192.0.2.7:0",
        "[::1]:80",
        "[fe80::1]:80",
        "[fd00::1]:80",
        "[::ffff:127.0.0.1]:80",
    ];
    let odd = odd.iter().map(|address| address.parse().unwrap());
    let good: SocketAddr = "192.0.2.9:6881".parse().unwrap();
    // Of several ports of one host, one is enough.
    let ports = [good, SocketAddr::new(good.ip(), 80)];
    tell_plain(&mut rig, key, odd.chain(ports));
    assert_eq!(dialled(&mut rig), [(good, PeerSource::Exchange)]);
}

#[test]
fn a_peer_cannot_fill_the_list() {
    let mut config = net::config(0, 10);
    config.limits.max_known_peers = 40;
    let mut rig = Rig::new(config);
    let key = listener(&mut rig, 1);
    let many = (0..100).map(|index| SocketAddr::from(([10, 2, 0, index], 1)));
    tell_plain(&mut rig, key, many);
    assert_eq!(rig.torrent.stats().known_peers, 30);
}

#[test]
fn a_seed_does_not_take_seeds() {
    let mut rig = Rig::new(net::config(0, 10).complete());
    let key = listener(&mut rig, 1);
    rig.take();
    let flags = [PexFlags::SEED, PexFlags::default()];
    tell(
        &mut rig,
        key,
        [address(2), address(3)].into_iter().zip(flags),
    );
    assert_eq!(dialled(&mut rig), [(address(3), PeerSource::Exchange)]);
}

/// The ids of our last extended handshake to a peer.
fn offered(rig: &Rig, key: PeerKey) -> ExtensionIds {
    let sent = rig.sent(key).into_iter().rev();
    let mut handshakes = sent.filter_map(|message| match message {
        Message::Extended { id, payload } if id == HANDSHAKE_ID => {
            Some(ExtendedHandshake::decode(&payload).unwrap().extensions)
        }
        _ => None,
    });
    handshakes.next().expect("a handshake was sent")
}

#[test]
fn a_private_torrent_neither_offers_nor_sends_nor_takes_it() {
    let mut config = net::config(0, 10);
    config.discovery = Discovery::of_torrent(true);
    let mut rig = Rig::new(config);
    let key = listener(&mut rig, 1);
    listener(&mut rig, 2);
    assert!(offered(&rig, key).iter().all(|(name, _)| name != pex::NAME));
    rig.take();
    wait(&mut rig, 2 * MINUTE);
    assert_eq!(told(&rig, key), []);
    tell_plain(&mut rig, key, [address(3)]);
    rig.torrent
        .add_peers(rig.now, [address(4)], PeerSource::LocalDiscovery);
    rig.torrent
        .add_peers(rig.now, [address(5)], PeerSource::Dht);
    assert_eq!(dialled(&mut rig), []);
    rig.torrent
        .add_peers(rig.now, [address(6)], PeerSource::Tracker);
    assert_eq!(dialled(&mut rig), [(address(6), PeerSource::Tracker)]);
}

#[test]
fn it_can_be_turned_off_and_on() {
    let mut rig = rig();
    let key = listener(&mut rig, 1);
    assert_eq!(offered(&rig, key).get(pex::NAME), Some(1));
    listener(&mut rig, 2);
    rig.torrent.set_discovery(rig.now, Discovery::NONE);
    rig.drain();
    let off = offered(&rig, key);
    assert!(off.iter().any(|entry| entry == (pex::NAME, 0)));
    rig.take();
    wait(&mut rig, MINUTE);
    tell_plain(&mut rig, key, [address(3)]);
    assert_eq!((told(&rig, key), dialled(&mut rig)), (vec![], vec![]));
    rig.torrent.set_discovery(rig.now, Discovery::ALL);
    rig.drain();
    assert_eq!(offered(&rig, key).get(pex::NAME), Some(1));
    wait(&mut rig, Duration::from_secs(2));
    assert_eq!(added(&told(&rig, key)[0]), [address(2)]);
}

#[test]
fn a_chain_becomes_a_swarm() {
    let mut net = Net::new();
    let nodes: Vec<_> = (0..10).map(|_| net.leech(10)).collect();
    for pair in nodes.windows(2) {
        net.introduce(pair[0], pair[1]);
    }
    let is_full_mesh = |net: &Net| {
        let mut nodes = net.nodes.iter();
        nodes.all(|node| node.torrent.stats().peers == 9)
    };
    net.run_until(5 * MINUTE, is_full_mesh);
}

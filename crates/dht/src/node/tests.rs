use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_metainfo::InfoHash;

use super::*;
use crate::lookup::{Announce, SwarmSize};
use crate::{Contact, security};

const TORRENT: InfoHash = InfoHash([5; 20]);

/// Nodes at one place, between which datagrams take no time.
struct Net {
    now: Instant,
    nodes: Vec<(Vec<SocketAddr>, Dht)>,
}

impl Net {
    fn new() -> Self {
        Self {
            now: Instant::now(),
            nodes: Vec::new(),
        }
    }

    fn add(&mut self, addresses: &[&str], change: impl FnOnce(&mut Config)) -> usize {
        let mut config = Config::new([self.nodes.len() as u8; 32]);
        config.restrict_addresses = false;
        change(&mut config);
        let addresses = addresses.iter().map(|address| address.parse().unwrap());
        self.nodes
            .push((addresses.collect(), Dht::new(self.now, config)));
        self.nodes.len() - 1
    }

    /// So many IPv4 nodes that know the first one.
    fn crowd(count: u16) -> Self {
        let mut net = Self::new();
        for port in 1..=count {
            let index = net.add(&[&format!("127.0.0.1:{port}")], |_| ());
            if index > 0 {
                net.tell(index, |dht, now| {
                    dht.add_node(now, "127.0.0.1:1".parse().unwrap());
                });
            }
        }
        net
    }

    fn tell<T>(&mut self, index: usize, order: impl FnOnce(&mut Dht, Instant) -> T) -> T {
        let result = order(&mut self.nodes[index].1, self.now);
        self.deliver();
        result
    }

    /// Delivers all datagrams, and those that answer them.
    fn deliver(&mut self) {
        while let Some((from, to, payload)) = self.take() {
            let place = self.nodes.iter().position(|(own, _)| own.contains(&to));
            let family = Family::of(to);
            let source = self.nodes[from]
                .0
                .iter()
                .find(|own| Family::of(**own) == family);
            if let (Some(place), Some(&source)) = (place, source) {
                self.nodes[place]
                    .1
                    .handle_datagram(self.now, source, &payload);
            }
        }
    }

    fn take(&mut self) -> Option<(usize, SocketAddr, Vec<u8>)> {
        let mut nodes = self.nodes.iter_mut().enumerate();
        nodes.find_map(|(index, (_, dht))| {
            let transmit = dht.poll_transmit()?;
            Some((index, transmit.to, transmit.payload.to_vec()))
        })
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let due = self.nodes.iter().map(|(_, dht)| dht.poll_timeout()).min();
            let Some(due) = due.filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            for (_, dht) in &mut self.nodes {
                dht.handle_timeout(self.now);
            }
            self.deliver();
        }
        self.now = end;
    }

    fn events(&mut self, index: usize) -> Vec<Event> {
        std::iter::from_fn(|| self.nodes[index].1.poll_event()).collect()
    }

    fn good(&self, index: usize) -> usize {
        self.nodes[index].1.stats(self.now).families.v4.good
    }
}

fn announce(seed: bool) -> Announce {
    Announce {
        port: 7000,
        implied_port: false,
        seed,
    }
}

fn peers(events: &[Event]) -> Vec<SocketAddr> {
    let peers = events.iter().filter_map(|event| match event {
        Event::Peers { peers, .. } => Some(peers),
        _ => None,
    });
    let mut peers: Vec<_> = peers.flatten().copied().collect();
    peers.sort();
    peers
}

fn done(events: &[Event], id: LookupId) -> crate::LookupStats {
    let mut done = events.iter().filter_map(|event| match event {
        Event::Done { lookup, stats } if *lookup == id => Some(*stats),
        _ => None,
    });
    done.next().expect("it is not done")
}

#[test]
fn a_node_that_was_told_of_is_asked_first() {
    let mut net = Net::new();
    let index = net.add(&["127.0.0.1:1"], |_| ());
    let silent = "127.0.0.1:9".parse().unwrap();
    net.tell(index, |dht, now| dht.add_node(now, silent));
    assert_eq!(net.good(index), 0);
    net.add(&["127.0.0.1:2"], |_| ());
    net.tell(index, |dht, now| {
        dht.add_node(now, "127.0.0.1:2".parse().unwrap());
    });
    assert_eq!((net.good(0), net.good(1)), (1, 1));
}

#[test]
fn read_only_nodes_ask_and_do_not_answer() {
    let mut net = Net::crowd(3);
    let quiet = net.add(&["127.0.0.1:99"], |config| config.read_only = true);
    let router = "127.0.0.1:1".parse().unwrap();
    net.tell(quiet, |dht, now| dht.add_node(now, router));
    net.wait(Duration::from_mins(1));
    assert_eq!(net.good(quiet), 3);
    assert_eq!(net.good(0), 2);

    let id = net
        .tell(0, |dht, now| dht.ping(now, "127.0.0.1:99".parse().unwrap()))
        .unwrap();
    net.wait(Duration::from_secs(10));
    assert_eq!(done(&net.events(0), id).timeouts, 1);
    let id = net.tell(quiet, |dht, now| {
        dht.announce(now, TORRENT, announce(false))
    });
    let stats = done(&net.events(quiet), id.unwrap());
    assert_eq!((stats.queries, stats.answers, stats.stored), (6, 6, 3));
}

#[test]
fn routers_help_and_are_given_to_nobody() {
    let mut net = Net::new();
    let router = net.add(&["127.0.0.1:1"], |_| ());
    for port in 2..12 {
        let index = net.add(&[&format!("127.0.0.1:{port}")], |_| ());
        net.tell(index, |dht, now| {
            dht.add_router(now, "127.0.0.1:1".parse().unwrap());
        });
    }
    net.wait(Duration::from_mins(2));
    assert_eq!(net.good(router), 10);
    for (_, dht) in &net.nodes[1..] {
        let state = dht.state(net.now);
        assert_eq!(state.nodes.len(), 9);
        assert!(state.nodes.iter().all(|node| node.address.port() != 1));
    }
    let ready = Event::Ready { family: Family::V4 };
    assert!(net.events(5).contains(&ready));
}

#[test]
fn those_who_find_nobody_try_again_less_and_less_often() {
    let mut net = Net::new();
    let index = net.add(&["127.0.0.1:1"], |_| ());
    let mut attempts = Vec::new();
    net.nodes[index]
        .1
        .add_router(net.now, "127.0.0.1:9".parse().unwrap());
    let start = net.now;
    for _ in 0..3_600 {
        if net.take().is_some() {
            attempts.push(net.now.duration_since(start).as_secs());
        }
        net.now += Duration::from_secs(1);
        net.nodes[index].1.handle_timeout(net.now);
    }
    assert!((12..25).contains(&attempts.len()), "{attempts:?}");
    let gaps: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.is_sorted_by(|a, b| *a <= b + 10), "{gaps:?}");
    assert!(
        gaps.last().is_some_and(|gap| (300..330).contains(gap)),
        "{gaps:?}"
    );
}

#[test]
fn families_are_apart_and_help_each_other_to_begin() {
    let mut net = Net::new();
    let both = net.add(&["127.0.0.1:1", "[::1]:1"], |_| ());
    let only_v4 = net.add(&["127.0.0.1:2"], |config| config.ipv6 = false);
    let only_v6 = net.add(&["[::1]:3"], |config| config.ipv4 = false);
    let other = net.add(&["127.0.0.1:4", "[::1]:4"], |_| ());
    net.tell(only_v4, |dht, now| {
        dht.add_node(now, "127.0.0.1:1".parse().unwrap());
    });
    net.tell(only_v6, |dht, now| {
        dht.add_node(now, "[::1]:1".parse().unwrap());
    });
    // It is told of an IPv4 node only, and finds those of both families.
    net.tell(other, |dht, now| {
        dht.add_node(now, "127.0.0.1:1".parse().unwrap());
    });
    net.wait(Duration::from_mins(1));

    let hash = TORRENT;
    net.tell(both, |dht, now| {
        dht.announce(now, hash, announce(false)).unwrap()
    });
    net.wait(Duration::from_secs(10));
    net.tell(only_v4, |dht, now| dht.get_peers(now, hash).unwrap());
    net.tell(only_v6, |dht, now| dht.get_peers(now, hash).unwrap());
    net.tell(other, |dht, now| dht.get_peers(now, hash).unwrap());
    net.wait(Duration::from_secs(10));
    let v4: SocketAddr = "127.0.0.1:7000".parse().unwrap();
    let v6: SocketAddr = "[::1]:7000".parse().unwrap();
    assert_eq!(peers(&net.events(only_v4)), [v4]);
    assert_eq!(peers(&net.events(only_v6)), [v6]);
    assert_eq!(peers(&net.events(other)), [v4, v6]);
    let ids = |dht: &Dht| (dht.id(Family::V4), dht.id(Family::V6));
    let (v4, v6) = ids(&net.nodes[both].1);
    assert_ne!(v4, v6);
    assert_eq!(ids(&net.nodes[only_v4].1).1, None);
}

#[test]
fn swarms_are_counted() {
    let mut net = Net::crowd(20);
    net.wait(Duration::from_mins(1));
    for index in 2..8 {
        let announce = Announce {
            port: 7000 + index as u16,
            ..announce(index < 4)
        };
        net.tell(index, |dht, now| {
            dht.announce(now, TORRENT, announce).unwrap()
        });
    }
    let id = net.tell(15, |dht, now| dht.scrape(now, TORRENT)).unwrap();
    net.wait(Duration::from_secs(10));
    let events = net.events(15);
    assert!(done(&events, id).answers >= 8);
    let sizes = events.iter().filter_map(|event| match event {
        Event::Scraped { size, .. } => Some(*size),
        _ => None,
    });
    // All at one address: one of each.
    assert_eq!(
        sizes.collect::<Vec<_>>(),
        [SwarmSize { seeds: 1, peers: 1 }]
    );
}

#[test]
fn samples_come_from_many_or_from_one() {
    let mut net = Net::crowd(20);
    net.wait(Duration::from_mins(1));
    net.tell(3, |dht, now| {
        dht.announce(now, TORRENT, announce(false)).unwrap()
    });
    net.tell(15, |dht, now| dht.sample(now, TORRENT.into()).unwrap());
    net.tell(16, |dht, now| {
        dht.sample_node(now, "127.0.0.1:1".parse().unwrap(), TORRENT.into())
            .unwrap();
    });
    net.wait(Duration::from_secs(10));
    let hashes = |events: Vec<Event>| {
        let samples = events.into_iter().filter_map(|event| match event {
            Event::Samples { samples, .. } => Some(samples.hashes),
            _ => None,
        });
        samples.collect::<Vec<_>>()
    };
    let many = hashes(net.events(15));
    assert!(many.len() >= 8);
    assert!(many.concat().iter().all(|hash| *hash == TORRENT));
    assert!(!many.concat().is_empty());
    let events = net.events(16);
    let nodes = events
        .iter()
        .filter(|event| matches!(event, Event::Nodes { nodes, .. } if nodes.len() == 8));
    assert_eq!(nodes.count(), 1);
    assert_eq!(hashes(events).len(), 1);
}

#[test]
fn a_lookup_that_is_called_off_is_not_heard_of_again() {
    let mut net = Net::crowd(20);
    net.wait(Duration::from_mins(1));
    net.events(7);
    let now = net.now;
    let id = net.nodes[7].1.get_peers(now, TORRENT).unwrap();
    net.nodes[7].1.cancel(now, id);
    net.wait(Duration::from_mins(1));
    assert_eq!(net.events(7), []);
}

#[test]
fn queries_that_must_wait_are_sent_later() {
    let mut net = Net::crowd(20);
    let hasty = net.add(&["127.0.0.1:99"], |config| {
        config.limits.queries_per_second = 2;
        config.limits.max_transactions = 2;
    });
    net.tell(hasty, |dht, now| {
        dht.add_node(now, "127.0.0.1:1".parse().unwrap());
    });
    net.wait(Duration::from_mins(2));
    let ids = [1, 2, 3].map(|byte| {
        net.tell(hasty, |dht, now| {
            dht.get_peers(now, InfoHash([byte; 20])).unwrap()
        })
    });
    net.wait(Duration::from_mins(1));
    let events = net.events(hasty);
    for id in ids {
        assert!(done(&events, id).answers >= 8);
    }
}

#[test]
fn ids_go_with_the_address_that_is_known() {
    let now = Instant::now();
    let mut config = Config::new([1; 32]);
    config.external_v4 = Some([124, 31, 75, 21].into());
    // One that was kept from another address does not fit any more.
    config.state.ids.v4 = Some(NodeId([7; 20]));
    config.state.ids.v6 = Some(NodeId([8; 20]));
    let dht = Dht::new(now, config);
    let id = dht.id(Family::V4).unwrap();
    assert!(security::is_valid(&id, [124, 31, 75, 21].into()));
    assert_eq!(dht.id(Family::V6), Some(NodeId([8; 20])));
}

#[test]
fn an_implied_port_is_where_datagrams_come_from() {
    let mut net = Net::crowd(3);
    let implied = Announce {
        implied_port: true,
        ..announce(false)
    };
    net.tell(1, |dht, now| dht.announce(now, TORRENT, implied).unwrap());
    net.tell(2, |dht, now| dht.get_peers(now, TORRENT).unwrap());
    assert_eq!(peers(&net.events(2)), ["127.0.0.1:2".parse().unwrap()]);
}

#[test]
fn what_has_no_socket_is_left_alone() {
    let mut net = Net::new();
    let index = net.add(&["127.0.0.1:1"], |config| config.ipv6 = false);
    let address: SocketAddr = "[::1]:5".parse().unwrap();
    net.tell(index, |dht, now| {
        dht.add_node(now, address);
        dht.add_router(now, address);
        let id = dht.ping(now, address).unwrap();
        assert!(matches!(dht.poll_event(), Some(Event::Done { lookup, .. }) if lookup == id));
        dht.handle_datagram(
            now,
            address,
            b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe",
        );
    });
    assert!(net.take().is_none());
    let contact = Contact {
        id: NodeId([1; 20]),
        address,
    };
    assert!(!net.nodes[index].1.state(net.now).nodes.contains(&contact));
}

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const ALL: Wanted = Wanted {
    v6: false,
    most: usize::MAX,
    no_seeds: false,
};

fn store(limits: PeerLimits, start: Instant) -> PeerStore {
    PeerStore::new(limits, start, &mut Xoshiro256PlusPlus::seed_from_u64(1))
}

fn torrent(number: u32) -> InfoHash {
    let mut hash = [0; 20];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    InfoHash(hash)
}

/// One of very many addresses that are nobody's neighbours.
fn peer(number: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(0x3000_0000 + number), 6881))
}

fn sampled(store: &mut PeerStore, now: Instant, number: u32, wanted: Wanted) -> Vec<SocketAddr> {
    let mut peers = Vec::new();
    store.sample(now, &torrent(number), wanted, &mut peers);
    peers.sort();
    peers
}

#[test]
fn a_peer_is_known_by_its_address_and_is_what_it_said_last() {
    let now = Instant::now();
    let mut store = store(PeerLimits::default(), now);
    let [first, second] = ["192.0.2.1:1", "192.0.2.1:2"].map(|text| text.parse().unwrap());
    store.announce(now, torrent(1), first, true);
    store.announce(now, torrent(1), second, false);
    assert_eq!(sampled(&mut store, now, 1, ALL), [second]);
    let scrape = store.scrape(now, &torrent(1)).unwrap();
    assert!(scrape.peers.contains(second.ip()) && !scrape.seeds.contains(second.ip()));
    assert_eq!((store.torrents(), store.peers()), (1, 1));
}

#[test]
fn peers_at_a_local_address_are_known_by_their_ports() {
    let now = Instant::now();
    let mut store = store(PeerLimits::default(), now);
    for port in [1, 2, 2] {
        store.announce(now, torrent(1), (Ipv4Addr::LOCALHOST, port).into(), false);
    }
    assert_eq!(sampled(&mut store, now, 1, ALL).len(), 2);
}

#[test]
fn families_are_kept_apart_and_clothes_do_not_count() {
    let now = Instant::now();
    let mut store = store(PeerLimits::default(), now);
    let texts = [
        "[::ffff:192.0.2.1]:1",
        "[2001:db8::1]:1",
        "192.0.2.2:0",
        "0.0.0.0:1",
    ];
    for text in texts {
        store.announce(now, torrent(1), text.parse().unwrap(), false);
    }
    assert_eq!(
        sampled(&mut store, now, 1, ALL),
        ["192.0.2.1:1".parse().unwrap()]
    );
    let v6 = Wanted { v6: true, ..ALL };
    assert_eq!(
        sampled(&mut store, now, 1, v6),
        ["[2001:db8::1]:1".parse().unwrap()]
    );
    let scrape = store.scrape(now, &torrent(1)).unwrap();
    assert!((scrape.peers.estimate() - 2.0).abs() < 0.1);
}

#[test]
fn seeds_come_last_where_they_are_not_wanted() {
    let now = Instant::now();
    let mut store = store(PeerLimits::default(), now);
    (0..20).for_each(|n| store.announce(now, torrent(1), peer(n), n >= 5));
    let wanted = |most| Wanted {
        most,
        no_seeds: true,
        ..ALL
    };
    let others: Vec<_> = (0..5).map(peer).collect();
    assert_eq!(sampled(&mut store, now, 1, wanted(5)), others);
    let more = sampled(&mut store, now, 1, wanted(8));
    assert_eq!(more.len(), 8);
    assert!(others.iter().all(|peer| more.contains(peer)));
}

#[test]
fn everybody_has_the_same_chance_to_be_given_out() {
    let now = Instant::now();
    let mut store = store(PeerLimits::default(), now);
    (0..100).for_each(|n| store.announce(now, torrent(1), peer(n), false));
    let mut times = BTreeMap::new();
    for _ in 0..1000 {
        let chosen = sampled(&mut store, now, 1, Wanted { most: 10, ..ALL });
        assert_eq!(chosen.len(), 10);
        assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), 10);
        for peer in chosen {
            *times.entry(peer).or_insert(0) += 1;
        }
    }
    assert_eq!(times.len(), 100);
    assert!(
        times.values().all(|times| (50..=150).contains(times)),
        "{times:?}"
    );
}

#[test]
fn a_torrent_with_all_its_peers_forgets_the_oldest() {
    let now = Instant::now();
    let mut store = store(
        PeerLimits {
            per_torrent: 10,
            ..PeerLimits::default()
        },
        now,
    );
    (0..10).for_each(|n| store.announce(now, torrent(1), peer(n), false));
    // Who announces again is no longer the oldest.
    store.announce(now, torrent(1), peer(0), false);
    store.announce(now, torrent(1), peer(10), false);
    let expected: Vec<_> = [0].into_iter().chain(2..=10).map(peer).collect();
    assert_eq!(sampled(&mut store, now, 1, ALL), expected);
    assert_eq!(store.peers(), 10);
}

#[test]
fn one_ipv6_network_does_not_fill_a_torrent() {
    let now = Instant::now();
    let mut store = store(PeerLimits::default(), now);
    let at = |network: u128, host: u128| -> SocketAddr {
        let ip = std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) | (network << 64) | host);
        (ip, 6881).into()
    };
    (1..50).for_each(|network| store.announce(now, torrent(1), at(network, 1), false));
    (1..1000).for_each(|host| store.announce(now, torrent(1), at(0, host), false));
    let v6 = Wanted { v6: true, ..ALL };
    let peers = sampled(&mut store, now, 1, v6);
    assert_eq!(peers.len(), 49 + 16);
    // The latest of them are kept.
    assert!(peers.contains(&at(0, 999)) && !peers.contains(&at(0, 983)));
    assert_eq!(store.peers(), peers.len());
}

#[test]
fn a_flood_of_torrents_does_not_drive_out_a_swarm() {
    let now = Instant::now();
    let mut store = store(
        PeerLimits {
            torrents: 100,
            ..PeerLimits::default()
        },
        now,
    );
    (0..50).for_each(|n| store.announce(now, torrent(0), peer(n), false));
    (1..5000).for_each(|n| store.announce(now, torrent(n), peer(n), false));
    assert_eq!(store.torrents(), 100);
    assert_eq!(sampled(&mut store, now, 0, ALL).len(), 50);
}

#[test]
fn a_flood_of_peers_does_not_drive_out_small_torrents() {
    let now = Instant::now();
    let limits = PeerLimits {
        torrents: 200,
        per_torrent: 1000,
        peers: 300,
    };
    let mut store = store(limits, now);
    (0..100).for_each(|n| store.announce(now, torrent(n), peer(n), false));
    (0..5000).for_each(|n| store.announce(now, torrent(1000), peer(n), false));
    assert_eq!(store.peers(), 300);
    let left = (0..100).filter(|n| !sampled(&mut store, now, *n, ALL).is_empty());
    assert!(left.count() > 90);
}

#[test]
fn the_last_peer_of_a_torrent_takes_it_along() {
    let now = Instant::now();
    let mut store = store(
        PeerLimits {
            peers: 1,
            ..PeerLimits::default()
        },
        now,
    );
    (0..10).for_each(|n| store.announce(now, torrent(n), peer(n), false));
    assert_eq!((store.torrents(), store.peers()), (1, 1));
}

#[test]
fn after_hours_of_silence_nobody_is_there() {
    let now = Instant::now();
    let mut store = store(PeerLimits::default(), now);
    store.announce(now, torrent(1), peer(1), false);
    // As if no time had gone by, if one looked at 15 bits of seconds alone.
    let later = now + Duration::from_secs(0x8000 + 60);
    assert_eq!(sampled(&mut store, later, 1, ALL), []);
    assert_eq!(store.scrape(later, &torrent(1)), None);
    store.announce(later, torrent(2), peer(1), false);
    assert_eq!((store.torrents(), store.peers()), (1, 1));
}

/// What a store of unlimited size and memory would do.
#[derive(Default)]
struct Naive(BTreeMap<(InfoHash, IpAddr), (SocketAddr, bool, u64)>);

impl Naive {
    fn live(&self, now: u64, hash: &InfoHash) -> Vec<SocketAddr> {
        let peers = self.0.iter().filter(|((torrent, _), _)| torrent == hash);
        let live = peers.filter(|(_, (_, _, at))| now < at + u64::from(PEER_SECONDS));
        live.map(|(_, (address, _, _))| *address).collect()
    }
}

proptest! {
    #[test]
    fn it_gives_out_what_a_naive_store_would(
        steps in prop::collection::vec((0_u64..400, 0_u32..4, 0_u32..6, 1_u16.., any::<bool>()), 1..200),
    ) {
        let start = Instant::now();
        let mut store = store(PeerLimits::default(), start);
        let mut naive = Naive::default();
        let mut seconds = 0;
        for (pause, number, from, port, seed) in steps {
            seconds += pause;
            let now = start + Duration::from_secs(seconds);
            let address = SocketAddr::new(peer(from).ip(), port);
            let hash = torrent(number);
            store.announce(now, hash, address, seed);
            naive.0.insert((hash, address.ip()), (address, seed, seconds));
            let later = seconds + pause * 3;
            for number in 0..4 {
                let mut expected = naive.live(later, &torrent(number));
                expected.sort();
                let now = start + Duration::from_secs(later);
                prop_assert_eq!(sampled(&mut store, now, number, ALL), expected);
            }
        }
        store.expire(start + Duration::from_secs(seconds) + PEER_TIME + SWEEP_TIME);
        prop_assert_eq!((store.torrents(), store.peers()), (0, 0));
    }

    #[test]
    fn it_keeps_to_its_limits_and_counts_right(
        announces in prop::collection::vec((0_u64..60, 0_u32..30, 0_u32..50, any::<bool>()), 1..300),
    ) {
        let start = Instant::now();
        let limits = PeerLimits { torrents: 10, per_torrent: 5, peers: 20 };
        let mut store = store(limits, start);
        let mut seconds = 0;
        for (pause, number, from, v6) in announces {
            seconds += pause;
            let v6_ip = std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(from));
            let address = if v6 { (v6_ip, 1).into() } else { peer(from) };
            store.announce(start + Duration::from_secs(seconds), torrent(number), address, false);
            prop_assert!(store.torrents() <= 10 && store.peers() <= 20);
            prop_assert!(store.torrents.values().all(|torrent| (1..=5).contains(&torrent.len())));
            let counted: usize = store.torrents.values().map(Torrent::len).sum();
            prop_assert_eq!(store.peers(), counted);
        }
    }
}

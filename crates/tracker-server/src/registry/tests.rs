use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use headwater_metainfo::PeerId;
use proptest::prelude::*;

use super::*;

const TORRENT: InfoHash = InfoHash([1; 20]);

fn registry(limits: Limits) -> Registry {
    Registry::new(limits, 42)
}

fn peer(number: u8) -> Announce {
    Announce {
        info_hash: TORRENT,
        peer_id: PeerId([number; 20]),
        address: SocketAddr::from(([192, 0, 2, number], 6881)),
        key: None,
        is_seed: false,
        event: Event::None,
        num_want: None,
        families: Families::Both,
    }
}

fn v6(announce: &Announce) -> Announce {
    let address = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 6881));
    Announce {
        address,
        ..announce.clone()
    }
}

fn seed(number: u8) -> Announce {
    Announce {
        is_seed: true,
        ..peer(number)
    }
}

fn with_event(event: Event, announce: &Announce) -> Announce {
    Announce {
        event,
        ..announce.clone()
    }
}

fn counts(complete: u32, incomplete: u32, downloaded: u32) -> Counts {
    Counts {
        complete,
        incomplete,
        downloaded,
    }
}

fn scrape_one(registry: &mut Registry) -> Counts {
    registry.scrape(&[TORRENT])[0].1
}

fn addresses(answer: &Announced) -> HashSet<SocketAddr> {
    answer.peers.iter().map(|peer| peer.address).collect()
}

#[test]
fn a_peer_is_given_the_others_but_not_itself() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    for number in 1..=3 {
        registry.announce(now, &peer(number)).unwrap();
    }
    let answer = registry.announce(now, &peer(2)).unwrap();
    assert_eq!(
        addresses(&answer),
        [peer(1).address, peer(3).address].into()
    );
    assert_eq!(answer.counts, counts(0, 3, 0));
}

#[test]
fn the_own_address_under_another_id_is_not_given() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    registry.announce(now, &peer(1)).unwrap();
    let restarted = Announce {
        peer_id: PeerId([9; 20]),
        ..peer(1)
    };
    assert!(registry.announce(now, &restarted).unwrap().peers.is_empty());
}

#[test]
fn a_silent_peer_is_forgotten_after_its_lifetime() {
    let limits = Limits::default();
    let (mut registry, now) = (registry(limits.clone()), Instant::now());
    registry.announce(now, &peer(1)).unwrap();
    let almost = now
        + limits
            .peer_lifetime
            .checked_sub(Duration::from_secs(1))
            .unwrap();
    registry.expire(almost);
    assert_eq!(scrape_one(&mut registry).incomplete, 1);
    registry.announce(almost, &peer(2)).unwrap();

    let past = now + limits.peer_lifetime;
    // Not given to anybody even before the next sweep.
    assert!(registry.announce(past, &peer(2)).unwrap().peers.is_empty());
    registry.expire(past);
    assert_eq!(scrape_one(&mut registry), counts(0, 1, 0));
}

#[test]
fn a_peer_that_announces_again_lives_on() {
    let limits = Limits::default();
    let (mut registry, now) = (registry(limits.clone()), Instant::now());
    registry.announce(now, &peer(1)).unwrap();
    registry.announce(now + limits.interval, &peer(1)).unwrap();
    registry.expire(now + limits.peer_lifetime);
    assert_eq!(scrape_one(&mut registry).incomplete, 1);
}

#[test]
fn stopped_takes_a_peer_out_at_once_and_gives_nobody() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    registry.announce(now, &peer(1)).unwrap();
    registry.announce(now, &peer(2)).unwrap();
    let answer = registry
        .announce(now, &with_event(Event::Stopped, &peer(1)))
        .unwrap();
    assert_eq!((answer.peers.len(), answer.counts), (0, counts(0, 1, 0)));
    let unknown = Announce {
        info_hash: InfoHash([7; 20]),
        ..with_event(Event::Stopped, &peer(1))
    };
    registry.announce(now, &unknown).unwrap();
    assert_eq!(registry.stats().torrents, 1, "a farewell makes no torrent");
}

#[test]
fn a_download_is_counted_once() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    registry.announce(now, &peer(1)).unwrap();
    for _ in 0..3 {
        registry
            .announce(now, &with_event(Event::Completed, &seed(1)))
            .unwrap();
    }
    assert_eq!(scrape_one(&mut registry), counts(1, 0, 1));
}

#[test]
fn a_seed_from_the_start_completes_nothing_and_is_given_no_seeds() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    for number in 1..=2 {
        registry
            .announce(now, &with_event(Event::Started, &seed(number)))
            .unwrap();
    }
    registry.announce(now, &peer(3)).unwrap();
    let answer = registry
        .announce(now, &with_event(Event::Completed, &seed(1)))
        .unwrap();
    assert_eq!(answer.counts, counts(2, 1, 0));
    assert_eq!(addresses(&answer), [peer(3).address].into());
}

#[test]
fn one_that_starts_with_nothing_left_may_have_only_a_magnet_link_and_is_given_seeds() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    registry.announce(now, &seed(1)).unwrap();
    let starting = with_event(Event::Started, &seed(2));
    let answer = registry.announce(now, &starting).unwrap();
    assert_eq!(addresses(&answer), [seed(1).address].into());
}

#[test]
fn both_families_of_a_peer_count_as_one() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    let keyed = Announce {
        key: Some(5),
        ..peer(1)
    };
    registry.announce(now, &keyed).unwrap();
    registry.announce(now, &v6(&keyed)).unwrap();
    let answer = registry.announce(now, &peer(2)).unwrap();
    assert_eq!(answer.counts.incomplete, 2);
    assert_eq!(
        addresses(&answer),
        [keyed.address, v6(&keyed).address].into()
    );

    let over_udp = Announce {
        families: Families::Own,
        ..peer(2)
    };
    let answer = registry.announce(now, &over_udp).unwrap();
    assert_eq!(addresses(&answer), [keyed.address].into());

    registry
        .announce(now, &v6(&with_event(Event::Stopped, &keyed)))
        .unwrap();
    let answer = registry.announce(now, &peer(2)).unwrap();
    assert_eq!(answer.peers.len(), 1, "only one of its addresses left");
}

#[test]
fn another_address_needs_the_key() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    let keyed = |number: u8, key| Announce {
        address: peer(number).address,
        key,
        ..peer(1)
    };
    registry.announce(now, &keyed(1, Some(5))).unwrap();
    for wrong in [None, Some(6)] {
        let thief = keyed(2, wrong);
        assert_eq!(registry.announce(now, &thief), Err(Refusal::PeerIdInUse));
        let stop = with_event(Event::Stopped, &thief);
        assert_eq!(registry.announce(now, &stop), Err(Refusal::PeerIdInUse));
    }
    registry.announce(now, &keyed(2, Some(5))).unwrap();
    let answer = registry.announce(now, &peer(9)).unwrap();
    assert_eq!(addresses(&answer), [peer(2).address].into(), "it moved");
    assert_eq!(registry.stats().refused, 4);
}

#[test]
fn the_same_address_needs_no_key() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    let keyed = |key| Announce { key, ..peer(1) };
    registry.announce(now, &keyed(Some(5))).unwrap();
    registry.announce(now, &keyed(Some(6))).unwrap();
    registry.announce(now, &keyed(None)).unwrap();
}

#[test]
fn as_many_as_wanted_within_the_bound() {
    let limits = Limits {
        default_num_want: 5,
        max_num_want: 20,
        ..Limits::default()
    };
    let (mut registry, now) = (registry(limits), Instant::now());
    for number in 1..=100 {
        registry.announce(now, &peer(number)).unwrap();
    }
    for (num_want, given) in [(None, 5), (Some(0), 0), (Some(7), 7), (Some(1000), 20)] {
        let answer = registry
            .announce(
                now,
                &Announce {
                    num_want,
                    ..peer(1)
                },
            )
            .unwrap();
        assert_eq!(answer.peers.len(), given, "{num_want:?}");
    }
}

#[test]
fn the_choice_changes_and_reaches_everybody() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    for number in 1..=100 {
        registry.announce(now, &peer(number)).unwrap();
    }
    let asker = Announce {
        num_want: Some(10),
        ..peer(1)
    };
    let mut seen = HashSet::new();
    for _ in 0..200 {
        seen.extend(addresses(&registry.announce(now, &asker).unwrap()));
    }
    assert_eq!(seen.len(), 99);
}

#[test]
fn peers_that_cannot_be_reached_are_not_given() {
    let (mut registry, now) = (registry(Limits::default()), Instant::now());
    let mut portless = peer(1);
    portless.address.set_port(0);
    let local = Announce {
        address: SocketAddr::from(([127, 0, 0, 1], 6881)),
        ..peer(2)
    };
    registry.announce(now, &portless).unwrap();
    registry.announce(now, &local).unwrap();
    let answer = registry.announce(now, &peer(3)).unwrap();
    assert_eq!((answer.peers.len(), answer.counts.incomplete), (0, 3));
    let neighbour = Announce {
        address: SocketAddr::from(([127, 0, 0, 1], 6882)),
        ..peer(4)
    };
    let answer = registry.announce(now, &neighbour).unwrap();
    assert!(addresses(&answer).contains(&local.address));
}

#[test]
fn past_the_bounds_peers_are_answered_but_not_remembered() {
    let limits = Limits {
        max_peers_per_torrent: 2,
        ..Limits::default()
    };
    let (mut registry, now) = (registry(limits), Instant::now());
    for number in 1..=5 {
        registry.announce(now, &peer(number)).unwrap();
    }
    let answer = registry.announce(now, &peer(6)).unwrap();
    assert_eq!(
        addresses(&answer),
        [peer(1).address, peer(2).address].into()
    );
    assert_eq!(registry.stats().leeches, 2);
    registry
        .announce(now, &with_event(Event::Stopped, &peer(1)))
        .unwrap();
    registry.announce(now, &peer(6)).unwrap();
    assert_eq!(registry.stats().leeches, 2, "room again");
}

#[test]
fn at_the_bound_a_torrent_without_peers_gives_way() {
    let limits = Limits {
        max_torrents: 2,
        ..Limits::default()
    };
    let (mut registry, now) = (registry(limits), Instant::now());
    let on = |torrent: u8| Announce {
        info_hash: InfoHash([torrent; 20]),
        ..peer(1)
    };
    registry.announce(now, &on(1)).unwrap();
    registry.announce(now, &on(2)).unwrap();
    assert_eq!(registry.announce(now, &on(3)), Err(Refusal::Full));
    registry
        .announce(now, &with_event(Event::Stopped, &on(1)))
        .unwrap();
    registry.announce(now, &on(3)).unwrap();
    assert!(registry.scrape(&[InfoHash([1; 20])]).is_empty());
    assert_eq!(registry.stats().torrents, 2);
}

#[test]
fn a_swarm_that_comes_back_to_life_is_kept() {
    let limits = Limits {
        max_torrents: 1,
        ..Limits::default()
    };
    let (mut registry, now) = (registry(limits), Instant::now());
    registry.announce(now, &peer(1)).unwrap();
    for _ in 0..3 {
        registry
            .announce(now, &with_event(Event::Stopped, &peer(1)))
            .unwrap();
        registry.announce(now, &peer(1)).unwrap();
    }
    let other = Announce {
        info_hash: InfoHash([2; 20]),
        ..peer(1)
    };
    assert_eq!(registry.announce(now, &other), Err(Refusal::Full));
    registry
        .announce(now, &with_event(Event::Stopped, &peer(1)))
        .unwrap();
    registry.announce(now, &other).unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Announce(Announce),
    Wait(u64),
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let event = prop_oneof![
        Just(Event::None),
        Just(Event::Started),
        Just(Event::Stopped),
        Just(Event::Completed)
    ];
    let announce = (
        0..3u8,
        0..6u8,
        1..4u8,
        any::<bool>(),
        any::<bool>(),
        event,
        0..2u32,
    );
    let announce = announce.prop_map(|(torrent, id, host, is_v6, is_seed, event, key)| {
        let base = peer(host);
        Announce {
            info_hash: InfoHash([torrent; 20]),
            peer_id: PeerId([id; 20]),
            key: Some(key),
            is_seed,
            event,
            ..if is_v6 { v6(&base) } else { base }
        }
    });
    prop_oneof![
        8 => announce.prop_map(Step::Announce),
        1 => (0..3000u64).prop_map(Step::Wait),
        1 => Just(Step::Expire),
    ]
}

proptest! {
    /// Whatever comes, the bounds hold and the totals are the sums of their parts.
    #[test]
    fn totals_stay_true(steps in proptest::collection::vec(step(), 0..200)) {
        let limits = Limits { max_torrents: 2, max_peers: 6, max_peers_per_torrent: 4, ..Limits::default() };
        let mut registry = registry(limits);
        let mut now = Instant::now();
        for step in steps {
            match step {
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Expire => registry.expire(now),
                Step::Announce(announce) => {
                    if let Ok(answer) = registry.announce(now, &announce) {
                        prop_assert!(answer.peers.iter().all(|it| it.id != announce.peer_id));
                    }
                }
            }
            let stats = registry.stats();
            prop_assert_eq!(stats.seeds + stats.leeches, registry.peers);
            prop_assert!(stats.torrents <= 2 && registry.peers <= 6);
            prop_assert!(registry.swarms.values().all(|swarm| swarm.len() <= 4));
            prop_assert!(registry.empty.len() <= 2);
        }
    }
}

//! Which tracker is asked when.

use std::collections::HashSet;

use super::*;

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

fn order(bench: &Bench, tier: usize) -> Vec<String> {
    let trackers = &bench.announcer.tiers()[tier].trackers;
    trackers
        .iter()
        .map(|tracker| tracker.url.host().to_owned())
        .collect()
}

#[test]
fn a_dead_tracker_never_delays_a_live_one() {
    let mut bench = Bench::new(&[&["dead"], &["live"]]);
    let due = bench.due();
    assert_eq!(due.iter().map(host).collect::<Vec<_>>(), ["dead", "live"]);
    // The dead one's announce never ends.
    bench.succeed(&due[1]);
    for _ in 0..10 {
        bench.wait(INTERVAL);
        let announce = bench.one_due();
        assert_eq!(host(&announce), "live");
        bench.succeed(&announce);
    }
    bench.announcer.stop(bench.now);
    let stopped = bench.one_due();
    assert_eq!(host(&stopped), "live");
    bench.succeed(&stopped);
    assert!(bench.announcer.is_finished());
}

#[test]
fn the_next_of_a_tier_is_asked_at_once_and_the_one_that_answers_is_promoted() {
    let mut bench = Bench::new(&[&["a", "b", "c"]]);
    let shuffled = order(&bench, 0);
    let first = bench.one_due();
    assert_eq!(host(&first), shuffled[0]);
    bench.fail(&first);
    let second = bench.one_due();
    assert_eq!(host(&second), shuffled[1]);
    bench.fail(&second);
    let third = bench.one_due();
    assert_eq!(host(&third), shuffled[2]);
    bench.succeed(&third);
    assert_eq!(
        order(&bench, 0),
        [&*shuffled[2], &*shuffled[0], &*shuffled[1]]
    );
    assert_eq!(
        bench.next_in(),
        Some(INTERVAL),
        "those that failed are spares now"
    );
    bench.wait(INTERVAL);
    assert_eq!(host(&bench.one_due()), shuffled[2]);
}

#[test]
fn the_order_inside_a_tier_comes_from_the_seed() {
    let urls = |tier: &[&str]| -> Vec<crate::TrackerUrl> {
        let url = |name: &&str| format!("udp://{name}:1").parse().unwrap();
        tier.iter().map(url).collect()
    };
    let order = |seed| {
        let tiers = vec![urls(&["a", "b", "c", "d"])];
        let announcer = Announcer::new(tiers, seed, AnnouncerOptions::default());
        let hosts = |tracker: &TrackerSnapshot| tracker.url.host().to_owned();
        announcer.tiers()[0]
            .trackers
            .iter()
            .map(hosts)
            .collect::<Vec<_>>()
    };
    assert_eq!(order(3), order(3));
    let orders: HashSet<_> = (0..200).map(order).collect();
    assert_eq!(orders.len(), 24);
}

#[test]
fn repeated_and_excess_trackers_are_dropped() {
    let bench = Bench::new(&[&["a", "a"], &["a"], &["b"]]);
    assert_eq!(
        (order(&bench, 0), order(&bench, 1)),
        (vec!["a".into()], vec!["b".into()])
    );
    let options = AnnouncerOptions {
        max_trackers: 1,
        ..AnnouncerOptions::default()
    };
    let bench = Bench::with(&[&["a"], &["b"]], options);
    assert_eq!(bench.announcer.tiers().len(), 1);
}

#[test]
fn waits_after_failures_double_up_to_an_hour_with_jitter() {
    let mut bench = Bench::new(&[&["one"]]);
    let mut expected = 10.0;
    let mut waits = HashSet::new();
    for _ in 0..12 {
        let announce = bench.one_due();
        bench.fail(&announce);
        let wait = bench.next_in().unwrap();
        let ratio = wait.as_secs_f64() / expected;
        assert!(
            (0.75..1.25).contains(&ratio),
            "{wait:?} instead of {expected}"
        );
        expected = f64::min(expected * 2.0, 3600.0);
        waits.insert(wait);
        bench.wait(wait);
    }
    assert_eq!(waits.len(), 12);
    assert_eq!(bench.snapshot(0).failures, 12);
    bench.settle();
    assert_eq!(bench.snapshot(0).failures, 0);
}

#[test]
fn a_tracker_that_says_when_is_not_asked_sooner() {
    let mut bench = Bench::new(&[&["one"]]);
    let announce = bench.one_due();
    let later = Some(RetryIn::After(minutes(90)));
    bench.fail_with(&announce, &refusal(later));
    assert_eq!(bench.next_in(), Some(minutes(90)));
    bench.announcer.reannounce(bench.now);
    assert_eq!(
        bench.next_in(),
        Some(minutes(90)),
        "the user's wish does not count here"
    );
}

#[test]
fn a_tracker_that_says_never_is_never_asked_again() {
    let mut bench = Bench::new(&[&["one"]]);
    let announce = bench.one_due();
    bench.fail_with(&announce, &refusal(Some(RetryIn::Never)));
    bench.announcer.reannounce(bench.now);
    bench.wait(minutes(100_000));
    assert_eq!(
        (bench.due(), bench.announcer.poll_timeout()),
        (vec![], None)
    );
}

#[test]
fn intervals_are_kept_within_bounds() {
    let mut bench = Bench::new(&[&["one"]]);
    let mut next_after = |interval, min_interval| {
        let announce = bench.one_due();
        let min_interval = Some(min_interval);
        bench.answer(
            &announce,
            &AnnounceResponse {
                interval,
                min_interval,
                ..response()
            },
        );
        let next = bench.next_in().unwrap();
        bench.wait(next);
        next
    };
    assert_eq!(next_after(Duration::ZERO, Duration::ZERO), minutes(1));
    assert_eq!(next_after(minutes(5), minutes(20)), minutes(20));
    assert_eq!(
        next_after(Duration::from_secs(u64::MAX), Duration::ZERO),
        minutes(24 * 60)
    );
    assert_eq!(
        next_after(minutes(5), Duration::from_secs(u64::MAX)),
        minutes(24 * 60)
    );
}

#[test]
fn the_user_may_announce_as_often_as_the_tracker_allows() {
    let mut bench = Bench::new(&[&["one"]]);
    let announce = bench.one_due();
    let min_interval = Some(minutes(10));
    bench.answer(
        &announce,
        &AnnounceResponse {
            min_interval,
            ..response()
        },
    );
    bench.announcer.reannounce(bench.now);
    assert_eq!(bench.next_in(), Some(minutes(10)));
    bench.wait(minutes(15));
    bench.announcer.reannounce(bench.now);
    assert_eq!(bench.one_event(), AnnounceEvent::None);
}

#[test]
fn the_user_may_ask_a_failing_tracker_again_before_its_time() {
    let mut bench = Bench::new(&[&["one"]]);
    for _ in 0..6 {
        let announce = bench.one_due();
        bench.fail(&announce);
        bench.wait(bench.next_in().unwrap());
    }
    let announce = bench.one_due();
    bench.fail(&announce);
    bench.announcer.reannounce(bench.now);
    assert_eq!(bench.next_in(), Some(Duration::from_secs(10)));
}

#[test]
fn with_one_tier_at_a_time_the_next_is_asked_only_when_all_before_it_fail() {
    let options = AnnouncerOptions {
        all_tiers: false,
        ..AnnouncerOptions::default()
    };
    let mut bench = Bench::with(&[&["a"], &["b"], &["c"]], options);
    let first = bench.one_due();
    assert_eq!(host(&first), "a");
    bench.fail(&first);
    let second = bench.one_due();
    assert_eq!(host(&second), "b");
    bench.succeed(&second);
    bench.wait(bench.next_in().unwrap());
    let first = bench.one_due();
    assert_eq!(host(&first), "a", "it is still tried");
    bench.succeed(&first);
    bench.wait(INTERVAL);
    assert_eq!(host(&bench.one_due()), "a", "and used alone once it works");
    assert_eq!(bench.announcer.poll_timeout(), None);
}

#[test]
fn a_snapshot_shows_the_last_answer_and_the_last_error() {
    let mut bench = Bench::new(&[&["one"]]);
    let announce = bench.one_due();
    assert!(bench.snapshot(0).is_announcing);
    let answer = AnnounceResponse {
        complete: Some(5),
        incomplete: Some(7),
        peers: vec![
            "1.2.3.4:5".parse().unwrap(),
            "[2001:db8::1]:5".parse().unwrap(),
        ],
        warning: Some("careful".to_owned()),
        ..response()
    };
    bench.answer(&announce, &answer);
    let answered = bench.now;
    bench.wait(INTERVAL);
    let announce = bench.one_due();
    bench.fail_with(&announce, &refusal(None));
    let shown = bench.snapshot(0);
    assert_eq!(
        (shown.complete, shown.incomplete, shown.peers, shown.peers6),
        (Some(5), Some(7), 1, 1)
    );
    assert_eq!((shown.failures, shown.last_answer), (1, Some(answered)));
    assert_eq!(shown.last_error.as_deref(), Some("the tracker refused: no"));
    assert_eq!(shown.warning.as_deref(), Some("careful"));
    assert_eq!(shown.next_announce, bench.announcer.poll_timeout());
}

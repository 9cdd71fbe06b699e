//! Who is told what, and how often.

use bytes::Bytes;
use headwater_metainfo::{InfoHash, PeerId};

use super::*;
use crate::http::announce_query;
use crate::types::AnnounceRequest;

#[test]
fn started_is_announced_until_it_is_acknowledged_and_never_again() {
    let mut bench = Bench::new(&[&["one"]]);
    for _ in 0..3 {
        let announce = bench.one_due();
        assert_eq!(announce.event, AnnounceEvent::Started);
        bench.fail(&announce);
        bench.wait(bench.next_in().unwrap());
    }
    let announce = bench.one_due();
    assert_eq!(announce.event, AnnounceEvent::Started);
    bench.succeed(&announce);
    for _ in 0..5 {
        bench.wait(INTERVAL);
        let announce = bench.one_due();
        assert_eq!(announce.event, AnnounceEvent::None);
        bench.succeed(&announce);
    }
    bench.wait(INTERVAL);
    let announce = bench.one_due();
    bench.fail(&announce);
    bench.wait(bench.next_in().unwrap());
    assert_eq!(
        bench.one_event(),
        AnnounceEvent::None,
        "a failure in between changes nothing"
    );
}

#[test]
fn completed_is_spelt_as_trackers_know_it() {
    let mut request = AnnounceRequest::new(InfoHash([1; 20]), PeerId([2; 20]), 1);
    let mut spelt = |event| {
        request.event = event;
        announce_query(&request)
    };
    assert!(spelt(AnnounceEvent::Completed).ends_with("&event=completed"));
    assert!(spelt(AnnounceEvent::Started).ends_with("&event=started"));
    assert!(spelt(AnnounceEvent::Stopped).ends_with("&event=stopped"));
    assert!(spelt(AnnounceEvent::Paused).ends_with("&event=paused"));
    assert!(!spelt(AnnounceEvent::None).contains("event"));
}

#[test]
fn completed_is_announced_once_and_at_once() {
    let mut bench = Bench::new(&[&["one"]]);
    bench.settle();
    bench.announcer.completed(bench.now);
    let announce = bench.one_due();
    assert_eq!(announce.event, AnnounceEvent::Completed);
    bench.succeed(&announce);
    for _ in 0..3 {
        bench.wait(INTERVAL);
        assert_eq!(bench.settle()[0].event, AnnounceEvent::None);
    }
}

#[test]
fn completed_is_never_announced_unless_it_happened() {
    let mut bench = Bench::new(&[&["one"]]);
    for _ in 0..5 {
        assert!(
            bench
                .settle()
                .iter()
                .all(|announce| announce.event != AnnounceEvent::Completed)
        );
        bench.wait(INTERVAL);
    }
}

#[test]
fn completed_waits_for_started() {
    let mut bench = Bench::new(&[&["one"]]);
    let started = bench.one_due();
    bench.announcer.completed(bench.now);
    assert_eq!(bench.due(), []);
    bench.succeed(&started);
    assert_eq!(bench.one_event(), AnnounceEvent::Completed);
}

#[test]
fn completed_is_owed_until_it_is_acknowledged() {
    let mut bench = Bench::new(&[&["one"]]);
    bench.settle();
    bench.announcer.completed(bench.now);
    let completed = bench.one_due();
    bench.fail(&completed);
    assert_eq!(bench.due(), []);
    bench.wait(bench.next_in().unwrap());
    assert_eq!(bench.one_event(), AnnounceEvent::Completed);
}

#[test]
fn a_tier_is_told_completed_by_one_tracker_only() {
    let mut bench = Bench::new(&[&["one", "two"], &["three"]]);
    bench.settle();
    bench.announcer.completed(bench.now);
    let told = bench.settle();
    assert_eq!(told.len(), 2);
    assert!(
        told.iter()
            .all(|announce| announce.event == AnnounceEvent::Completed)
    );
    bench.wait(INTERVAL);
    for announce in bench.due() {
        bench.fail(&announce);
    }
    let spare = bench.one_due();
    assert_eq!(spare.event, AnnounceEvent::Started);
    bench.succeed(&spare);
    assert_eq!(
        bench.due(),
        [],
        "the other tracker of the tier was told already"
    );
}

#[test]
fn stopped_goes_only_to_those_that_acknowledged_started() {
    let mut bench = Bench::new(&[&["one"], &["two"], &["three"]]);
    let due = bench.due();
    bench.succeed(&due[0]);
    bench.fail(&due[1]);
    bench.announcer.stop(bench.now);
    let stopped = bench.one_due();
    assert_eq!(stopped.event, AnnounceEvent::Stopped);
    assert_eq!(stopped.url, due[0].url);
    assert!(!bench.announcer.is_finished());
    bench.succeed(&stopped);
    assert!(bench.announcer.is_finished());
    assert_eq!(bench.announcer.poll_timeout(), None);
}

#[test]
fn stopped_is_tried_once() {
    let mut bench = Bench::new(&[&["one"]]);
    bench.settle();
    bench.announcer.stop(bench.now);
    assert_eq!(bench.announcer.poll_timeout(), Some(bench.now));
    let stopped = bench.one_due();
    bench.fail(&stopped);
    bench.wait(INTERVAL);
    assert_eq!(bench.due(), []);
    assert!(bench.announcer.is_finished());
}

#[test]
fn every_tracker_of_a_tier_that_was_told_started_is_told_stopped() {
    let mut bench = Bench::new(&[&["one", "two"]]);
    bench.settle();
    bench.wait(INTERVAL);
    let first = bench.one_due();
    bench.fail(&first);
    bench.settle();
    bench.announcer.stop(bench.now);
    assert_eq!(bench.due().len(), 2);
}

#[test]
fn an_acknowledgement_that_comes_after_the_stop_is_taken_back() {
    let mut bench = Bench::new(&[&["one"]]);
    let started = bench.one_due();
    bench.announcer.stop(bench.now);
    assert_eq!(bench.due(), []);
    assert!(bench.announcer.is_finished());
    bench.succeed(&started);
    assert_eq!(bench.one_event(), AnnounceEvent::Stopped);
}

#[test]
fn a_torrent_that_starts_again_announces_started_again() {
    let mut bench = Bench::new(&[&["one"]]);
    bench.settle();
    bench.announcer.completed(bench.now);
    bench.settle();
    bench.announcer.stop(bench.now);
    let stopped = bench.one_due();
    bench.announcer.start(bench.now);
    let started = bench.one_due();
    assert_eq!(started.event, AnnounceEvent::Started);
    bench.fail(&stopped);
    assert!(
        bench.snapshot(0).is_announcing,
        "an outcome from before is ignored"
    );
    bench.succeed(&started);
    assert_eq!(bench.due(), [], "completed was another run's");
}

#[test]
fn a_partial_seed_says_paused() {
    let mut bench = Bench::new(&[&["one"]]);
    bench.announcer.set_partial_seed(true);
    assert_eq!(bench.settle()[0].event, AnnounceEvent::Started);
    bench.wait(INTERVAL);
    assert_eq!(bench.settle()[0].event, AnnounceEvent::Paused);
}

#[test]
fn a_trackers_id_goes_back_to_that_tracker() {
    let mut bench = Bench::new(&[&["one"], &["two"]]);
    let due = bench.due();
    let id = Some(Bytes::from_static(b"x&y"));
    bench.answer(
        &due[0],
        &AnnounceResponse {
            tracker_id: id.clone(),
            ..response()
        },
    );
    bench.succeed(&due[1]);
    bench.wait(INTERVAL);
    let due = bench.settle();
    assert_eq!((&due[0].tracker_id, &due[1].tracker_id), (&id, &None));
    bench.wait(INTERVAL);
    assert_eq!(
        bench.due()[0].tracker_id,
        id,
        "an answer without one does not take it back"
    );

    let mut request = AnnounceRequest::new(InfoHash([1; 20]), PeerId([2; 20]), 1);
    due[0].apply_to(&mut request);
    assert!(announce_query(&request).ends_with("&trackerid=x%26y"));
}

#[test]
fn who_stops_wants_no_peers() {
    let mut bench = Bench::new(&[&["one"]]);
    bench.settle();
    bench.announcer.stop(bench.now);
    let mut request = AnnounceRequest::new(InfoHash([1; 20]), PeerId([2; 20]), 1);
    bench.one_due().apply_to(&mut request);
    assert_eq!(request.num_want, Some(0));
}

//! The endpoint against trackers that are slow, deaf, forgetful or lying, in virtual time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_metainfo::{InfoHash, PeerId};
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::super::{Answer, Endpoint, Family, Query, Request, RequestId, Response, decode_request};
use crate::error::{DecodeError, TrackerError};
use crate::types::{AnnounceRequest, AnnounceResponse};

const TRACKER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    80,
);
const STRANGER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9)),
    80,
);

/// An endpoint and a clock that stands until it is moved.
struct Bench {
    endpoint: Endpoint,
    begun: Instant,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            endpoint: Endpoint::new(Family::V4, [1; 32]),
            begun: now,
            now,
        }
    }

    fn at(&mut self, seconds: u64) {
        self.now = self.begun + Duration::from_secs(seconds);
        self.endpoint.handle_timeout(self.now);
    }

    fn announce(&mut self) -> RequestId {
        self.endpoint.start(self.now, TRACKER, query()).unwrap()
    }

    fn sent(&mut self) -> Vec<Request> {
        std::iter::from_fn(|| self.endpoint.poll_transmit())
            .map(|transmit| decode_request(&transmit.packet).unwrap())
            .collect()
    }

    fn one_sent(&mut self) -> Request {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn answer(&mut self, response: &Response) {
        self.endpoint
            .handle_datagram(self.now, TRACKER, &response.encode());
    }

    /// Gets a request as far as the announce packet.
    fn connected(&mut self, connection: u64) -> Request {
        let transaction = transaction(&self.one_sent());
        self.answer(&Response::Connect {
            transaction,
            connection,
        });
        self.one_sent()
    }

    fn outcomes(&mut self) -> Vec<(RequestId, Result<Answer, TrackerError>)> {
        std::iter::from_fn(|| self.endpoint.poll_outcome()).collect()
    }

    fn one_outcome(&mut self) -> Result<Answer, TrackerError> {
        let mut outcomes = self.outcomes();
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        outcomes.remove(0).1
    }

    /// Lets the endpoint's own timers run until `limit`; gives what was sent and when.
    fn run(&mut self, limit: u64) -> Vec<(u64, Request)> {
        let mut log = Vec::new();
        while let Some(due) = self.endpoint.poll_timeout()
            && due <= self.begun + Duration::from_secs(limit)
        {
            self.now = due;
            self.endpoint.handle_timeout(due);
            let seconds = (due - self.begun).as_secs();
            log.extend(self.sent().into_iter().map(|request| (seconds, request)));
        }
        log
    }
}

fn query() -> Query {
    let request = AnnounceRequest::new(InfoHash([1; 20]), PeerId([2; 20]), 6881);
    Query::Announce {
        request,
        url_data: b"/announce".to_vec(),
    }
}

fn transaction(request: &Request) -> u32 {
    match request {
        Request::Connect { transaction }
        | Request::Announce { transaction, .. }
        | Request::Scrape { transaction, .. } => *transaction,
    }
}

fn is_connect(request: &Request) -> bool {
    matches!(request, Request::Connect { .. })
}

fn announced(transaction: u32) -> Response {
    Response::Announce {
        transaction,
        interval: 900,
        leechers: 3,
        seeders: 5,
        peers: vec!["198.51.100.7:6881".parse().unwrap()],
    }
}

#[test]
fn an_announce_is_a_connect_and_an_announce() {
    let mut bench = Bench::new();
    let id = bench.announce();
    let request = bench.connected(77);
    assert!(
        matches!(&request, Request::Announce { connection: 77, url_data, .. } if url_data == b"/announce")
    );
    bench.answer(&announced(transaction(&request)));
    let mut outcomes = bench.outcomes();
    let (ended, answer) = outcomes.remove(0);
    let Answer::Announce(AnnounceResponse {
        interval,
        complete,
        incomplete,
        peers,
        ..
    }) = answer.unwrap()
    else {
        panic!()
    };
    assert_eq!(ended, id);
    assert_eq!(interval, Duration::from_mins(15));
    assert_eq!((complete, incomplete), (Some(5), Some(3)));
    assert_eq!(peers.len(), 1);
}

#[test]
fn a_deaf_tracker_is_asked_after_15_times_2_to_the_n_seconds() {
    let mut bench = Bench::new();
    bench.announce();
    let first = bench.one_sent();
    let log = bench.run(100_000);
    let times: Vec<_> = log.iter().map(|(seconds, _)| *seconds).collect();
    assert_eq!(times, [15, 45, 105, 225, 465, 945, 1905, 3825]);
    assert!(log.iter().all(|(_, request)| *request == first));
    assert!(matches!(bench.one_outcome(), Err(TrackerError::Timeout(_))));
    assert_eq!((bench.now - bench.begun).as_secs(), 7665);
    assert_eq!(bench.endpoint.poll_timeout(), None);
}

#[test]
fn an_announce_that_times_out_outlives_its_connection_id() {
    // The example in BEP 15, with the announce sent when the connect response comes.
    let mut bench = Bench::new();
    bench.announce();
    bench.at(2);
    bench.connected(1);
    let log = bench.run(230);
    let kinds: Vec<_> = log
        .iter()
        .map(|(at, request)| (*at, is_connect(request)))
        .collect();
    assert_eq!(kinds, [(17, false), (47, false), (107, true), (227, true)]);
}

#[test]
fn a_connection_id_serves_all_requests_for_a_minute() {
    let mut bench = Bench::new();
    bench.announce();
    bench.announce();
    let connect = transaction(&bench.one_sent());
    bench.answer(&Response::Connect {
        transaction: connect,
        connection: 5,
    });
    assert_eq!(bench.sent().len(), 2);
    bench.at(14);
    bench.announce();
    assert!(matches!(
        bench.one_sent(),
        Request::Announce { connection: 5, .. }
    ));
}

#[test]
fn after_a_minute_a_new_connection_id_is_asked_for() {
    let mut bench = Bench::new();
    bench.announce();
    let request = bench.connected(5);
    bench.answer(&announced(transaction(&request)));
    bench.at(59);
    bench.announce();
    let request = bench.one_sent();
    assert!(!is_connect(&request));
    bench.answer(&announced(transaction(&request)));
    bench.at(60);
    bench.announce();
    assert!(is_connect(&bench.one_sent()));
}

#[test]
fn answers_from_elsewhere_or_to_nothing_are_ignored() {
    let mut bench = Bench::new();
    bench.announce();
    let connect = transaction(&bench.one_sent());
    let forged = Response::Connect {
        transaction: connect,
        connection: 666,
    }
    .encode();
    bench.endpoint.handle_datagram(bench.now, STRANGER, &forged);
    bench.answer(&Response::Connect {
        transaction: !connect,
        connection: 666,
    });
    assert_eq!(bench.sent(), []);
    bench.answer(&Response::Connect {
        transaction: connect,
        connection: 1,
    });
    let announce = transaction(&bench.one_sent());
    bench
        .endpoint
        .handle_datagram(bench.now, STRANGER, &announced(announce).encode());
    bench.answer(&announced(!announce));
    bench.answer(&Response::Connect {
        transaction: connect,
        connection: 2,
    });
    assert!(bench.outcomes().is_empty());
    bench.answer(&announced(announce));
    bench.answer(&announced(announce));
    assert!(bench.one_outcome().is_ok());
}

#[test]
fn an_answer_of_the_wrong_kind_is_the_trackers_fault() {
    let mut bench = Bench::new();
    bench.announce();
    let transaction = transaction(&bench.connected(1));
    bench.answer(&Response::Scrape {
        transaction,
        entries: Vec::new(),
    });
    let error = bench.one_outcome().unwrap_err();
    assert!(
        matches!(error, TrackerError::Malformed(DecodeError::Action(2))),
        "{error:?}"
    );
}

#[test]
fn a_short_answer_is_malformed() {
    let mut bench = Bench::new();
    bench.announce();
    let transaction = transaction(&bench.connected(1));
    let packet = &announced(transaction).encode()[..19];
    bench.endpoint.handle_datagram(bench.now, TRACKER, packet);
    let error = bench.one_outcome().unwrap_err();
    assert!(
        matches!(error, TrackerError::Malformed(DecodeError::Truncated)),
        "{error:?}"
    );
}

#[test]
fn an_error_packet_is_a_refusal() {
    let mut bench = Bench::new();
    bench.announce();
    let transaction = transaction(&bench.connected(1));
    bench.answer(&Response::Error {
        transaction,
        message: "go away".into(),
    });
    let error = bench.one_outcome().unwrap_err();
    assert_eq!(error.to_string(), "the tracker refused: go away");
}

#[test]
fn a_refused_connect_fails_all_who_waited() {
    let mut bench = Bench::new();
    bench.announce();
    bench.announce();
    let transaction = transaction(&bench.one_sent());
    bench.answer(&Response::Error {
        transaction,
        message: "full".into(),
    });
    assert_eq!(bench.outcomes().len(), 2);
    assert_eq!(bench.endpoint.poll_timeout(), None);
}

#[test]
fn a_tracker_that_forgot_the_connection_id_is_connected_to_again_once() {
    let mut bench = Bench::new();
    bench.announce();
    let request = bench.connected(5);
    bench.answer(&announced(transaction(&request)));
    bench.outcomes();
    bench.announce();
    let stale = transaction(&bench.one_sent());
    let refusal = Response::Error {
        transaction: stale,
        message: "bad connection id".into(),
    };
    bench.answer(&refusal);
    assert!(bench.outcomes().is_empty());
    let request = bench.connected(6);
    assert!(matches!(request, Request::Announce { connection: 6, .. }));
    bench.answer(&refusal);
    assert!(matches!(bench.one_outcome(), Err(TrackerError::Failure(_))));
}

#[test]
fn requests_refused_on_a_forgotten_id_share_the_new_one() {
    let mut bench = Bench::new();
    bench.announce();
    let request = bench.connected(5);
    bench.answer(&announced(transaction(&request)));
    bench.outcomes();
    bench.announce();
    bench.announce();
    let stale: Vec<_> = bench.sent().iter().map(transaction).collect();
    let refuse = |transaction| Response::Error {
        transaction,
        message: "bad connection id".to_owned(),
    };
    bench.answer(&refuse(stale[0]));
    bench.connected(6);
    bench.answer(&refuse(stale[1]));
    let request = bench.one_sent();
    assert!(matches!(request, Request::Announce { connection: 6, .. }));
    bench.answer(&refuse(stale[1]));
    assert!(bench.one_outcome().is_err());
}

#[test]
fn a_new_connection_id_starts_the_waits_over() {
    let mut bench = Bench::new();
    bench.announce();
    bench.connected(1);
    let (at, connect) = bench.run(105).pop().unwrap();
    assert_eq!((at, is_connect(&connect)), (105, true));
    bench.answer(&Response::Connect {
        transaction: transaction(&connect),
        connection: 2,
    });
    bench.one_sent();
    let times: Vec<_> = bench.run(105 + 50).iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [105 + 15, 105 + 15 + 30]);
}

#[test]
fn an_expired_connection_id_is_not_used_even_before_the_timer_ran() {
    let mut bench = Bench::new();
    bench.announce();
    let request = bench.connected(5);
    bench.answer(&announced(transaction(&request)));
    bench.now += Duration::from_mins(1);
    bench.announce();
    assert!(is_connect(&bench.one_sent()));
}

#[test]
fn a_cancelled_request_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let (first, second) = (bench.announce(), bench.announce());
    bench.sent();
    bench.endpoint.cancel(first);
    assert!(bench.endpoint.poll_timeout().is_some());
    bench.endpoint.cancel(second);
    assert_eq!(bench.endpoint.poll_timeout(), None);
    assert!(bench.outcomes().is_empty());

    let third = bench.announce();
    let transaction = transaction(&bench.connected(1));
    bench.endpoint.cancel(third);
    bench.answer(&announced(transaction));
    assert!(bench.outcomes().is_empty());
    bench.run(61);
    assert_eq!(bench.endpoint.poll_timeout(), None);
}

#[test]
fn an_unreachable_tracker_fails_at_once() {
    let mut bench = Bench::new();
    bench.announce();
    bench.sent();
    bench
        .endpoint
        .handle_unreachable(TRACKER, &TrackerError::Overloaded);
    assert!(bench.one_outcome().is_err());
    assert_eq!(bench.endpoint.poll_timeout(), None);
}

#[test]
fn no_more_requests_are_taken_on_than_are_bearable() {
    let mut bench = Bench::new();
    let mut start = || bench.endpoint.start(bench.now, TRACKER, query());
    let taken = (0..20_000).take_while(|_| start().is_ok()).count();
    assert_eq!(taken, 16_384);
    assert!(matches!(start(), Err(TrackerError::Overloaded)));
}

#[test]
fn a_deaf_tracker_does_not_delay_another() {
    let mut bench = Bench::new();
    bench.endpoint.start(bench.now, STRANGER, query()).unwrap();
    bench.sent();
    bench.announce();
    let transaction = transaction(&bench.connected(1));
    bench.answer(&announced(transaction));
    assert!(bench.one_outcome().is_ok());
    assert_eq!(bench.now, bench.begun);
}

/// A tracker behind a network that loses, doubles and delays; every answer must come in the end.
fn survive(seed: u64) {
    let mut bench = Bench::new();
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut open: Vec<_> = (0..20).map(|_| bench.announce()).collect();
    let mut on_their_way: Vec<(Instant, Response)> = Vec::new();
    for connection in 0.. {
        for request in bench.sent() {
            let transaction = transaction(&request);
            let response = match request {
                Request::Connect { .. } => Response::Connect {
                    transaction,
                    connection,
                },
                _ => announced(transaction),
            };
            for _ in 0..rng.random_range(0..3) {
                let delay = Duration::from_millis(rng.random_range(1..40_000));
                on_their_way.push((bench.now + delay, response.clone()));
            }
        }
        for (id, outcome) in bench.outcomes() {
            outcome.unwrap();
            let at = open
                .iter()
                .position(|open| *open == id)
                .expect("one outcome a request");
            open.swap_remove(at);
        }
        on_their_way.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let next = on_their_way.last().map(|(at, _)| *at);
        let Some(next) = next.into_iter().chain(bench.endpoint.poll_timeout()).min() else {
            break;
        };
        bench.now = next.max(bench.now);
        match on_their_way.pop_if(|(at, _)| *at <= next) {
            Some((_, response)) => bench.answer(&response),
            None => bench.endpoint.handle_timeout(bench.now),
        }
    }
    assert_eq!(open, []);
}

#[test]
fn a_bad_network_costs_time_and_nothing_else() {
    for seed in 0..50 {
        survive(seed);
    }
}

proptest! {
    #[test]
    fn arbitrary_datagrams_never_panic(action in 0_u32..5, body: Vec<u8>, connects: bool) {
        let mut bench = Bench::new();
        bench.announce();
        let request = if connects { bench.one_sent() } else { bench.connected(1) };
        let head = [action.to_be_bytes(), transaction(&request).to_be_bytes()].concat();
        bench.endpoint.handle_datagram(bench.now, TRACKER, &body);
        bench.endpoint.handle_datagram(bench.now, TRACKER, &[&head[..], &body].concat());
        prop_assert!(bench.outcomes().len() <= 1);
    }
}

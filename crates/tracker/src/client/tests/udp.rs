use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::*;
use crate::error::TrackerError;
use crate::types::ScrapeEntry;
use crate::udp::{Request, Response, decode_request};

/// A UDP tracker that answers what a test says.
struct Tracker {
    address: SocketAddr,
    log: Arc<Mutex<Vec<(SocketAddr, Request)>>>,
    _task: JoinSet<()>,
}

impl Tracker {
    async fn new(answer: impl Fn(&Request) -> Vec<Response> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let log: Arc<Mutex<Vec<_>>> = Arc::default();
        let kept = log.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let request = decode_request(&buffer[..length]).unwrap();
                let responses = answer(&request);
                kept.lock().push((from, request));
                for response in responses {
                    socket.send_to(&response.encode(), from).await.unwrap();
                }
            }
        });
        Self {
            address,
            log,
            _task: task,
        }
    }

    fn url(&self) -> TrackerUrl {
        trusted(&format!("udp://{}/announce?a=b", self.address))
    }
}

fn honest(request: &Request) -> Vec<Response> {
    vec![match request {
        Request::Connect { transaction } => Response::Connect {
            transaction: *transaction,
            connection: 9,
        },
        Request::Announce { transaction, .. } => Response::Announce {
            transaction: *transaction,
            interval: 900,
            leechers: 1,
            seeders: 2,
            peers: vec!["1.2.3.4:6881".parse().unwrap()],
        },
        Request::Scrape {
            transaction,
            info_hashes,
            ..
        } => Response::Scrape {
            transaction: *transaction,
            entries: info_hashes.iter().map(entry).collect(),
        },
    }]
}

fn entry(hash: &InfoHash) -> ScrapeEntry {
    ScrapeEntry {
        complete: hash.0[0].into(),
        ..ScrapeEntry::default()
    }
}

#[tokio::test]
async fn an_announce_goes_and_comes() {
    let tracker = Tracker::new(honest).await;
    let response = limited(client().announce(&tracker.url(), &request()))
        .await
        .unwrap();
    assert!(is_answer(&response));
    let log = tracker.log.lock();
    let Request::Announce {
        connection: 9,
        announce,
        url_data,
        ..
    } = &log[1].1
    else {
        panic!("{log:?}")
    };
    assert_eq!(*announce, request());
    assert_eq!(url_data, b"/announce?a=b");
}

#[tokio::test]
async fn all_requests_share_a_socket_and_a_connection_id() {
    let tracker = Tracker::new(honest).await;
    let (client, url) = (client(), tracker.url());
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (client, url) = (client.clone(), url.clone());
        tasks.spawn(async move { client.announce(&url, &request()).await.unwrap() });
    }
    assert_eq!(limited(tasks.join_all()).await.len(), 20);
    let log = tracker.log.lock();
    let sources: HashSet<_> = log.iter().map(|(from, _)| *from).collect();
    let connects = log
        .iter()
        .filter(|(_, request)| matches!(request, Request::Connect { .. }));
    assert_eq!((sources.len(), connects.count()), (1, 1));
}

#[tokio::test]
async fn a_scrape_of_many_torrents_goes_in_parts() {
    let tracker = Tracker::new(honest).await;
    let hashes: Vec<_> = (0..100).map(|byte| InfoHash([byte; 20])).collect();
    let response = limited(client().scrape(&tracker.url(), &hashes))
        .await
        .unwrap();
    assert_eq!(response.files.len(), 100);
    assert!(
        hashes
            .iter()
            .all(|hash| response.files[hash] == entry(hash))
    );
    let sizes: Vec<_> = tracker
        .log
        .lock()
        .iter()
        .filter_map(|(_, request)| match request {
            Request::Scrape { info_hashes, .. } => Some(info_hashes.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [74, 26]);
}

#[tokio::test]
async fn lies_before_the_truth_are_ignored() {
    let tracker = Tracker::new(|request| {
        let truth = honest(request).remove(0);
        let message = "lie".to_owned();
        let lie = Response::Error {
            transaction: !truth.transaction(),
            message,
        };
        vec![lie, truth.clone(), truth]
    })
    .await;
    let response = limited(client().announce(&tracker.url(), &request()))
        .await
        .unwrap();
    assert!(is_answer(&response));
}

#[tokio::test]
async fn a_deaf_tracker_times_out() {
    let deaf = Tracker::new(|_| Vec::new()).await;
    let client = client_with(|options| options.timeout = Duration::from_millis(50));
    let error = limited(client.announce(&deaf.url(), &request()))
        .await
        .unwrap_err();
    assert!(matches!(error, TrackerError::Timeout(_)), "{error}");
}

#[tokio::test]
async fn a_deaf_tracker_neither_delays_a_live_one_nor_holds_on() {
    let deaf = Tracker::new(|_| Vec::new()).await;
    let live = Tracker::new(honest).await;
    let client = client();
    let (to_deaf, url) = (client.clone(), deaf.url());
    let hanging = tokio::spawn(async move { to_deaf.announce(&url, &request()).await });
    limited(client.announce(&live.url(), &request()))
        .await
        .unwrap();
    assert!(!hanging.is_finished());
    hanging.abort();
    assert!(limited(hanging).await.unwrap_err().is_cancelled());
}

#[test]
fn a_client_outlives_a_runtime() {
    let client = client();
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let tracker = Tracker::new(honest).await;
            limited(client.announce(&tracker.url(), &request()))
                .await
                .unwrap();
        });
    }
}

//! The client against small servers on loopback.

mod guard;
mod http;
mod server;
mod tls;
mod udp;

use std::future::Future;
use std::time::Duration;

use headwater_metainfo::{InfoHash, PeerId};

use super::{Client, ClientOptions};
use crate::types::{AnnounceEvent, AnnounceRequest, AnnounceResponse};
use crate::url::TrackerUrl;

/// No test takes longer, whatever goes wrong.
const LIMIT: Duration = Duration::from_secs(20);

/// An answer with one peer.
const ANSWER: &[u8] = b"d8:intervali900e5:peers6:\x01\x02\x03\x04\x1a\xe1e";

fn client() -> Client {
    client_with(|_| {})
}

fn client_with(change: impl FnOnce(&mut ClientOptions)) -> Client {
    let mut options = ClientOptions::default();
    change(&mut options);
    Client::new(options)
}

fn request() -> AnnounceRequest {
    let mut info_hash = [0; 20];
    for (index, byte) in info_hash.iter_mut().enumerate() {
        *byte = (index * 13) as u8;
    }
    let mut request = AnnounceRequest::new(
        InfoHash(info_hash),
        PeerId(*b"-HW0100-\x00&=%+ ?#/~.\xff"),
        6881,
    );
    request.left = 5;
    request.event = AnnounceEvent::Started;
    request
}

/// As the user gives it.
fn trusted(url: &str) -> TrackerUrl {
    named_by_torrent(url).trusted()
}

fn named_by_torrent(url: &str) -> TrackerUrl {
    url.parse().unwrap()
}

async fn limited<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future)
        .await
        .expect("the test hangs")
}

fn is_answer(response: &AnnounceResponse) -> bool {
    response.interval == Duration::from_mins(15)
        && response.peers == ["1.2.3.4:6881".parse().unwrap()]
}

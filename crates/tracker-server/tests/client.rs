//! The tracker under a client that was written without it.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_metainfo::{InfoHash, PeerId};
use headwater_tracker::{
    AnnounceEvent, AnnounceRequest, Client, ClientOptions, TrackerError, TrackerUrl,
};
use headwater_tracker_server::{Config, Limits, Server};

const TORRENT: InfoHash = InfoHash([0xa5; 20]);

async fn server(host: &str) -> Server {
    let any: SocketAddr = format!("{host}:0").parse().unwrap();
    let config = Config {
        http: vec![any],
        udp: vec![any],
        limits: Limits {
            max_torrents: 1,
            ..Limits::default()
        },
    };
    Server::bind(config).await.unwrap()
}

fn urls(server: &Server) -> [TrackerUrl; 2] {
    let http = format!("http://{}/announce", server.http_addrs()[0]);
    let udp = format!("udp://{}/announce?passkey=x", server.udp_addrs()[0]);
    [http, udp].map(|url| url.parse::<TrackerUrl>().unwrap().trusted())
}

fn request(number: u8) -> AnnounceRequest {
    let mut request = AnnounceRequest::new(TORRENT, PeerId([number; 20]), 7000 + u16::from(number));
    request.left = 10;
    request.key = 0xfeed;
    request.event = AnnounceEvent::Started;
    request
}

#[tokio::test]
async fn announce_complete_scrape_and_stop_over_both() {
    for host in ["127.0.0.1", "[::1]"] {
        let server = server(host).await;
        let client = Client::new(ClientOptions::default());
        for (number, url) in (1..).step_by(10).zip(urls(&server)) {
            let (one, mut two) = (request(number), request(number + 1));
            let before = server.stats();
            client.announce(&url, &one).await.unwrap();
            let answer = client.announce(&url, &two).await.unwrap();
            assert_eq!(answer.interval, Duration::from_mins(30));
            assert_eq!(answer.incomplete, Some(before.leeches as u32 + 2), "{url}");
            let ports: Vec<u16> = answer.peers.iter().map(SocketAddr::port).collect();
            assert!(
                ports.contains(&one.port) && !ports.contains(&two.port),
                "{url}: {ports:?}"
            );

            two.left = 0;
            two.event = AnnounceEvent::Completed;
            client.announce(&url, &two).await.unwrap();
            let scraped = client.scrape(&url, &[TORRENT]).await.unwrap();
            let entry = &scraped.files[&TORRENT];
            assert_eq!(entry.complete, before.seeds as u32 + 1, "{url}");

            two.event = AnnounceEvent::Stopped;
            client.announce(&url, &two).await.unwrap();
            assert_eq!(server.stats().seeds, before.seeds, "{url}");
        }
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_peer_is_the_same_over_http_and_udp() {
    let server = server("127.0.0.1").await;
    let client = Client::new(ClientOptions::default());
    for url in urls(&server) {
        client.announce(&url, &request(1)).await.unwrap();
    }
    assert_eq!(server.stats().leeches, 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_refusal_arrives_as_a_failure() {
    let server = server("127.0.0.1").await;
    let client = Client::new(ClientOptions::default());
    let other = AnnounceRequest::new(InfoHash([1; 20]), PeerId([1; 20]), 6881);
    for url in urls(&server) {
        client.announce(&url, &request(1)).await.unwrap();
        let refused = client.announce(&url, &other).await.unwrap_err();
        assert!(matches!(refused, TrackerError::Failure(_)), "{refused}");
        assert!(
            refused.to_string().contains("the tracker is full"),
            "{refused}"
        );
    }
    server.shutdown().await;
}

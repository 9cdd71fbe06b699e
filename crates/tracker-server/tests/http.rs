//! The HTTP side over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_tracker_server::{BindError, Config, Limits, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(20);

async fn server() -> Server {
    let config = Config {
        http: vec!["127.0.0.1:0".parse().unwrap()],
        ..Config::default()
    };
    Server::bind(config).await.unwrap()
}

/// Sends a request as it stands and gives back everything until the server closes.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let work = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server that refuses a request half-way may reset the connection.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, work).await.unwrap()
}

async fn get(address: SocketAddr, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    exchange(address, &request).await
}

fn announce(peer: char, rest: &str) -> String {
    let (hash, id) = ("h".repeat(20), peer.to_string().repeat(20));
    let port = 6784 + u32::from(peer);
    format!("/announce?info_hash={hash}&peer_id={id}&port={port}{rest}")
}

#[tokio::test]
async fn announces_scrapes_and_figures() {
    let server = server().await;
    let address = server.http_addrs()[0];

    let first = get(address, &announce('a', "&left=0&event=started")).await;
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
    assert!(first.contains("d8:completei1e10:downloadedi0e11:external ip4:"));
    assert!(first.ends_with("12:min intervali60e5:peers0:e"), "{first}");

    let second = get(address, &announce('b', "&left=5&compact=0")).await;
    assert!(
        second.contains("5:peersld2:ip9:127.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881eee")
    );

    let scraped = get(address, &format!("/scrape?info_hash={}", "h".repeat(20))).await;
    let files = "d5:filesd20:hhhhhhhhhhhhhhhhhhhhd8:completei1e10:downloadedi0e10:incompletei1eeee";
    assert!(scraped.ends_with(files), "{scraped}");

    let page = get(address, "/").await;
    assert!(page.contains("announces 2"), "{page}");
    server.shutdown().await;
}

#[tokio::test]
async fn refusals_are_readable() {
    let server = server().await;
    let address = server.http_addrs()[0];
    let answer = get(address, "/announce?info_hash=short").await;
    assert!(
        answer.ends_with("d14:failure reason32:`info_hash` is not 20 bytes longe"),
        "{answer}"
    );
    let answer = get(address, "/scrape").await;
    assert!(answer.contains("14:failure reason"), "{answer}");
    assert!(get(address, "/else").await.starts_with("HTTP/1.1 404"));
    let post = exchange(
        address,
        "POST /announce HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(post.await.starts_with("HTTP/1.1 405"));
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused() {
    let server = server().await;
    let address = server.http_addrs()[0];
    let answer = get(address, &format!("/announce?{}", "x".repeat(64 * 1024))).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        get(address, "/").await.starts_with("HTTP/1.1 200"),
        "it lives on"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_frees_the_port() {
    let server = server().await;
    let address = server.http_addrs()[0];
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        .await
        .unwrap();
    idle.read_u8().await.unwrap();
    tokio::time::timeout(PATIENCE, server.shutdown())
        .await
        .unwrap();
    let mut rest = Vec::new();
    // Well before it would be closed for being idle.
    let soon = Duration::from_secs(5);
    let closed = tokio::time::timeout(soon, idle.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the idle connection is closed");
    let again = Config {
        http: vec![address],
        ..Config::default()
    };
    Server::bind(again).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn a_port_in_use_is_told() {
    let first = server().await;
    let taken = first.http_addrs()[0];
    let second = Config {
        http: vec![taken],
        ..Config::default()
    };
    let error = Server::bind(second).await.unwrap_err();
    assert!(matches!(error, BindError::Listen { address, .. } if address == taken));
    assert!(matches!(
        Server::bind(Config::default()).await,
        Err(BindError::NoAddress)
    ));
}

#[tokio::test]
async fn silent_peers_are_forgotten_by_the_running_server() {
    let config = Config {
        http: vec!["127.0.0.1:0".parse().unwrap()],
        limits: Limits {
            peer_lifetime: Duration::from_mins(10),
            ..Limits::default()
        },
        ..Config::default()
    };
    let server = Server::bind(config).await.unwrap();
    get(server.http_addrs()[0], &announce('a', "")).await;
    assert_eq!(server.stats().leeches, 1);
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(server.stats().leeches, 0);
}

#[tokio::test]
async fn ipv4_and_ipv6_on_one_port() {
    let v4: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let first = Server::bind(Config {
        http: vec![v4],
        ..Config::default()
    });
    let port = first.await.unwrap().http_addrs()[0].port();
    // The port was free a moment ago; somebody else may have it now, so a failure to bind proves nothing.
    let both = Config {
        http: vec![
            SocketAddr::new(v4.ip(), port),
            format!("[::]:{port}").parse().unwrap(),
        ],
        ..Config::default()
    };
    let Ok(server) = Server::bind(both).await else {
        return;
    };
    assert!(
        get(format!("127.0.0.1:{port}").parse().unwrap(), "/")
            .await
            .contains("200 OK")
    );
    assert!(
        get(format!("[::1]:{port}").parse().unwrap(), "/")
            .await
            .contains("200 OK")
    );
    server.shutdown().await;
}

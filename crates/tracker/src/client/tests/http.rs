use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use super::server::{Server, ok, redirect, with_header, with_status};
use super::*;
use crate::error::{DecodeError, RedirectError, TrackerError};
use crate::types::RetryIn;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn value_of(query: &str, key: &str) -> Option<Vec<u8>> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value);
    let value = values.next()?;
    assert_eq!(values.next(), None, "{key} comes twice in {query}");
    Some(percent_decode_str(value).collect())
}

async fn announce_to(server: &Server) -> Result<AnnounceResponse, TrackerError> {
    let url = trusted(&server.url("/announce"));
    limited(client().announce(&url, &request())).await
}

#[tokio::test]
async fn a_tracker_url_with_its_own_query_keeps_it() {
    let server = Server::saying(|| ok(ANSWER)).await;
    let url = trusted(&server.url("/announce?passkey=a%2Fb&x"));
    let response = limited(client().announce(&url, &request())).await.unwrap();
    assert!(is_answer(&response));
    assert_eq!(response.warning, None);
    let asked = server.one_asked();
    assert_eq!(asked.path, "/announce");
    assert!(
        asked.query.starts_with("passkey=a%2Fb&x&info_hash="),
        "{}",
        asked.query
    );
}

#[tokio::test]
async fn every_parameter_arrives_byte_for_byte() {
    let server = Server::saying(|| ok(ANSWER)).await;
    let mut request = request();
    (request.uploaded, request.downloaded, request.key) = (1, u64::MAX, 0xab);
    request.num_want = Some(30);
    let url = trusted(&server.url("/announce"));
    limited(client().announce(&url, &request)).await.unwrap();
    let asked = server.one_asked();
    let value = |key| value_of(&asked.query, key);
    assert_eq!(value("info_hash").unwrap(), request.info_hash.as_bytes());
    assert_eq!(value("peer_id").unwrap(), request.peer_id.as_bytes());
    for (key, expected) in [
        ("port", "6881"),
        ("uploaded", "1"),
        ("downloaded", "18446744073709551615"),
        ("left", "5"),
        ("compact", "1"),
        ("key", "000000AB"),
        ("numwant", "30"),
        ("event", "started"),
    ] {
        assert_eq!(value(key).as_deref(), Some(expected.as_bytes()), "{key}");
    }
    assert!(asked.header("user-agent").starts_with("Headwater/"));
    assert_eq!(asked.header("host"), server.address.to_string());
}

#[tokio::test]
async fn gzip_is_asked_for_and_unpacked() {
    let packed = gzip(ANSWER);
    let server =
        Server::saying(move || with_header(ok(packed.clone()), "content-encoding", "gzip"));
    let server = server.await;
    assert!(is_answer(&announce_to(&server).await.unwrap()));
    assert_eq!(server.one_asked().header("accept-encoding"), "gzip");
}

#[tokio::test]
async fn a_gzip_bomb_does_not_go_off() {
    let mut bomb = gzip(&vec![b'0'; 64 << 20]);
    // Whoever unpacks it to the end would stumble here.
    bomb.truncate(bomb.len() - 100);
    assert!(bomb.len() < crate::MAX_ANSWER_LENGTH);
    let server = Server::saying(move || with_header(ok(bomb.clone()), "content-encoding", "gzip"));
    let error = announce_to(&server.await).await.unwrap_err();
    assert!(matches!(error, TrackerError::TooLong { .. }), "{error}");
}

#[tokio::test]
async fn broken_and_unknown_encodings_are_errors() {
    for encoding in ["gzip", "br"] {
        let server = Server::saying(move || with_header(ok(ANSWER), "content-encoding", encoding));
        let error = announce_to(&server.await).await.unwrap_err();
        assert!(matches!(error, TrackerError::ContentEncoding(_)), "{error}");
    }
}

#[tokio::test]
async fn a_huge_body_is_cut_off() {
    let server = Server::saying(|| ok(vec![b'0'; crate::MAX_ANSWER_LENGTH + 1])).await;
    let error = announce_to(&server).await.unwrap_err();
    assert!(matches!(error, TrackerError::TooLong { .. }), "{error}");
}

#[tokio::test]
async fn a_body_as_long_as_is_allowed_is_read() {
    let mut body = ANSWER.to_vec();
    body.resize(crate::MAX_ANSWER_LENGTH, b' ');
    let server = Server::saying(move || ok(body.clone())).await;
    assert!(is_answer(&announce_to(&server).await.unwrap()));
}

#[tokio::test]
async fn a_web_page_is_called_one() {
    let page = "\n <!DOCTYPE html><html><body>This domain is for sale</body></html>";
    let server = Server::saying(move || ok(page)).await;
    let error = announce_to(&server).await.unwrap_err();
    assert!(
        matches!(error, TrackerError::WebPage { code: 200 }),
        "{error}"
    );
    let server = Server::saying(move || with_status(404, page)).await;
    let error = announce_to(&server).await.unwrap_err();
    assert_eq!(error.to_string(), "the tracker answered HTTP status 404");
}

#[tokio::test]
async fn a_status_is_shown_with_what_the_server_says() {
    let reply = || with_header(with_status(503, "over\r\nloaded"), "retry-after", "120");
    let error = announce_to(&Server::saying(reply).await).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tracker answered HTTP status 503: over  loaded"
    );
    assert_eq!(
        error.retry_in(),
        Some(RetryIn::After(Duration::from_mins(2)))
    );
}

#[tokio::test]
async fn a_refusal_counts_whatever_the_status() {
    for status in [200, 403] {
        let body = "d14:failure reason4:full8:retry ini5ee";
        let server = Server::saying(move || with_status(status, body)).await;
        let error = announce_to(&server).await.unwrap_err();
        assert_eq!(error.to_string(), "the tracker refused: full");
        assert_eq!(
            error.retry_in(),
            Some(RetryIn::After(Duration::from_mins(5)))
        );
    }
}

#[tokio::test]
async fn nonsense_is_malformed() {
    for body in ["", "d", "i5e", "le", "de", "d5:peersi5ee", "garbage"] {
        let server = Server::saying(move || ok(body)).await;
        let error = announce_to(&server).await.unwrap_err();
        assert!(
            matches!(error, TrackerError::Malformed(_)),
            "{body:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_redirect_keeps_the_parameters() {
    let server = Server::new(|asked| async move {
        match &*asked.path {
            "/announce" => redirect("/elsewhere/announce?own=1"),
            _ => ok(ANSWER),
        }
    })
    .await;
    assert!(is_answer(&announce_to(&server).await.unwrap()));
    let asked = server.asked.lock().clone();
    assert_eq!(asked[1].path, "/elsewhere/announce");
    assert_eq!(asked[1].query, format!("own=1&{}", asked[0].query));
}

#[tokio::test]
async fn a_redirect_that_brings_the_parameters_gets_no_second_copy() {
    let server = Server::new(|asked| async move {
        match &*asked.path {
            "/announce" => redirect(&format!("/new?{}", asked.query)),
            _ => ok(ANSWER),
        }
    })
    .await;
    announce_to(&server).await.unwrap();
    let asked = server.asked.lock().clone();
    assert_eq!(asked[1].query, asked[0].query);
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let server = Server::saying(|| redirect("/announce")).await;
    let error = announce_to(&server).await.unwrap_err();
    assert!(
        matches!(error, TrackerError::Redirect(RedirectError::TooMany)),
        "{error}"
    );
    assert_eq!(server.asked.lock().len(), crate::MAX_REDIRECTS + 1);
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_refused() {
    for target in [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "udp://127.0.0.1:1",
    ] {
        let server = Server::saying(move || redirect(target)).await;
        let error = announce_to(&server).await.unwrap_err();
        assert!(
            matches!(error, TrackerError::Redirect(RedirectError::Target)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn user_and_password_go_into_a_header() {
    let server = Server::saying(|| ok(ANSWER)).await;
    let url = format!("http://me:p%40ss@{}/announce", server.address);
    limited(client().announce(&trusted(&url), &request()))
        .await
        .unwrap();
    assert_eq!(
        server.one_asked().header("authorization"),
        "Basic bWU6cEBzcw=="
    );
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::saying(|| ok(ANSWER)).await;
    let (client, url) = (client(), trusted(&server.url("/announce")));
    for _ in 0..5 {
        limited(client.announce(&url, &request())).await.unwrap();
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_host_is_not_flooded() {
    let pair = Arc::new(Barrier::new(2));
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let server = Server::new(move |_| {
        let (pair, inside, most) = (pair.clone(), inside.clone(), most.clone());
        async move {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            pair.wait().await;
            inside.fetch_sub(1, Ordering::SeqCst);
            ok(ANSWER)
        }
    })
    .await;
    let client = client_with(|options| options.max_per_host = 2);
    let url = trusted(&server.url("/announce"));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, url) = (client.clone(), url.clone());
        tasks.spawn(async move { client.announce(&url, &request()).await.unwrap() });
    }
    limited(tasks.join_all()).await;
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn nobody_there_is_an_error_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = trusted(&format!(
        "http://{}/announce",
        listener.local_addr().unwrap()
    ));
    drop(listener);
    let error = limited(client().announce(&url, &request()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TrackerError::Connection { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = trusted(&format!(
        "http://{}/announce",
        listener.local_addr().unwrap()
    ));
    let client = client_with(|options| options.read_timeout = Duration::from_millis(50));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nd8:interval";
        stream.write_all(head).await.unwrap();
        // Until the client gives up.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let request = request();
    let (announce, serve) = (Box::pin(client.announce(&url, &request)), Box::pin(serve));
    let (error, ()) = limited(async { tokio::join!(announce, serve) }).await;
    assert!(matches!(error, Err(TrackerError::Timeout(_))), "{error:?}");
}

#[tokio::test]
async fn a_dead_tracker_neither_delays_a_live_one_nor_holds_on() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead_url = trusted(&format!("http://{}/announce", dead.local_addr().unwrap()));
    let live = Server::saying(|| ok(ANSWER)).await;
    let client = client();
    let to_dead = client.clone();
    let hanging = tokio::spawn(async move { to_dead.announce(&dead_url, &request()).await });
    let (mut stream, _) = limited(dead.accept()).await.unwrap();
    let url = trusted(&live.url("/announce"));
    limited(client.announce(&url, &request())).await.unwrap();
    assert!(!hanging.is_finished());
    hanging.abort();
    // The connection is closed as soon as nobody waits for the answer.
    limited(stream.read_to_end(&mut Vec::new())).await.unwrap();
}

#[tokio::test]
async fn ipv6_trackers_are_announced_to() {
    let server = Server::at(std::net::Ipv6Addr::LOCALHOST.into(), |_| async {
        ok(ANSWER)
    })
    .await;
    let Ok(server) = server else {
        eprintln!("no IPv6 on this machine");
        return;
    };
    assert!(is_answer(&announce_to(&server).await.unwrap()));
    let url = trusted(&server.url("/announce"));
    let only_v4 = client_with(|options| options.ipv6 = false);
    let error = limited(only_v4.announce(&url, &request()))
        .await
        .unwrap_err();
    assert!(matches!(error, TrackerError::NoAddress { .. }), "{error}");
}

#[tokio::test]
async fn a_scrape_asks_the_scrape_url_and_takes_what_it_asked_for() {
    let body = b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei5e10:downloadedi50e10:incompletei10ee\
        20:zzzzzzzzzzzzzzzzzzzzd8:completei1eeee";
    let server = Server::saying(|| ok(&body[..])).await;
    let url = trusted(&server.url("/x/announce.php?key=1"));
    let hashes = [InfoHash([b'a'; 20]), InfoHash([b'b'; 20])];
    let response = limited(client().scrape(&url, &hashes)).await.unwrap();
    assert_eq!(response.files.len(), 1);
    let entry = response.files[&hashes[0]];
    assert_eq!(
        (entry.complete, entry.incomplete, entry.downloaded),
        (5, 10, 50)
    );
    let asked = server.one_asked();
    assert_eq!(asked.path, "/x/scrape.php");
    assert!(
        asked
            .query
            .starts_with("key=1&info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash=bbbb")
    );
}

#[tokio::test]
async fn a_scrape_without_a_scrape_url_is_refused() {
    let url = trusted("http://127.0.0.1:1/tracker");
    let error = limited(client().scrape(&url, &[InfoHash([1; 20])]))
        .await
        .unwrap_err();
    assert!(matches!(error, TrackerError::NoScrape), "{error}");
}

#[tokio::test]
async fn a_scrape_answer_without_files_is_malformed() {
    let server = Server::saying(|| ok("de")).await;
    let url = trusted(&server.url("/announce"));
    let error = limited(client().scrape(&url, &[InfoHash([1; 20])]))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            TrackerError::Malformed(DecodeError::Missing("files"))
        ),
        "{error}"
    );
}

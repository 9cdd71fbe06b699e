//! Downloads between sessions on loopback.
#![allow(missing_docs)]

mod common;

use common::{Sample, address, eventually, seed, session, soon, until};
use headwater_session::{AddError, Detail, Event, Source, State};
use headwater_tracker_server::{Config, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_file_comes_whole() {
    let sample = Sample::single(1_000_003, 65_536);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, seeded) = seed(&sample, source.path()).await;

    let leecher = session().await;
    let torrent = leecher
        .add(sample.metainfo.clone())
        .dir(target.path())
        .peers([address(&seeder)])
        .await
        .unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();

    sample.assert_same(target.path());
    assert!(torrent.is_complete() && torrent.is_seed());
    assert_eq!(torrent.left(), 0);
    assert_eq!(torrent.downloaded(), 1_000_003);
    assert_eq!(torrent.stats().done(), 1_000_003);
    assert_eq!(torrent.state(), State::Active);
    assert!(matches!(torrent.detail(), Detail::Seeding));
    soon("the end of the seed", seeder.shutdown()).await;
    assert_eq!(seeded.uploaded(), 1_000_003);
    soon("the end of the leech", leecher.shutdown()).await;
}

#[tokio::test]
async fn many_files_come_whole_and_every_event_is_told() {
    let files = [
        ("a", 100_000),
        ("b", 0),
        ("c", 1),
        ("d", 32_768),
        ("e", 77_777),
    ];
    let sample = Sample::new(&files, 32_768);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, _) = seed(&sample, source.path()).await;

    let leecher = session().await;
    let add = leecher.add(sample.metainfo.clone()).dir(target.path());
    let (torrent, mut events) = add
        .peers([address(&seeder)])
        .start_with_events()
        .await
        .unwrap();
    let seen = until(&mut events, |event| matches!(event, Event::Completed)).await;
    sample.assert_same(target.path());
    let passed = seen
        .iter()
        .filter(|event| matches!(event, Event::PiecePassed(_)));
    assert_eq!(passed.count() as u32, torrent.piece_count());
    let whole = seen
        .iter()
        .filter(|event| matches!(event, Event::FileCompleted(_)));
    assert_eq!(whole.count(), 5);
    assert!(torrent.files().iter().all(|file| file.done == file.length));

    soon("the end", leecher.shutdown()).await;
    let rest = until(&mut events, |event| matches!(event, Event::Closed)).await;
    assert!(
        !rest
            .iter()
            .any(|event| matches!(event, Event::PiecePassed(_)))
    );
    assert!(soon("the end of the stream", events.next()).await.is_none());
    soon("the end of the seed", seeder.shutdown()).await;
}

/// The first line of the request that a torrent's tracker gets.
async fn announced(trust: Option<bool>) -> String {
    let tracker = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/announce?passkey=1",
        tracker.local_addr().unwrap()
    );
    let sample = Sample::with_trackers(&[("f", 1_000)], 16_384, vec![vec![url]]);
    let target = tempfile::tempdir().unwrap();
    let session = session().await;
    let mut add = session.add(sample.metainfo).dir(target.path());
    if let Some(trust) = trust {
        add = add.trust_trackers(trust);
    }
    let torrent = add.await.unwrap();
    let (stream, _) = soon("the announce", tracker.accept()).await.unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stream));
    let line = soon("the request", lines.next_line()).await.unwrap();
    session.remove(&torrent).await;
    line.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_trackers_query_is_kept_unless_the_torrent_is_a_strangers() {
    assert!(announced(None).await.contains("passkey=1"));
    assert!(!announced(Some(false)).await.contains("passkey=1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracker_brings_peers_together() {
    let config = Config {
        http: vec!["127.0.0.1:0".parse().unwrap()],
        udp: vec!["127.0.0.1:0".parse().unwrap()],
        ..Config::default()
    };
    let server = Server::bind(config).await.unwrap();
    for url in [
        format!("http://{}/announce", server.http_addrs()[0]),
        format!("udp://{}/announce", server.udp_addrs()[0]),
    ] {
        let trackers = vec![vec![url]];
        let sample = Sample::with_trackers(&[("f", 300_000)], 16_384, trackers);
        let source = tempfile::tempdir().unwrap();
        sample.write(source.path());
        let (seeder, seeded) = seed(&sample, source.path()).await;
        let answered =
            |tiers: &[headwater_session::TierSnapshot]| tiers[0].trackers[0].last_answer.is_some();
        eventually("the announce", async || answered(&seeded.trackers())).await;

        let targets: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut leeches = Vec::new();
        for target in &targets {
            let leecher = session().await;
            let torrent = leecher
                .add(sample.metainfo.clone())
                .dir(target.path())
                .await;
            leeches.push((leecher, torrent.unwrap()));
        }
        for ((leecher, torrent), target) in leeches.iter().zip(&targets) {
            soon("the download", torrent.wait_complete()).await.unwrap();
            sample.assert_same(target.path());
            soon("the end", leecher.shutdown()).await;
        }
        soon("the end of the seed", seeder.shutdown()).await;
    }
    let stats = server.stats();
    assert_eq!(stats.seeds + stats.leeches, 0, "everybody has said goodbye");
    server.shutdown().await;
}

#[tokio::test]
async fn a_rate_below_a_block_a_second_is_enough_to_get_on() {
    let sample = Sample::single(20_000, 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, seeded) = seed(&sample, source.path()).await;
    seeded.set_upload_limit(10_000);
    let leecher = session().await;
    leecher.set_download_limit(12_000);
    let start = tokio::time::Instant::now();
    let torrent = leecher
        .add(sample.metainfo.clone())
        .dir(target.path())
        .peers([address(&seeder)])
        .await
        .unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();
    let least = std::time::Duration::from_millis(1_500);
    assert!(
        start.elapsed() > least,
        "the limit was not kept: {:?}",
        start.elapsed()
    );
    sample.assert_same(target.path());
    seeder.shutdown().await;
    leecher.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_added_says_why() {
    let session = session().await;
    let dir = tempfile::tempdir().unwrap();
    let missing = session.add(dir.path().join("none.torrent")).await;
    assert!(
        matches!(missing, Err(AddError::Read { error, .. }) if error.kind() == std::io::ErrorKind::NotFound)
    );
    let folder = session.add(dir.path()).await;
    assert!(
        matches!(folder, Err(AddError::Read { error, .. }) if error.kind() == std::io::ErrorKind::IsADirectory)
    );
    let garbage = session.add(b"garbage".to_vec()).await;
    assert!(matches!(garbage, Err(AddError::Metainfo(_))));
    let unreachable = session.add("http://127.0.0.1:1/x.torrent").await;
    assert!(matches!(unreachable, Err(AddError::Fetch { .. })));

    let sample = Sample::single(10, 16_384);
    let add = || {
        session
            .add(sample.metainfo.clone())
            .dir(dir.path())
            .state(State::Stopped)
    };
    let torrent = add().await.unwrap();
    assert!(
        matches!(add().await, Err(AddError::AlreadyAdded(hash)) if hash == torrent.info_hash())
    );
    let no_such_file = add().priorities([1, 1]).await;
    assert!(matches!(
        no_such_file,
        Err(AddError::AlreadyAdded(_) | AddError::NoSuchFile(_))
    ));

    soon("the removal", session.remove(&torrent)).await;
    assert!(torrent.is_closed());
    assert!(session.torrents().is_empty());
    let again = add().await.unwrap();
    assert!(!again.is_closed());
    session.shutdown().await;
    assert!(matches!(add().await, Err(AddError::Closed)));
}

#[tokio::test]
async fn a_torrent_comes_from_a_url() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for answer in [
            "HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html>no torrent</html>",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        ] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let url = format!("http://{address}/here");
    let page = soon("the page", Source::from(url.clone()).load()).await;
    assert!(matches!(page, Err(AddError::Metainfo(_))), "{page:?}");
    let nothing = soon("the refusal", Source::from(url).load()).await;
    assert!(matches!(
        nothing,
        Err(AddError::Fetch {
            error: headwater_session::FetchError::Status(404),
            ..
        })
    ));
}

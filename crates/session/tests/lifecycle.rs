//! Active, paused, stopped, shut down.
#![allow(missing_docs)]

mod common;

use std::time::Duration;

use common::{Sample, address, builder, eventually, seed, session, soon, until};
use headwater_session::{Detail, Event, State, WaitError};
use tokio::time::timeout;

#[tokio::test]
async fn paused_connects_and_transfers_nothing() {
    let sample = Sample::single(500_000, 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, seeded) = seed(&sample, source.path()).await;
    let leecher = session().await;
    let torrent = leecher
        .add(sample.metainfo.clone())
        .dir(target.path())
        .state(State::Paused)
        .peers([address(&seeder)])
        .await
        .unwrap();
    assert_eq!(torrent.state(), State::Paused);
    eventually("a connection", async || torrent.peers().len() == 1).await;
    eventually("the other end", async || seeded.peers().len() == 1).await;
    soon("settling", torrent.settled()).await.unwrap();
    assert!(matches!(torrent.detail(), Detail::Idle));
    assert_eq!(torrent.downloaded(), 0);
    let peer = &torrent.peers()[0];
    assert!(!peer.am_interested, "nothing may be asked for");
    assert_eq!(peer.address, address(&seeder));

    torrent.start();
    soon("the download", torrent.wait_complete()).await.unwrap();
    sample.assert_same(target.path());
    leecher.shutdown().await;
    seeder.shutdown().await;
}

#[tokio::test]
async fn stopped_touches_nothing_until_it_is_started() {
    let sample = Sample::single(100_000, 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, _) = seed(&sample, source.path()).await;
    let leecher = session().await;
    let add = leecher.add(sample.metainfo.clone()).dir(target.path());
    let (torrent, mut events) = add
        .state(State::Stopped)
        .peers([address(&seeder)])
        .start_with_events()
        .await
        .unwrap();
    until(&mut events, |event| {
        matches!(event, Event::StateChanged(State::Stopped))
    })
    .await;
    assert!(torrent.peers().is_empty());
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);

    torrent.start();
    soon("the download", torrent.wait_complete()).await.unwrap();
    sample.assert_same(target.path());

    // Stopping closes connections and refuses who comes.
    torrent.stop();
    assert_eq!(torrent.state(), State::Stopped);
    soon("stopping", torrent.settled()).await.unwrap();
    assert!(torrent.peers().is_empty());
    let other = tempfile::tempdir().unwrap();
    let late = session().await;
    let late_torrent = late
        .add(sample.metainfo.clone())
        .dir(other.path())
        .peers([address(&leecher)])
        .await
        .unwrap();
    soon("settling", late_torrent.settled()).await.unwrap();
    let nothing = timeout(Duration::from_millis(200), late_torrent.wait_complete()).await;
    assert!(nothing.is_err() && late_torrent.downloaded() == 0);

    torrent.start();
    soon("starting again", torrent.settled()).await.unwrap();
    late_torrent.add_peers([address(&leecher)]);
    late_torrent.add_peers([address(&seeder)]);
    soon("the late download", late_torrent.wait_complete())
        .await
        .unwrap();
    for session in [seeder, leecher, late] {
        soon("the end", session.shutdown()).await;
    }
}

#[tokio::test]
async fn pausing_in_mid_download_keeps_what_came() {
    let sample = Sample::single(3_000_000, 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, seeded) = seed(&sample, source.path()).await;
    seeded.set_upload_limit(1_000_000);
    let leecher = session().await;
    let add = leecher.add(sample.metainfo.clone()).dir(target.path());
    let (torrent, mut events) = add
        .peers([address(&seeder)])
        .start_with_events()
        .await
        .unwrap();
    until(&mut events, |event| matches!(event, Event::PiecePassed(_))).await;
    torrent.pause();
    soon("pausing", torrent.settled()).await.unwrap();
    let had = torrent.bitfield();
    assert!(!had.is_clear() && !had.is_full());
    seeded.set_upload_limit(0);
    torrent.stop();
    soon("stopping", torrent.settled()).await.unwrap();
    torrent.start();
    soon("the download", torrent.wait_complete()).await.unwrap();
    sample.assert_same(target.path());
    let twice = torrent.downloaded() - 3_000_000;
    assert!(twice < 1_000_000, "{twice} bytes came twice");
    leecher.shutdown().await;
    seeder.shutdown().await;
}

#[tokio::test]
async fn a_dead_tracker_delays_no_shutdown() {
    // It accepts connections, by the backlog, and never answers.
    let hole = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/announce", hole.local_addr().unwrap());
    let udp_hole = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let udp = format!("udp://{}/announce", udp_hole.local_addr().unwrap());
    let sample = Sample::with_trackers(&[("f", 10_000)], 16_384, vec![vec![url], vec![udp]]);
    let dir = tempfile::tempdir().unwrap();
    let session = builder()
        .shutdown_timeout(Duration::from_secs(2))
        .start()
        .await
        .unwrap();
    let torrent = session
        .add(sample.metainfo.clone())
        .dir(dir.path())
        .await
        .unwrap();
    eventually("announces", async || {
        let tiers = torrent.trackers();
        tiers
            .iter()
            .flat_map(|tier| &tier.trackers)
            .all(|tracker| tracker.is_announcing)
    })
    .await;
    let waiting = tokio::spawn({
        let torrent = torrent.clone();
        async move { torrent.wait_complete().await }
    });
    let bound = Duration::from_secs(10);
    timeout(bound, session.shutdown())
        .await
        .expect("a shutdown that is bounded");
    assert!(torrent.is_closed());
    assert!(matches!(waiting.await.unwrap(), Err(WaitError::Closed)));
    assert!(torrent.settled().await.is_err() || torrent.is_closed());
}

#[tokio::test]
async fn dropping_the_last_session_handle_ends_its_torrents() {
    let sample = Sample::single(10_000, 16_384);
    let dir = tempfile::tempdir().unwrap();
    let session = session().await;
    let torrent = session
        .add(sample.metainfo.clone())
        .dir(dir.path())
        .await
        .unwrap();
    let mut events = torrent.events();
    drop(session);
    until(&mut events, |event| matches!(event, Event::Closed)).await;
    assert!(torrent.is_closed());
}

#[tokio::test]
async fn getters_answer_while_the_loop_is_held_up() {
    let sample = Sample::single(200_000, 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, _) = seed(&sample, source.path()).await;
    let (entered, wait_entered) = std::sync::mpsc::channel();
    let (release, wait_release) = std::sync::mpsc::channel::<()>();
    let (sample_metainfo, peer) = (sample.metainfo.clone(), address(&seeder));
    let path = target.path().to_owned();
    let (give, take) = std::sync::mpsc::channel();
    let wait_release = std::sync::Mutex::new(wait_release);
    // The loop runs on a thread of its own, and is stopped there by a callback.
    let runtime = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let leecher = session().await;
            let torrent = leecher
                .add(sample_metainfo)
                .dir(path)
                .peers([peer])
                .on_hash_pass(move |_| {
                    let _ = entered.send(());
                    let _ = wait_release.lock().unwrap().recv();
                })
                .await
                .unwrap();
            give.send(torrent.clone()).unwrap();
            torrent.wait_complete().await.unwrap();
            leecher.shutdown().await;
        });
    });
    let held_up = tokio::task::spawn_blocking(move || {
        let torrent = take.recv().unwrap();
        wait_entered.recv().unwrap();
        torrent
    });
    let torrent = soon("the callback", held_up).await.unwrap();
    // The loop is blocked in the callback now; none of these may wait for it.
    let asked = tokio::task::spawn_blocking(move || {
        let _ = (
            torrent.stats(),
            torrent.peers(),
            torrent.files(),
            torrent.trackers(),
        );
        let _ = (
            torrent.bitfield(),
            torrent.wanted(),
            torrent.left(),
            torrent.detail(),
        );
        torrent
            .set_priority(headwater_session::FileIndex(0), 3)
            .unwrap();
        torrent.files()[0].priority
    });
    assert_eq!(soon("the getters", asked).await.unwrap(), 3);
    drop(release);
    tokio::task::spawn_blocking(move || runtime.join().unwrap())
        .await
        .unwrap();
    seeder.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_mind_in_any_order_settle() {
    let sample = Sample::new(&[("a", 300_000), ("b", 300_000), ("c", 300_000)], 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, _) = seed(&sample, source.path()).await;
    let leecher = session().await;
    let torrent = leecher
        .add(sample.metainfo.clone())
        .dir(target.path())
        .peers([address(&seeder)])
        .await
        .unwrap();
    let mut random = 12_345_u32;
    for _ in 0..60 {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let file = headwater_session::FileIndex(random >> 20 & 1);
        match random >> 24 & 7 {
            0 | 1 => torrent.start(),
            2 => torrent.pause(),
            3 => torrent.stop(),
            4 => torrent.set_priority(file, 0).unwrap(),
            5 => torrent.set_priority(file, 2).unwrap(),
            6 => drop(torrent.hashcheck(file)),
            _ => soon("settling", torrent.settled()).await.unwrap(),
        }
        tokio::task::yield_now().await;
    }
    let files = torrent.files();
    torrent
        .set_priorities(files.iter().map(|file| (file.index, 1)))
        .unwrap();
    torrent.start();
    torrent.add_peers([address(&seeder)]);
    soon("settling", torrent.settled()).await.unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();
    sample.assert_same(target.path());
    let report = soon("the check", torrent.hashcheck(..).unwrap())
        .await
        .unwrap();
    assert!(report.failed.is_empty());
    soon("the end", leecher.shutdown()).await;
    soon("the end of the seed", seeder.shutdown()).await;
}

#[tokio::test]
async fn connections_are_limited_for_all_torrents_together() {
    let sample = Sample::single(400_000, 16_384);
    let source = tempfile::tempdir().unwrap();
    sample.write(source.path());
    let seeder = builder().max_connections(1).start().await.unwrap();
    let add = seeder.add(sample.metainfo.clone()).dir(source.path());
    let seeded = add.read_only(true).trust(true).await.unwrap();
    soon("the seed", seeded.wait_complete()).await.unwrap();

    let mut leeches = Vec::new();
    for _ in 0..2 {
        let target = tempfile::tempdir().unwrap();
        let leecher = session().await;
        let torrent = leecher
            .add(sample.metainfo.clone())
            .dir(target.path())
            .state(State::Paused)
            .peers([address(&seeder)])
            .await
            .unwrap();
        soon("settling", torrent.settled()).await.unwrap();
        leeches.push((leecher, torrent, target));
    }
    eventually("a connection", async || !seeded.peers().is_empty()).await;
    assert_eq!(seeded.peers().len(), 1);
    for (_, torrent, _) in &leeches {
        torrent.start();
    }
    let (first, second) = (&leeches[0].1, &leeches[1].1);
    let either = async {
        tokio::select! {
            outcome = first.wait_complete() => outcome,
            outcome = second.wait_complete() => outcome,
        }
    };
    soon("the one that is connected", either).await.unwrap();
    assert!(
        first.is_complete() != second.is_complete(),
        "the other got in as well"
    );
    for (leecher, ..) in &leeches {
        soon("the end", leecher.shutdown()).await;
    }
    seeder.shutdown().await;
}

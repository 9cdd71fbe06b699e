//! Torrents from magnet links, between sessions on loopback.
#![allow(missing_docs)]

mod common;

use common::wire_peer::WirePeer;
use common::{Sample, address, builder, eventually, seed, session, soon, until};
use headwater_session::{
    AddError, Detail, Event, FileIndex, HashcheckError, InfoHash, Magnet, MetadataError, MoveError,
    PeerSource, ResumePolicy, SelectionError, Session, Source, State, Torrent, WaitError,
};
use headwater_tracker_server::{Config, Server};
use tempfile::{TempDir, tempdir};

const FILES: [(&str, usize); 3] = [("a", 100_000), ("b", 50_000), ("c", 70_001)];

/// A seed, and a magnet link that leads to it.
struct Rig {
    sample: Sample,
    seeder: Session,
    source: TempDir,
    target: TempDir,
}

impl Rig {
    async fn new() -> Self {
        let files = FILES.map(|(name, length)| (name, length * 20));
        let sample = Sample::with_options(&files, |options| {
            options.piece_length = Some(16_384);
            // So that the metadata has several pieces of its own.
            options.source = Some("x".repeat(60_000));
        });
        Self::of(sample).await
    }

    async fn of(sample: Sample) -> Self {
        let (source, target) = (tempdir().unwrap(), tempdir().unwrap());
        sample.write(source.path());
        let (seeder, _) = seed(&sample, source.path()).await;
        Self {
            sample,
            seeder,
            source,
            target,
        }
    }

    fn magnet(&self) -> Magnet {
        let mut magnet = self.sample.metainfo.magnet();
        magnet.peers = vec![address(&self.seeder).to_string().parse().unwrap()];
        magnet
    }

    async fn add(&self, session: &Session, magnet: Magnet) -> Torrent {
        let add = session.add(magnet).dir(self.target.path());
        add.await.unwrap()
    }

    async fn end(&self, session: &Session) {
        soon("the end", session.shutdown()).await;
        soon("the end of the seed", self.seeder.shutdown()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_from_a_link() {
    let rig = Rig::new().await;
    assert!(rig.sample.metainfo.info().raw().len() > 3 * 16_384);
    let leecher = session().await;
    let link = rig.magnet().to_string();
    let add = leecher.add(&*link).dir(rig.target.path());
    let (torrent, mut events) = add.start_with_events().await.unwrap();
    assert_eq!(torrent.name(), "sample");
    assert_eq!(torrent.info_hashes(), rig.sample.metainfo.info_hashes());
    let info = soon("the metadata", torrent.metadata()).await.unwrap();
    assert_eq!(info.raw(), rig.sample.metainfo.info().raw());
    soon("the download", torrent.wait_complete()).await.unwrap();
    rig.sample.assert_same(rig.target.path());
    let seen = until(&mut events, |event| matches!(event, Event::Completed)).await;
    let place = |wanted: fn(&Event) -> bool| seen.iter().position(wanted).unwrap();
    let received = place(|event| matches!(event, Event::MetadataReceived));
    assert!(received < place(|event| matches!(event, Event::PiecePassed(_))));
    let active = |event: &Event| matches!(event, Event::StateChanged(State::Active));
    assert!(
        seen[received..].iter().any(active),
        "it is told when files are ready"
    );
    eventually("that seeds part", || async { torrent.peers().is_empty() }).await;
    rig.end(&leecher).await;
}

#[tokio::test]
async fn before_the_metadata_there_is_nothing_but_a_name() {
    let dir = tempdir().unwrap();
    let session = session().await;
    let hash = InfoHash([7; 20]);
    let torrent = session.add(hash).dir(dir.path()).await.unwrap();
    soon("the start", torrent.settled()).await.unwrap();
    assert!(matches!(torrent.detail(), Detail::FetchingMetadata));
    assert_eq!(torrent.name(), hash.to_string());
    assert_eq!(torrent.dir(), dir.path());
    assert!(torrent.info().is_none() && torrent.raw_name().is_empty());
    assert!(!torrent.is_complete() && !torrent.is_seed());
    assert_eq!((torrent.size(), torrent.left()), (0, 0));
    assert_eq!((torrent.piece_count(), torrent.piece_length()), (0, 0));
    assert!(torrent.files().is_empty() && torrent.bitfield().is_empty());
    assert!(torrent.set_priority(FileIndex(0), 1).is_err());
    let checked = torrent.hashcheck(..).map(drop);
    assert!(matches!(checked, Err(HashcheckError::NoMetadata)));
    let moved = torrent.move_storage(dir.path().join("x")).await;
    assert!(matches!(moved, Err(MoveError::NoMetadata)));
    let resume = torrent.resume_data().await.map(drop);
    assert!(matches!(resume, Err(WaitError::NoMetadata)));
    assert_eq!(torrent.stats().done(), 0);

    torrent.pause();
    soon("the pause", torrent.settled()).await.unwrap();
    assert!(matches!(torrent.detail(), Detail::Idle));
    torrent.stop();
    soon("the stop", torrent.settled()).await.unwrap();
    let waiting = torrent.clone();
    let waiting = tokio::spawn(async move { waiting.metadata().await.map(drop) });
    let removed = soon("the removal", session.remove_with_data(&torrent)).await;
    removed.unwrap();
    let waited = soon("the wait", waiting).await.unwrap();
    assert!(matches!(waited, Err(WaitError::Closed)));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    soon("the end", session.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_links_tracker_finds_peers() {
    let config = Config {
        http: vec![(std::net::Ipv4Addr::LOCALHOST, 0).into()],
        ..Config::default()
    };
    let server = Server::bind(config).await.unwrap();
    let url = format!("http://{}/announce", server.http_addrs()[0]);
    let rig = Rig::of(Sample::with_trackers(&FILES, 16_384, vec![vec![url]])).await;
    let leecher = session().await;
    let torrent = rig.add(&leecher, rig.sample.metainfo.magnet()).await;
    soon("the download", torrent.wait_complete()).await.unwrap();
    rig.sample.assert_same(rig.target.path());
    rig.end(&leecher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_may_be_named_by_host_names() {
    let rig = Rig::new().await;
    let leecher = session().await;
    let mut magnet = rig.magnet();
    let port = address(&rig.seeder).port();
    magnet.peers = vec![format!("localhost:{port}").parse().unwrap()];
    let torrent = rig.add(&leecher, magnet).await;
    eventually("the peer", || async {
        let peers = torrent.peers();
        peers.iter().any(|peer| peer.source == PeerSource::Magnet) || torrent.is_complete()
    })
    .await;
    soon("the download", torrent.wait_complete()).await.unwrap();
    rig.end(&leecher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_link_asks_nobody() {
    let rig = Rig::new().await;
    let state = tempdir().unwrap();
    let policy = ResumePolicy::Folder(state.path().to_owned());
    let leecher = builder()
        .resume_policy(policy.clone())
        .start()
        .await
        .unwrap();
    let mut magnet = rig.magnet();
    magnet.selected_files = vec![1..=1];
    let torrent = rig.add(&leecher, magnet).await;
    soon("the download", torrent.wait_complete()).await.unwrap();
    rig.end(&leecher).await;

    for _ in 0..2 {
        let again = builder()
            .resume_policy(policy.clone())
            .start()
            .await
            .unwrap();
        let magnet = Magnet::new(rig.sample.metainfo.info_hashes());
        let torrent = rig.add(&again, magnet).await;
        assert_eq!(
            torrent.size(),
            rig.sample.metainfo.info().geometry().total_size()
        );
        torrent.set_priority(FileIndex(0), 0).unwrap();
        torrent.set_priority(FileIndex(2), 0).unwrap();
        soon("the start", torrent.wait_complete()).await.unwrap();
        assert_eq!(torrent.stats().session_downloaded, 0);
        let kept = soon("resume data", torrent.resume_data()).await.unwrap();
        assert!(kept.metadata.as_deref() == Some(rig.sample.metainfo.info().raw()));
        soon("the end", again.shutdown()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resume_data_that_lies_about_the_metadata_is_not_believed() {
    let rig = Rig::new().await;
    let leecher = session().await;
    let torrent = rig.add(&leecher, rig.magnet()).await;
    soon("the download", torrent.wait_complete()).await.unwrap();
    let mut resume = soon("resume data", torrent.resume_data()).await.unwrap();
    let other = Sample::single(1000, 16_384);
    resume.metadata = Some(other.metainfo.info().raw().to_vec().into());
    soon("the removal", leecher.remove(&torrent)).await;
    let add = leecher.add(rig.sample.metainfo.magnet());
    let add = add.dir(rig.target.path()).resume(resume);
    let torrent = add.await.unwrap();
    assert!(torrent.info().is_none());
    torrent.add_peers([address(&rig.seeder)]);
    soon("the metadata", torrent.wait_complete()).await.unwrap();
    rig.sample.assert_same(rig.target.path());
    rig.end(&leecher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_disk_already_is_found() {
    let rig = Rig::new().await;
    rig.sample.write(rig.target.path());
    let hole = rig.sample.path(rig.target.path(), 1);
    std::fs::write(&hole, vec![0; 50_000 * 20]).unwrap();
    let leecher = session().await;
    let torrent = rig.add(&leecher, rig.magnet()).await;
    soon("the download", torrent.wait_complete()).await.unwrap();
    rig.sample.assert_same(rig.target.path());
    let downloaded = torrent.stats().session_downloaded;
    assert!(downloaded < 52_000 * 20, "{downloaded}");
    rig.end(&leecher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_the_link_selects_is_fetched() {
    let rig = Rig::new().await;
    let leecher = session().await;
    let mut magnet = rig.magnet();
    magnet.selected_files = vec![0..=0, 2..=7];
    let torrent = rig.add(&leecher, magnet).await;
    soon("the download", torrent.wait_complete()).await.unwrap();
    let priorities: Vec<_> = torrent.files().iter().map(|file| file.priority).collect();
    assert_eq!(priorities, [1, 0, 1]);
    rig.sample.assert_file(rig.target.path(), 0);
    rig.sample.assert_file(rig.target.path(), 2);
    assert!(!rig.sample.path(rig.target.path(), 1).exists());
    rig.end(&leecher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_chosen_when_they_are_known() {
    let rig = Rig::new().await;
    let leecher = session().await;
    let mut magnet = rig.magnet();
    magnet.selected_files = vec![0..=0];
    let add = leecher.add(magnet).dir(rig.target.path());
    let add = add.choose_files(|info| {
        let files = info.layout().files().iter();
        let is_b = |path: &str| path.ends_with("/b");
        Ok(files
            .map(|file| u32::from(is_b(file.path().as_str())))
            .collect())
    });
    let torrent = add.await.unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();
    rig.sample.assert_file(rig.target.path(), 1);
    assert!(!rig.sample.path(rig.target.path(), 0).exists());
    rig.end(&leecher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_choice_that_cannot_be_made_is_an_error_at_every_start() {
    let rig = Rig::new().await;
    let leecher = session().await;
    let add = leecher.add(rig.magnet()).dir(rig.target.path());
    let torrent = add
        .choose_files(|_| Err("nothing here".into()))
        .await
        .unwrap();
    for _ in 0..2 {
        let Err(WaitError::Failed(error)) = soon("the failure", torrent.metadata()).await else {
            panic!("there is nothing to choose");
        };
        let refused = matches!(
            error.metadata(),
            Some(MetadataError::Selection(SelectionError::Refused(_)))
        );
        assert!(refused && error.to_string() == "nothing here", "{error}");
        assert!(matches!(torrent.detail(), Detail::Failed(_)));
        torrent.start();
    }
    let mut magnet = rig.magnet();
    magnet.selected_files = vec![9..=9];
    soon("the removal", leecher.remove(&torrent)).await;
    let torrent = rig.add(&leecher, magnet).await;
    let failed = soon("the failure", torrent.wait_complete())
        .await
        .unwrap_err();
    assert!(
        failed.to_string().contains("there is no file 9"),
        "{failed}"
    );
    assert_eq!(std::fs::read_dir(rig.target.path()).unwrap().count(), 0);
    rig.end(&leecher).await;

    // Of a torrent that is known, it is known at once.
    let known = session().await;
    let add = known
        .add(rig.sample.metainfo.clone())
        .dir(rig.target.path());
    let refused = add.choose_files(|_| Err("nothing here".into())).await;
    assert!(matches!(refused, Err(AddError::Selection(_))));
    soon("the end", known.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_start_can_be_tried_again_with_the_same_metadata() {
    let rig = Rig::new().await;
    let leecher = session().await;
    let dir = rig.target.path().join("dir");
    std::fs::write(&dir, "in the way").unwrap();
    let torrent = leecher.add(rig.magnet()).dir(&dir).await.unwrap();
    let failed = soon("the failure", torrent.wait_complete()).await;
    assert!(matches!(failed, Err(WaitError::Failed(_))), "{failed:?}");
    soon("the end of the seed", rig.seeder.shutdown()).await;
    std::fs::remove_file(&dir).unwrap();
    let (seeder, _) = seed(&rig.sample, rig.source.path()).await;
    torrent.add_peers([address(&seeder)]);
    torrent.start();
    soon("the download", torrent.wait_complete()).await.unwrap();
    rig.sample.assert_same(&dir);
    soon("the end of the seed", seeder.shutdown()).await;
    soon("the end", leecher.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_that_is_no_torrent_is_a_failure_with_a_reason() {
    let info = b"d12:meta versioni2e4:name1:x12:piece lengthi16384ee";
    let peer = WirePeer::start(info.to_vec()).await;
    let (session, dir) = (session().await, tempdir().unwrap());
    let add = session.add(peer.info_hash()).dir(dir.path());
    let torrent = add.peers([peer.address()]).await.unwrap();
    let failed = soon("the failure", torrent.metadata()).await.unwrap_err();
    assert_eq!(failed.to_string(), "v2 torrents are not supported yet");
    assert!(matches!(torrent.detail(), Detail::Failed(_)));
    soon("the end", session.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_cannot_lead_out_of_the_base_directory() {
    let info =
        b"d5:filesld6:lengthi0e4:pathl2:..2:..4:evileee4:name2:..12:piece lengthi16384e6:pieces0:e";
    let peer = WirePeer::start(info.to_vec()).await;
    let dir = tempdir().unwrap();
    let inner = dir.path().join("in/ner");
    let session = session().await;
    let add = session.add(peer.info_hash()).dir(&inner);
    let torrent = add.peers([peer.address()]).await.unwrap();
    soon("the metadata", torrent.wait_complete()).await.unwrap();
    let files = torrent.files();
    assert!(files.iter().all(|file| file.path.starts_with(&inner)));
    assert!(files.iter().all(|file| file.path.exists()));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    soon("the end", session.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_wrong_metadata_is_not_believed() {
    let rig = Rig::new().await;
    let liar = WirePeer::start(rig.sample.metainfo.info().raw().to_vec()).await;
    liar.lie();
    let leecher = session().await;
    let add = leecher.add(rig.magnet()).dir(rig.target.path());
    let torrent = add.peers([liar.address()]).await.unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();
    rig.sample.assert_same(rig.target.path());
    rig.end(&leecher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_torrents_metadata_is_not_given_to_others() {
    let rig = Rig::of(Sample::private(300_000)).await;
    let peer = WirePeer::start(rig.sample.metainfo.info().raw().to_vec()).await;
    let [first, second] = [session().await, session().await];
    let dirs = [tempdir().unwrap(), tempdir().unwrap()];
    let add = first.add(peer.info_hash()).dir(dirs[0].path());
    let informed = add
        .peers([peer.address(), address(&rig.seeder)])
        .await
        .unwrap();
    soon("the download", informed.wait_complete())
        .await
        .unwrap();
    assert!(informed.info().unwrap().is_private());

    let add = second.add(peer.info_hash()).dir(dirs[1].path());
    let ignorant = add
        .peers([address(&first), address(&rig.seeder)])
        .await
        .unwrap();
    eventually("both connections", || async { ignorant.peers().len() == 2 }).await;
    ignorant.add_peers([peer.address()]);
    soon("the metadata", ignorant.metadata()).await.unwrap();
    let gave = peer.connections();
    assert_eq!(gave, 2, "nobody else gave it");
    soon("the end", first.shutdown()).await;
    rig.end(&second).await;
}

#[tokio::test]
async fn links_that_cannot_be_used_are_refused_at_once() {
    let session = session().await;
    let add = session.add("magnet:?dn=nothing").await;
    assert!(matches!(add, Err(AddError::Magnet(_))));
    let v2 = format!("magnet:?xt=urn:btmh:1220{}", "0".repeat(64));
    assert!(matches!(session.add(&*v2).await, Err(AddError::V2Only)));
    let loaded = Source::from(InfoHash([1; 20])).load().await;
    assert!(matches!(loaded, Err(AddError::NoMetadata)));
    let first = session.add(InfoHash([1; 20])).state(State::Stopped).await;
    first.unwrap();
    let second = session.add(InfoHash([1; 20])).await;
    assert!(matches!(second, Err(AddError::AlreadyAdded(_))));
    soon("the end", session.shutdown()).await;
}

#[tokio::test]
async fn a_link_that_names_two_torrents_is_found_out() {
    let sample = Sample::new(&FILES, 16_384);
    let peer = WirePeer::start(sample.metainfo.info().raw().to_vec()).await;
    let link = format!(
        "magnet:?xt=urn:btih:{}&xt=urn:btmh:1220{}&x.pe={}",
        peer.info_hash(),
        "0".repeat(64),
        peer.address()
    );
    let session = session().await;
    let dir = tempdir().unwrap();
    let torrent = session.add(link).dir(dir.path()).await.unwrap();
    let failed = soon("the failure", torrent.metadata()).await.unwrap_err();
    assert!(
        failed.to_string().contains("different torrents"),
        "{failed}"
    );
    soon("the end", session.shutdown()).await;
}

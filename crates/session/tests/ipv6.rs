//! IPv6 wherever IPv4 works: listening, dialling, trackers.
#![allow(missing_docs)]

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use common::{Sample, eventually, soon};
use headwater_session::{PeerSource, Session, State, Torrent};
use headwater_tracker_server::{Config, Server};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

async fn session(addresses: &[IpAddr]) -> Session {
    let builder = Session::builder().port(0);
    let builder = addresses.iter().fold(builder, |it, ip| it.bind(*ip));
    builder.start().await.unwrap()
}

#[tokio::test]
async fn one_port_on_both_families() {
    let session = session(&[V4, V6]).await;
    let expected = [V4, V6].map(|ip| SocketAddr::new(ip, session.port()));
    assert_eq!(session.local_addrs(), expected);
    session.shutdown().await;
}

/// A leech that is told of the seed by a tracker that only IPv6 reaches.
async fn through_a_tracker(url: impl Fn(&Server) -> String, length: usize) {
    let config = Config {
        http: vec![SocketAddr::new(V6, 0)],
        udp: vec![SocketAddr::new(V6, 0)],
        ..Config::default()
    };
    let server = Server::bind(config).await.unwrap();
    let sample = Sample::with_trackers(&[("f", length)], 16_384, vec![vec![url(&server)]]);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, leecher) = (session(&[V4, V6]).await, session(&[V4, V6]).await);
    let add = |session: &Session, dir: &tempfile::TempDir| {
        session.add(sample.metainfo.clone()).dir(dir.path())
    };
    let seeded = add(&seeder, &source).read_only(true).await.unwrap();
    eventually("the tracker knows the seed", async || {
        let tiers = seeded.trackers();
        let mut trackers = tiers.iter().flat_map(|tier| &tier.trackers);
        trackers.any(|tracker| tracker.complete.is_some())
    })
    .await;
    let add = add(&leecher, &target).state(State::Paused);
    let torrent = add.await.unwrap();
    let is_met = async || !torrent.peers().is_empty();
    eventually("the tracker's peer", is_met).await;
    let peer = torrent.peers().remove(0);
    assert_eq!(peer.source, PeerSource::Tracker);
    assert_eq!(peer.address, SocketAddr::new(V6, seeder.port()));
    torrent.start();
    soon("the download", torrent.wait_complete()).await.unwrap();
    sample.assert_same(target.path());
    leecher.shutdown().await;
    seeder.shutdown().await;
}

#[tokio::test]
async fn an_http_tracker_is_told_and_names_peers() {
    let url = |server: &Server| format!("http://{}/announce", server.http_addrs()[0]);
    through_a_tracker(url, 100_001).await;
}

#[tokio::test]
async fn a_udp_tracker_is_told_and_names_peers() {
    let url = |server: &Server| format!("udp://{}/announce", server.udp_addrs()[0]);
    through_a_tracker(url, 100_002).await;
}

/// One at which everybody is known, one that is reached over IPv4 and one over IPv6: peer exchange makes the last two meet, but not
/// for a private torrent.
#[tokio::test]
async fn peers_are_exchanged_between_families_but_not_for_private_torrents() {
    let (public, private) = (Sample::single(100_003, 16_384), Sample::private(100_004));
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut torrents: Vec<[Torrent; 2]> = Vec::new();
    let mut sessions = Vec::new();
    for folder in &folders {
        let session = session(&[V4, V6]).await;
        let mut both = Vec::new();
        for sample in [&public, &private] {
            let dir = folder
                .path()
                .join(sample.metainfo.info().info_hashes().primary().to_string());
            both.push(session.add(sample.metainfo.clone()).dir(dir).await.unwrap());
        }
        torrents.push(both.try_into().unwrap());
        sessions.push(session);
    }
    let hub = |ip| [SocketAddr::new(ip, sessions[0].port())];
    for (torrents, ip) in torrents[1..].iter().zip([V4, V6]) {
        for torrent in torrents {
            torrent.add_peers(hub(ip));
        }
    }
    eventually("both meet", async || {
        torrents.iter().all(|[public, _]| public.peers().len() == 2)
    })
    .await;
    let exchanged = torrents.iter().flat_map(|[public, _]| public.peers());
    let exchanged = exchanged.filter(|peer| peer.source == PeerSource::Exchange);
    assert!(exchanged.count() > 0);
    for (node, [_, private]) in torrents.iter().enumerate() {
        let connected = if node == 0 { 2 } else { 1 };
        assert_eq!(private.peers().len(), connected);
        assert_eq!(private.stats().known_peers, connected);
    }
    for session in sessions {
        session.shutdown().await;
    }
}

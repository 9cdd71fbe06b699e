//! Local service discovery, over the loopback interface alone.
//!
//! Every test has torrents of its own: all of them hear each other, and whatever else runs on the machine.
#![allow(missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use common::{Sample, builder, eventually, seed_in, soon};
use headwater_session::lsd::{Announce, Group};
use headwater_session::{Discovery, InfoHash, PeerSource, Session, Torrent};
use headwater_wire::Handshake;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UdpSocket};

/// A session that is found on loopback.
async fn session() -> Session {
    builder().lsd_on_loopback(true).start().await.unwrap()
}

async fn seed(session: &Session, sample: &Sample, dir: &std::path::Path) -> Torrent {
    sample.write(dir);
    seed_in(session, sample, dir).await
}

fn hash(sample: &Sample) -> InfoHash {
    sample.metainfo.info().info_hashes().primary()
}

/// A socket of the group, as any program on the network has one.
fn group_socket() -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_reuse_address(true).unwrap();
    #[cfg(unix)]
    socket.set_reuse_port(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, Group::PORT));
    socket.bind(&SockAddr::from(address)).unwrap();
    let IpAddr::V4(group) = Group::V4.address().ip() else {
        unreachable!();
    };
    socket
        .join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
        .unwrap();
    socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    UdpSocket::from_std(socket.into()).unwrap()
}

/// Every torrent that is announced until `last` is.
async fn announced_until(socket: &UdpSocket, last: InfoHash) -> BTreeSet<InfoHash> {
    let mut heard = BTreeSet::new();
    let mut buffer = [0; 2048];
    while !heard.contains(&last) {
        let received = soon("an announce", socket.recv_from(&mut buffer)).await;
        let (length, _) = received.unwrap();
        if let Ok(announce) = Announce::decode(&buffer[..length]) {
            heard.extend(announce.info_hashes);
        }
    }
    heard
}

/// Announces as another program would.
async fn announce(socket: &UdpSocket, port: u16, info_hashes: Vec<InfoHash>) {
    let announce = Announce {
        port,
        info_hashes,
        cookie: None,
    };
    let datagram = announce.encode(Group::V4);
    socket
        .send_to(&datagram, Group::V4.address())
        .await
        .unwrap();
}

/// The torrent of the next connection.
async fn dialled(listener: &TcpListener) -> InfoHash {
    let (mut stream, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut hello = [0; 68];
    soon("a handshake", stream.read_exact(&mut hello))
        .await
        .unwrap();
    Handshake::decode(&hello).unwrap().unwrap().info_hash
}

#[tokio::test]
async fn sessions_on_one_machine_find_each_other() {
    let sample = Sample::single(200_001, 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (seeder, leecher) = (session().await, session().await);
    let seeded = seed(&seeder, &sample, source.path()).await;
    let add = leecher.add(sample.metainfo.clone()).dir(target.path());
    let torrent = add.await.unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();
    sample.assert_same(target.path());
    // Whichever heard of the other first has dialled; both may be gone from the other's list, as seeds.
    let found = |torrent: &Torrent| torrent.stats().known_peers;
    assert!(found(&torrent) + found(&seeded) > 0);
    leecher.shutdown().await;
    seeder.shutdown().await;
}

#[tokio::test]
async fn peers_say_how_they_were_found() {
    let sample = Sample::single(200_003, 16_384);
    let session = session().await;
    let dir = tempfile::tempdir().unwrap();
    let add = session.add(sample.metainfo.clone()).dir(dir.path());
    let torrent = add.await.unwrap();
    let socket = group_socket();
    announced_until(&socket, hash(&sample)).await;

    let other = Session::builder()
        .port(0)
        .bind(Ipv4Addr::LOCALHOST)
        .dht(false)
        .lsd(false);
    let other = other.start().await.unwrap();
    let other_dir = tempfile::tempdir().unwrap();
    let add = other.add(sample.metainfo.clone()).dir(other_dir.path());
    add.await.unwrap();
    announce(&socket, other.port(), vec![hash(&sample)]).await;
    eventually("a peer from local discovery", async || {
        let peers = torrent.peers();
        peers
            .iter()
            .any(|peer| peer.source == PeerSource::LocalDiscovery)
    })
    .await;
    session.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
async fn a_private_torrent_is_neither_announced_nor_looked_for() {
    let (private, public) = (Sample::private(200_004), Sample::single(200_005, 16_384));
    let dir = tempfile::tempdir().unwrap();
    let session = session().await;
    let socket = group_socket();
    for sample in [&private, &public] {
        let add = session.add(sample.metainfo.clone()).dir(dir.path());
        let torrent = add.await.unwrap();
        soon("its start", torrent.settled()).await.unwrap();
    }
    let heard = announced_until(&socket, hash(&public)).await;
    assert!(!heard.contains(&hash(&private)));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    announce(&socket, port, vec![hash(&private)]).await;
    announce(&socket, port, vec![hash(&public)]).await;
    assert_eq!(dialled(&listener).await, hash(&public));
    let private = session.torrent(hash(&private)).unwrap();
    assert_eq!(private.stats().known_peers, 0);
    session.shutdown().await;
}

#[tokio::test]
async fn it_can_be_turned_off_for_a_torrent_and_on_again() {
    let (quiet, public) = (
        Sample::single(200_006, 16_384),
        Sample::single(200_007, 16_384),
    );
    let dir = tempfile::tempdir().unwrap();
    let session = session().await;
    let socket = group_socket();
    let add = session.add(quiet.metainfo.clone()).dir(dir.path());
    let torrent = add.discovery(Discovery::NONE).await.unwrap();
    soon("its start", torrent.settled()).await.unwrap();
    session
        .add(public.metainfo.clone())
        .dir(dir.path())
        .await
        .unwrap();
    let heard = announced_until(&socket, hash(&public)).await;
    assert!(!heard.contains(&hash(&quiet)));
    torrent.set_discovery(Discovery::ALL);
    announced_until(&socket, hash(&quiet)).await;
    session.shutdown().await;
}

#[tokio::test]
async fn a_stopped_torrent_is_not_looked_for() {
    let (stopped, public) = (
        Sample::single(200_008, 16_384),
        Sample::single(200_009, 16_384),
    );
    let dir = tempfile::tempdir().unwrap();
    let session = session().await;
    let socket = group_socket();
    let torrent = session
        .add(stopped.metainfo.clone())
        .dir(dir.path())
        .await
        .unwrap();
    session
        .add(public.metainfo.clone())
        .dir(dir.path())
        .await
        .unwrap();
    announced_until(&socket, hash(&stopped)).await;
    torrent.stop();
    soon("its end", torrent.settled()).await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    announce(&socket, port, vec![hash(&stopped)]).await;
    eventually("the other one is asked for", async || {
        announce(&socket, port, vec![hash(&public)]).await;
        session.torrent(hash(&public)).unwrap().stats().known_peers > 0
    })
    .await;
    assert_eq!(torrent.stats().known_peers, 0);
    session.shutdown().await;
}

//! The DHT between sessions on loopback.

mod common;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use common::wire_peer::WirePeer;
use common::{PATIENCE, Sample, address, eventually, seed_in, soon};
use headwater_metainfo::HostPort;
use headwater_session::dht::{
    Announce, DhtError, DhtStatus, KeyPair, MutableItem, NodeId, Salt, Value,
};
use headwater_session::{InfoHash, PeerSource, ResumePolicy, Session, SessionBuilder, State};
use tokio::net::UdpSocket;

/// Many nodes on one machine, and nobody else.
fn builder() -> SessionBuilder {
    builder_at(Ipv4Addr::LOCALHOST)
}

fn builder_at(ip: impl Into<IpAddr>) -> SessionBuilder {
    let builder = Session::builder().port(0).bind(ip);
    builder.dht_restrict_addresses(false).lsd(false).pex(false)
}

fn host(address: SocketAddr) -> HostPort {
    address.to_string().parse().unwrap()
}

/// A session whose only way into the DHT is another.
async fn beside(other: &Session) -> Session {
    builder_at(address(other).ip())
        .dht_bootstrap([host(address(other))])
        .start()
        .await
        .unwrap()
}

/// Has a session seed the sample, which is written to `dir`.
async fn seed(session: &Session, sample: &Sample, dir: &Path) {
    sample.write(dir);
    seed_in(session, sample, dir).await;
}

/// A session beside a node that seeds the sample and is announced there.
async fn announced_seed(hub: &Session, sample: &Sample, dir: &Path) -> Session {
    let seeder = beside(hub).await;
    seed(&seeder, sample, dir).await;
    let announced = || async { hub.dht().stats().node.peers > 0 };
    eventually("the seed is announced", announced).await;
    seeder
}

#[tokio::test]
async fn a_download_finds_its_seed_through_a_third() {
    through_a_third(Ipv4Addr::LOCALHOST).await;
}

#[tokio::test]
async fn nodes_of_ipv6_are_as_good() {
    through_a_third(Ipv6Addr::LOCALHOST).await;
}

async fn through_a_third(ip: impl Into<IpAddr>) {
    let sample = Sample::single(300_000, 16 << 10);
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hub = builder_at(ip).start().await.unwrap();
    let seeder = announced_seed(&hub, &sample, from.path()).await;
    let leech = beside(&hub).await;
    let torrent = leech
        .add(sample.metainfo.clone())
        .dir(to.path())
        .await
        .unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();
    sample.assert_same(to.path());
    let sources: Vec<_> = torrent.peers().iter().map(|peer| peer.source).collect();
    assert!(
        sources
            .iter()
            .all(|source| matches!(source, PeerSource::Dht)),
        "{sources:?}"
    );
    for session in [hub, seeder, leech] {
        soon("the shutdown", session.shutdown()).await;
    }
}

#[tokio::test]
async fn an_info_hash_and_a_node_are_enough() {
    let sample = Sample::single(300_000, 16 << 10);
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hub = builder().start().await.unwrap();
    let _seeder = announced_seed(&hub, &sample, from.path()).await;
    let leech = beside(&hub).await;
    let hash = sample.metainfo.info_hashes().primary();
    let torrent = leech.add(hash).dir(to.path()).await.unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();
    sample.assert_same(to.path());
}

#[tokio::test]
async fn peers_tell_each_other_of_their_nodes() {
    let sample = Sample::single(3_000_000, 16 << 10);
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let seeder = builder().start().await.unwrap();
    seed(&seeder, &sample, from.path()).await;
    // Nobody tells it of a node but its peer.
    let leech = builder().start().await.unwrap();
    let add = leech.add(sample.metainfo.clone()).dir(to.path());
    let _torrent = add.peers([address(&seeder)]).await.unwrap();
    let knows = || async { leech.dht().stats().node.families.v4.good > 0 };
    eventually("the leech knows the seed's node", knows).await;
}

#[tokio::test]
async fn a_torrent_names_nodes() {
    let hub = builder().start().await.unwrap();
    let sample = Sample::single(20_000, 16 << 10);
    let mut bytes = b"d4:info".to_vec();
    bytes.extend(sample.metainfo.info().raw());
    bytes.extend(format!("5:nodesll9:127.0.0.1i{}eeee", hub.port()).bytes());
    let dir = tempfile::tempdir().unwrap();
    let session = builder().start().await.unwrap();
    session.add(bytes).dir(dir.path()).await.unwrap();
    let knows = || async { session.dht().stats().node.families.v4.good > 0 };
    eventually("the node of the torrent is known", knows).await;
}

#[tokio::test]
async fn nothing_is_told_of_a_private_torrent() {
    // It writes down what it hears, and never answers.
    let spy = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let place = host(spy.local_addr().unwrap());
    let seeder = builder()
        .dht_bootstrap([place.clone()])
        .start()
        .await
        .unwrap();
    let leech = builder().dht_bootstrap([place]).start().await.unwrap();
    let secret = Sample::private(300_000);
    let dirs = [(); 4].map(|()| tempfile::tempdir().unwrap());
    seed(&seeder, &secret, dirs[0].path()).await;
    let add = leech.add(secret.metainfo.clone()).dir(dirs[1].path());
    let torrent = add.peers([address(&seeder)]).await.unwrap();
    soon("the private download", torrent.wait_complete())
        .await
        .unwrap();
    // Nobody has needed the DHT: not even its first datagram was sent.
    assert_eq!(leech.dht().stats().status, DhtStatus::Idle);
    assert_eq!(seeder.dht().stats().status, DhtStatus::Idle);
    assert!(spy.try_recv_from(&mut [0; 2048]).is_err());

    // That they would have used it is seen of a public torrent. The spy answers as a node that knows nobody.
    let public = Sample::single(300_000, 16 << 10);
    let shown = public.metainfo.info_hashes().primary();
    let hidden = secret.metainfo.info_hashes().primary();
    seed(&seeder, &public, dirs[2].path()).await;
    let mut buffer = [0; 2048];
    let mut has_shown = HashSet::new();
    let listening = async {
        while !has_shown.contains(&shown) {
            let (length, from) = spy.recv_from(&mut buffer).await.unwrap();
            let datagram = &buffer[..length];
            for hash in [shown, hidden] {
                if contains(datagram, &hash.0) {
                    has_shown.insert(hash);
                }
            }
            if let Some(answer) = answer(datagram) {
                spy.send_to(&answer, from).await.unwrap();
            }
        }
    };
    soon("the public torrent is looked for", listening).await;
    assert!(!has_shown.contains(&hidden));
}

/// A link does not say that its torrent is private. Its metadata does, and from then on nothing is announced.
#[tokio::test]
async fn metadata_that_turns_out_private_ends_a_search_under_way() {
    let node = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let place = host(node.local_addr().unwrap());
    let session = builder().dht_bootstrap([place]).start().await.unwrap();
    let (secret, public) = (Sample::private(300_000), Sample::single(20_000, 16 << 10));
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let peer = WirePeer::start(secret.metainfo.info().raw().to_vec()).await;
    let add = session.add(peer.info_hash()).dir(dirs[0].path());
    let torrent = add.await.unwrap();
    let is_search = |query: &[u8]| contains(query, b"9:get_peers");
    let (search, from) = soon("the search", answer_until(&node, is_search)).await;
    torrent.add_peers([peer.address()]);
    let info = soon("the metadata", torrent.metadata()).await.unwrap();
    assert!(info.is_private());
    soon("the start", torrent.settled()).await.unwrap();
    // The answer that would have led to an announce.
    node.send_to(&answer(&search).unwrap(), from).await.unwrap();
    seed(&session, &public, dirs[1].path()).await;
    let is_announce = |query: &[u8]| contains(query, b"13:announce_peer");
    let (announce, _) = soon("an announce", answer_until(&node, is_announce)).await;
    let hash = public.metainfo.info_hashes().primary();
    assert!(contains(&announce, &hash.0), "of the public torrent alone");
}

fn contains(datagram: &[u8], part: &[u8]) -> bool {
    datagram.windows(part.len()).any(|window| window == part)
}

/// Answers what a node is asked, as one that knows nobody, until it is asked what a test waits for. That is given, with where it came from.
async fn answer_until(node: &UdpSocket, is_it: impl Fn(&[u8]) -> bool) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    loop {
        let (length, from) = node.recv_from(&mut buffer).await.unwrap();
        let datagram = &buffer[..length];
        if is_it(datagram) {
            return (datagram.to_vec(), from);
        }
        if let Some(answer) = answer(datagram) {
            node.send_to(&answer, from).await.unwrap();
        }
    }
}

/// What a node says that knows nobody and is asked anything.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let at = query.windows(3).rposition(|window| window == b"1:t")?;
    let (length, rest) = (query.get(at + 3)? - b'0', query.get(at + 5..)?);
    let transaction = rest.get(..usize::from(length))?;
    let mut answer = b"d1:rd2:id20:aaaaaaaaaaaaaaaaaaaa5:nodes0:5:token1:xe1:t".to_vec();
    answer.extend(format!("{length}:").bytes());
    answer.extend(transaction);
    answer.extend(b"1:y1:re");
    Some(answer)
}

#[tokio::test]
async fn without_a_node_there_is_an_error_and_no_socket() {
    let session = builder().dht(false).start().await.unwrap();
    assert_eq!(session.dht().stats().status, DhtStatus::Off);
    let error = session
        .dht()
        .get_peers(InfoHash([1; 20]))
        .await
        .unwrap_err();
    assert_eq!(error, DhtError::Off);
    // The UDP port is free.
    UdpSocket::bind(address(&session)).await.unwrap();
}

#[tokio::test]
async fn a_taken_udp_port_costs_the_dht_and_nothing_else() {
    let first = builder().start().await.unwrap();
    let taken = address(&first);
    first.shutdown().await;
    drop(first);
    let _socket = {
        let bound = || async { UdpSocket::bind(taken).await.is_ok() };
        eventually("the port is free again", bound).await;
        UdpSocket::bind(taken).await.unwrap()
    };
    let session = builder().port(taken.port()).start().await.unwrap();
    assert_eq!(session.dht().stats().status, DhtStatus::PortInUse);
    let error = session
        .dht()
        .put(Value::text("x").unwrap())
        .await
        .unwrap_err();
    assert_eq!(error, DhtError::PortInUse(taken));
}

#[tokio::test]
async fn items_and_peers_are_kept_for_others() {
    let hub = builder().start().await.unwrap();
    let (one, other) = (beside(&hub).await, beside(&hub).await);
    let (one, other) = (one.dht(), other.dht());
    let pong = soon("a pong", one.ping(address(&hub))).await.unwrap();
    assert_eq!(pong.node.address, address(&hub));

    let value = Value::text("Hello World!").unwrap();
    let stored = soon("storing", one.put(value.clone())).await.unwrap();
    assert!(stored.nodes > 0);
    assert_eq!(
        soon("fetching", other.get(stored.target)).await.unwrap(),
        Some(value.clone())
    );
    assert_eq!(
        soon("fetching", other.get(NodeId([9; 20]))).await.unwrap(),
        None
    );

    let (keys, salt) = (KeyPair::from_seed(&[3; 32]), Salt::new(b"salt").unwrap());
    let version = |seq, text| {
        let value = Value::text(text).unwrap();
        MutableItem::sign(&keys, salt.clone(), seq, value)
    };
    soon("storing", one.put_mutable(version(1, "first"), None))
        .await
        .unwrap();
    soon("storing", one.put_mutable(version(2, "second"), Some(1)))
        .await
        .unwrap();
    let newest = soon("fetching", other.get_mutable(&keys.public(), salt.clone()))
        .await
        .unwrap();
    assert_eq!(newest, Some(version(2, "second")));
    let refused = soon("storing", one.put_mutable(version(3, "third"), Some(1))).await;
    assert!(
        matches!(refused, Err(DhtError::Refused { .. })),
        "{refused:?}"
    );

    let (hash, seed) = (
        InfoHash([5; 20]),
        Announce {
            port: 7_000,
            implied_port: false,
            seed: true,
        },
    );
    let announced = soon("announcing", one.announce(hash, seed)).await.unwrap();
    assert!(announced.nodes > 0);
    let peers = soon("searching", other.get_peers(hash)).await.unwrap();
    assert_eq!(peers, [SocketAddr::from(([127, 0, 0, 1], 7_000))]);
    assert_eq!(soon("counting", other.scrape(hash)).await.unwrap().seeds, 1);
    let sampled = soon("sampling", other.sample(NodeId([5; 20])))
        .await
        .unwrap();
    assert!(sampled.info_hashes.contains(&hash));
}

#[tokio::test]
async fn waits_are_bounded() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let place = silent.local_addr().unwrap();
    let session = builder()
        .dht_bootstrap([host(place)])
        .start()
        .await
        .unwrap();
    let dht = session.dht().timeout(Duration::from_millis(200));
    let error = soon("the search", dht.get_peers(InfoHash([1; 20])))
        .await
        .unwrap_err();
    assert_eq!(error, DhtError::TimedOut);
    assert_eq!(dht.stats().node.lookups, 0, "it was called off");
    let waiting = tokio::spawn(async move { dht.timeout(PATIENCE).get(NodeId([1; 20])).await });
    let asked = || async { session.dht().stats().node.lookups > 0 };
    eventually("it has begun", asked).await;
    soon("the shutdown", session.shutdown()).await;
    assert_eq!(
        soon("the end", waiting).await.unwrap().unwrap_err(),
        DhtError::Closed
    );
}

#[tokio::test]
async fn nodes_are_kept_until_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let policy = ResumePolicy::Folder(folder.path().to_owned());
    let hub = builder().start().await.unwrap();
    let known = [host(address(&hub))];
    let first = builder().dht_bootstrap(known).resume_policy(policy.clone());
    let first = first.start().await.unwrap();
    soon("a search", first.dht().get_peers(InfoHash([1; 20])))
        .await
        .unwrap();
    soon("the shutdown", first.shutdown()).await;

    let second = builder().resume_policy(policy).start().await.unwrap();
    soon("a search", second.dht().get_peers(InfoHash([1; 20])))
        .await
        .unwrap();
    assert!(second.dht().stats().node.families.v4.good > 0);
}

#[tokio::test]
async fn a_stopped_torrent_is_not_announced() {
    let spy = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let place = host(spy.local_addr().unwrap());
    let session = builder().dht_bootstrap([place]).start().await.unwrap();
    let sample = Sample::single(20_000, 16 << 10);
    let dir = tempfile::tempdir().unwrap();
    let add = session.add(sample.metainfo.clone()).dir(dir.path());
    let torrent = add.state(State::Stopped).await.unwrap();
    soon("it stands still", torrent.settled()).await.unwrap();
    assert_eq!(session.dht().stats().status, DhtStatus::Idle);
    torrent.start();
    let begun = || async { session.dht().stats().status == DhtStatus::Running };
    eventually("the DHT is used", begun).await;
}

#[tokio::test]
async fn kept_nodes_that_are_gone_are_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let policy = ResumePolicy::Folder(folder.path().to_owned());
    for _ in 0..2 {
        let hub = builder().start().await.unwrap();
        let known = [host(address(&hub))];
        let session = builder().dht_bootstrap(known).resume_policy(policy.clone());
        let session = session.start().await.unwrap();
        soon("a search", session.dht().get_peers(InfoHash([1; 20])))
            .await
            .unwrap();
        soon("the shutdown", session.shutdown()).await;
        soon("the shutdown", hub.shutdown()).await;
    }
}

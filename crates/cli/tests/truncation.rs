//! A seed whose file is cut while it serves neither dies nor sends a wrong byte.
//!
//! `TRUNCATION_ROUNDS=500 cargo test -p headwater --test truncation` cuts as often.
#![cfg(unix)]

mod common;
#[path = "truncation/wire_peer.rs"]
mod wire_peer;

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{ALONE, PATIENCE, Place, noise};
use headwater_session::{MemoryStorage, Metainfo, Session, Torrent};
use wire_peer::WirePeer;

const LENGTH: usize = (4 << 20) + 12_345;
const PIECE_LENGTH: usize = 64 << 10;
const LEECHES: u8 = 10;

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn a_seed_whose_file_is_cut_serves_what_is_left_and_no_wrong_byte() {
    let rounds = std::env::var("TRUNCATION_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let seed = u64::from(std::process::id()) | 1 << 40;
    println!("drawn from {seed}");
    let mut dice = Dice(seed);
    let place = Place::new();
    let data: Arc<[u8]> = noise(7, LENGTH).into();
    place.write("file.bin", &data);
    place.ok(["create", "file.bin", "--piece-length", "64K"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut served = 0;
    for round in 0..rounds {
        served += runtime.block_on(cut_while_serving(&place, &data, &mut dice, round % 3 == 2));
    }
    println!("{rounds} cuts, {served} blocks compared");
}

/// One seed, ten leeches, one bare peer, one cut; gives how many blocks the bare peer compared.
async fn cut_while_serving(
    place: &Place,
    data: &Arc<[u8]>,
    dice: &mut Dice,
    make_long_again: bool,
) -> usize {
    let file = place.write("file.bin", data);
    let torrent = Metainfo::from_bytes(&place.read("file.bin.torrent")).unwrap();
    let mut seed = place.start([&["seed", "file.bin.torrent"], &ALONE[..]].concat());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, seed.port() as u16));
    seed.event("checked");
    let peer = WirePeer::start(
        address,
        torrent.info().info_hashes().primary().0,
        data.clone(),
        PIECE_LENGTH,
        dice.below(u64::MAX),
    );
    peer.wait_for(1);
    let failed = Arc::new(AtomicUsize::new(0));
    let mut leeches = Vec::new();
    for number in 0..LEECHES {
        leeches.push(leech(number, &torrent, address, &failed).await);
    }
    peer.wait_for(1 + dice.below(400) as usize);

    // Mostly inside of a page.
    let end = LENGTH as u64 / 4 + dice.below(LENGTH as u64 / 2);
    cut(&file, end);
    if make_long_again {
        thread::sleep(Duration::from_micros(dice.below(3_000)));
        cut(&file, LENGTH as u64);
    }
    let intact = end as usize / PIECE_LENGTH;
    peer.wait_for_more_below(intact, 100);
    enough_have(&leeches, intact as u32).await;
    assert!(seed.is_running(), "the seed has died");
    for (session, _) in leeches {
        session.shutdown().await;
    }
    assert_eq!(
        failed.load(Ordering::Relaxed),
        0,
        "leeches got wrong pieces"
    );
    peer.stop()
}

fn cut(file: &Path, length: u64) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(length).unwrap();
}

/// A peer with an address of its own that checks what it gets.
async fn leech(
    number: u8,
    torrent: &Metainfo,
    seed: SocketAddr,
    failed: &Arc<AtomicUsize>,
) -> (Session, Torrent) {
    let builder = Session::builder()
        .port(0)
        .bind(Ipv4Addr::new(127, 0, 1, number))
        .dht(false);
    let session = builder.disk_threads(1).start().await.unwrap();
    let failures = failed.clone();
    let torrent = session
        .add(torrent.clone())
        .storage(|info| Ok(Arc::new(MemoryStorage::new(info.layout()))))
        .download_limit(8 << 20)
        .on_hash_fail(move |_| _ = failures.fetch_add(1, Ordering::Relaxed))
        .await
        .unwrap();
    // There is nothing yet, of which the first check tells; only what comes counts.
    torrent.settled().await.unwrap();
    failed.fetch_sub(torrent.piece_count() as usize, Ordering::Relaxed);
    torrent.add_peers([seed]);
    (session, torrent)
}

/// Waits until half of the leeches have the first pieces: the others may have to wait for a slot.
async fn enough_have(leeches: &[(Session, Torrent)], intact: u32) {
    let deadline = Instant::now() + PATIENCE;
    let has = |torrent: &Torrent| {
        let had = torrent.bitfield();
        had.ones().take_while(|piece| piece.0 < intact).count() as u32 == intact
    };
    while leeches.iter().filter(|(_, torrent)| has(torrent)).count() < leeches.len() / 2 {
        assert!(Instant::now() < deadline, "what is left is not served");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

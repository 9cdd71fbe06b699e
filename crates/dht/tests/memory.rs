//! What the stores take, as the allocator sees it. Alone in its program, because there is one allocator for all of it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use headwater_dht::storage::{PeerLimits, PeerStore};
use headwater_metainfo::InfoHash;
use peak_alloc::PeakAlloc;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const PEERS: usize = 100_000;

/// Bytes that a store of so many peers has allocated, and had at the worst moment.
fn bytes(torrents: usize, address: fn(u32) -> SocketAddr) -> (usize, usize) {
    #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
    let now = Instant::now();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let hashes: Vec<_> = (0..torrents).map(|_| InfoHash(rng.random())).collect();
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let limits = PeerLimits {
        torrents,
        per_torrent: PEERS,
        peers: PEERS,
    };
    let mut store = PeerStore::new(limits, now, &mut rng);
    // In turn, so that no torrent's list grows in one go.
    for number in 0..PEERS {
        let hash = hashes[number % torrents];
        store.announce(now, hash, address(number as u32), number % 3 == 0);
    }
    assert_eq!((store.torrents(), store.peers()), (torrents, PEERS));
    (
        ALLOCATOR.current_usage() - before,
        ALLOCATOR.peak_usage() - before,
    )
}

fn v4(number: u32) -> SocketAddr {
    (Ipv4Addr::from_bits(0x3000_0000 + number), 6881).into()
}

fn v6(number: u32) -> SocketAddr {
    let ip = Ipv6Addr::from_bits((0x2001_0db8 << 96) + (u128::from(number) << 64));
    (ip, 6881).into()
}

#[test]
fn a_hundred_thousand_peers_fit_into_little() {
    let kib = |bytes: usize| bytes / 1024;
    for (family, torrents, limit) in [
        ("IPv4", 2_000, 1_500),
        ("IPv4", 200, 1_200),
        ("IPv4", 50_000, 8_000),
        ("IPv6", 2_000, 3_000),
    ] {
        let (kept, peak) = bytes(torrents, if family == "IPv4" { v4 } else { v6 });
        println!(
            "{PEERS} {family} peers of {torrents} torrents: {} KiB, {} KiB at the worst moment",
            kib(kept),
            kib(peak)
        );
        assert!(kib(kept) <= limit, "{} KiB", kib(kept));
        assert!(kib(peak) <= 2 * limit, "{} KiB", kib(peak));
    }
}

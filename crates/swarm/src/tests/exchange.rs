//! That data gets from one end to the other.

use std::time::Duration;

use headwater_wire::{Message, Reserved};

use super::net::Net;

const SOON: Duration = Duration::from_mins(1);

#[test]
fn a_leech_gets_everything_from_a_seed() {
    let mut net = Net::new();
    let (seed, leech) = (net.seed(10), net.leech(10));
    net.introduce(leech, seed);
    net.run_until(SOON, |net| net.has_all(leech));
    let stats = net.nodes[leech].torrent.stats();
    assert_eq!(stats.downloaded, 10 * 65_536 - 1_000);
    assert_eq!(
        stats.wasted_duplicate + stats.wasted_failed + stats.wasted_unrequested,
        0
    );
    assert_eq!(net.nodes[seed].torrent.stats().uploaded, stats.downloaded);
}

#[test]
fn no_timer_is_in_the_way_of_a_small_torrent() {
    let mut net = Net::new();
    let (seed, leech) = (net.seed(16), net.leech(16));
    net.introduce(leech, seed);
    let took = net.run_until(SOON, |net| net.has_all(leech));
    // Pieces, interest, unchoke, then 4 + 8 + 16 + 32 + 4 blocks, each in one round trip.
    assert!(took <= net.latency * 13, "{took:?}");
}

#[test]
fn peers_without_any_extension_get_along() {
    let mut net = Net::new();
    let (seed, leech) = (net.seed(10), net.leech(10));
    for node in [seed, leech] {
        net.nodes[node].reserved = Reserved::default();
    }
    net.introduce(leech, seed);
    net.run_until(SOON, |net| net.has_all(leech));
    let sent = net.nodes.iter().flat_map(|node| &node.sent);
    let extended = |message: &Message| {
        matches!(
            message,
            Message::Extended { .. }
                | Message::HaveAll
                | Message::HaveNone
                | Message::AllowedFast(_)
        )
    };
    assert_eq!(sent.filter(|message| extended(message)).count(), 0);
}

#[test]
fn a_swarm_spreads_one_seed() {
    let mut net = Net::new();
    let seed = net.seed(30);
    let leeches: Vec<_> = (0..8).map(|_| net.leech(30)).collect();
    net.introduce_all();
    net.run_until(SOON, |net| leeches.iter().all(|&leech| net.has_all(leech)));
    net.run_for(Duration::from_secs(5));
    // Seeds have nothing for each other.
    assert_eq!(net.nodes[seed].torrent.stats().peers, 0);
}

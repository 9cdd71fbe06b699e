//! Peers of torrents.

mod entry;
mod family;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use headwater_metainfo::InfoHash;
use headwater_metainfo::compact::usable;
use indexmap::IndexMap;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::index;
use rand::{Rng, RngExt, SeedableRng};

use crate::keyed::Keyed;
use crate::krpc::Scrape;
use entry::{Entry, Tick};
use family::Family;

/// How long a peer is kept after its announce.
pub const PEER_TIME: Duration = Duration::from_secs(PEER_SECONDS as u64);

const PEER_SECONDS: u16 = 30 * 60;

/// How often [`PeerStore::expire`] goes through everything.
const SWEEP_TIME: Duration = Duration::from_mins(1);

/// Torrents that are looked at in search of one that is to give way.
const CANDIDATES: usize = 8;

/// How much a [`PeerStore`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLimits {
    /// Torrents. Default 2,000.
    pub torrents: usize,
    /// Peers of one torrent, both families together. Default 500.
    pub per_torrent: usize,
    /// Peers in all. Default 100,000.
    pub peers: usize,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            torrents: 2000,
            per_torrent: 500,
            peers: 100_000,
        }
    }
}

/// Which peers are wanted, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Those with IPv6 addresses, not those with IPv4 addresses.
    pub v6: bool,
    /// At most so many.
    pub most: usize,
    /// Seeds only where there are not enough others (BEP 33).
    pub no_seeds: bool,
}

/// Who announced a torrent here in the last half hour.
///
/// An IPv4 peer takes 8 bytes, an IPv6 peer 20, a torrent about 100; with the default limits 100,000 peers of 2,000
/// torrents fit into 1.5 MiB. When a torrent has all the peers that it may have, its oldest makes room for a new one. When
/// there are too many torrents, the smallest of a few random ones goes; when there are too many peers in all, the largest of the
/// one that grew and a few random ones gives up its oldest. Neither a flood of torrents nor one of peers drives out
/// everything else.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use headwater_dht::storage::{PEER_TIME, PeerLimits, PeerStore, Wanted};
/// use headwater_metainfo::InfoHash;
/// use rand::SeedableRng;
///
/// let start = Instant::now();
/// let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
/// let mut store = PeerStore::new(PeerLimits::default(), start, &mut rng);
/// let torrent = InfoHash([1; 20]);
/// store.announce(start, torrent, "192.0.2.1:6881".parse()?, false);
///
/// let mut peers = Vec::new();
/// let wanted = Wanted { v6: false, most: 50, no_seeds: false };
/// store.sample(start, &torrent, wanted, &mut peers);
/// assert_eq!(peers, ["192.0.2.1:6881".parse()?]);
///
/// store.expire(start + PEER_TIME);
/// assert_eq!(store.torrents(), 0);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct PeerStore {
    limits: PeerLimits,
    start: Instant,
    rng: Xoshiro256PlusPlus,
    torrents: IndexMap<InfoHash, Torrent, Keyed>,
    peers: usize,
    swept: Instant,
}

#[derive(Debug, Default)]
struct Torrent {
    v4: Family<4>,
    v6: Family<16>,
}

impl PeerStore {
    /// An empty one.
    pub fn new(limits: PeerLimits, now: Instant, rng: &mut impl Rng) -> Self {
        Self {
            limits,
            start: now,
            torrents: IndexMap::with_hasher(Keyed::new(rng)),
            rng: Xoshiro256PlusPlus::from_rng(rng),
            peers: 0,
            swept: now,
        }
    }

    /// Torrents that have peers.
    pub fn torrents(&self) -> usize {
        self.torrents.len()
    }

    /// Peers of all torrents.
    pub fn peers(&self) -> usize {
        self.peers
    }

    /// Keeps a peer for [`PEER_TIME`]. One that is known by its address is kept anew, with its port and what it says now
    /// (BEP 33). Where no peer can be, there is none.
    pub fn announce(&mut self, now: Instant, info_hash: InfoHash, peer: SocketAddr, seed: bool) {
        let Some(peer) = usable(peer) else {
            return;
        };
        self.expire(now);
        let tick = self.tick(now);
        self.make_room(tick, &info_hash);
        let torrent = self.torrents.entry(info_hash).or_default();
        if torrent.insert(peer, seed, tick) {
            self.peers += 1;
        }
        if torrent.len() > self.limits.per_torrent.max(1) {
            torrent.drop_oldest(tick);
            self.peers -= 1;
        }
        while self.peers > self.limits.peers.max(1) {
            self.drop_from_a_large_one(tick, &info_hash);
        }
    }

    /// Adds a random choice of a torrent's peers to `out`.
    pub fn sample(
        &mut self,
        now: Instant,
        info_hash: &InfoHash,
        wanted: Wanted,
        out: &mut Vec<SocketAddr>,
    ) {
        let tick = self.tick(now);
        let Some(torrent) = self.torrents.get(info_hash) else {
            return;
        };
        if self.is_all_over(now) {
            return;
        }
        if wanted.v6 {
            torrent.v6.sample(tick, wanted, &mut self.rng, out);
        } else {
            torrent.v4.sample(tick, wanted, &mut self.rng, out);
        }
    }

    /// The addresses of a torrent's peers of both families in two bloom filters (BEP 33), if it has any. It takes a SHA-1
    /// for each peer.
    pub fn scrape(&self, now: Instant, info_hash: &InfoHash) -> Option<Scrape> {
        let torrent = self.torrents.get(info_hash)?;
        let mut scrape = Scrape::default();
        if !self.is_all_over(now) {
            torrent.v4.scrape(self.tick(now), &mut scrape);
            torrent.v6.scrape(self.tick(now), &mut scrape);
        }
        (scrape != Scrape::default()).then_some(scrape)
    }

    /// Drops peers whose time is over. To be called now and then, about once a minute; if it was not, nobody is given out
    /// for it. Looks at each torrent once a minute: thirty times for each announce at most, and each time only at what is to go.
    pub fn expire(&mut self, now: Instant) {
        if self.is_all_over(now) {
            self.torrents.clear();
            self.peers = 0;
        }
        if now.saturating_duration_since(self.swept) < SWEEP_TIME {
            return;
        }
        let tick = self.tick(now);
        self.swept = now;
        let peers = &mut self.peers;
        self.torrents.retain(|_, torrent| {
            *peers -= torrent.v4.expire(tick) + torrent.v6.expire(tick);
            torrent.len() > 0
        });
    }

    /// Adds up to `most` random info-hashes to `out`.
    pub(super) fn some_hashes(&mut self, most: usize, out: &mut Vec<InfoHash>) {
        let most = most.min(self.torrents.len());
        let chosen = index::sample(&mut self.rng, self.torrents.len(), most).into_iter();
        out.extend(
            chosen
                .filter_map(|at| self.torrents.get_index(at))
                .map(|(hash, _)| *hash),
        );
    }

    /// Whether nothing was done for so long that every peer's time is over, and ticks can no longer tell.
    fn is_all_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.swept) >= PEER_TIME + SWEEP_TIME
    }

    fn tick(&self, now: Instant) -> Tick {
        Tick::new(now.saturating_duration_since(self.start).as_secs())
    }

    /// A torrent that is new takes the place of a small one.
    fn make_room(&mut self, tick: Tick, new: &InfoHash) {
        if self.torrents.len() < self.limits.torrents.max(1) || self.torrents.contains_key(new) {
            return;
        }
        let age = |torrent: &Torrent| Reverse(torrent.oldest(tick));
        let smallest = self.candidates().into_iter().min_by_key(|&at| {
            let torrent = &self.torrents[at];
            (torrent.len(), age(torrent))
        });
        if let Some((_, torrent)) = smallest.and_then(|at| self.torrents.swap_remove_index(at)) {
            self.peers -= torrent.len();
        }
    }

    /// Who grows the largest of some torrents pays for it.
    fn drop_from_a_large_one(&mut self, tick: Tick, grown: &InfoHash) {
        let grown = self.torrents.get_index_of(grown).into_iter();
        let candidates = grown.chain(self.candidates());
        let Some(largest) = candidates.max_by_key(|&at| self.torrents[at].len()) else {
            return;
        };
        self.torrents[largest].drop_oldest(tick);
        self.peers -= 1;
        if self.torrents[largest].len() == 0 {
            self.torrents.swap_remove_index(largest);
        }
    }

    /// Places of a few random torrents; there must be one.
    fn candidates(&mut self) -> [usize; CANDIDATES] {
        let count = self.torrents.len();
        std::array::from_fn(|_| self.rng.random_range(0..count))
    }
}

impl Torrent {
    fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether it is one more.
    fn insert(&mut self, peer: SocketAddr, seed: bool, now: Tick) -> bool {
        match peer.ip() {
            IpAddr::V4(ip) => self
                .v4
                .insert(Entry::new(ip.octets(), peer.port(), seed, now)),
            IpAddr::V6(ip) => self
                .v6
                .insert(Entry::new(ip.octets(), peer.port(), seed, now)),
        }
    }

    /// Seconds since the oldest announce.
    fn oldest(&self, now: Tick) -> u16 {
        let ages = [self.v4.oldest(now), self.v6.oldest(now)];
        ages.into_iter().flatten().max().unwrap_or_default()
    }

    fn drop_oldest(&mut self, now: Tick) {
        if self.v4.oldest(now) >= self.v6.oldest(now) {
            self.v4.drop_oldest();
        } else {
            self.v6.drop_oldest();
        }
    }
}

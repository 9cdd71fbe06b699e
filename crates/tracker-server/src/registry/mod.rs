//! Torrents and their peers, without I/O.

mod swarm;
#[cfg(test)]
mod tests;
mod types;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use headwater_metainfo::InfoHash;
use rand::SeedableRng;
use rand::rngs::SmallRng;

pub use self::types::{Announce, Announced, Counts, Event, Families, ListedPeer, Refusal, Stats};

use self::swarm::Swarm;
use crate::config::Limits;

/// Every torrent that was announced, and who announced it.
///
/// Without I/O and clocks: `now` is passed in and must not go backwards. Call [`expire`](Self::expire) now and then.
///
/// ```
/// use std::time::Instant;
/// use headwater_metainfo::{InfoHash, PeerId};
/// use headwater_tracker_server::{Announce, Event, Families, Limits, Registry};
///
/// let mut registry = Registry::new(Limits::default(), 42);
/// let seed = Announce {
///     info_hash: InfoHash([1; 20]),
///     peer_id: PeerId([2; 20]),
///     address: "192.0.2.1:6881".parse()?,
///     key: None,
///     is_seed: true,
///     event: Event::Started,
///     num_want: None,
///     families: Families::Both,
/// };
/// let leech = Announce { peer_id: PeerId([3; 20]), address: "192.0.2.2:6881".parse()?, is_seed: false, ..seed.clone() };
///
/// let now = Instant::now();
/// registry.announce(now, &seed)?;
/// let answer = registry.announce(now, &leech)?;
/// assert_eq!((answer.counts.complete, answer.counts.incomplete), (1, 1));
/// assert_eq!(answer.peers[0].address, seed.address);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Registry {
    swarms: HashMap<InfoHash, Swarm>,
    /// Swarms that may be without peers, the one that has been so for longest first.
    empty: VecDeque<InfoHash>,
    peers: usize,
    limits: Limits,
    rng: SmallRng,
    announces: u64,
    scrapes: u64,
    refused: u64,
}

impl Registry {
    /// An empty one. `seed` decides which peers are chosen for an answer.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            swarms: HashMap::new(),
            empty: VecDeque::new(),
            peers: 0,
            limits,
            rng: SmallRng::seed_from_u64(seed),
            announces: 0,
            scrapes: 0,
            refused: 0,
        }
    }

    /// Takes an announce in and answers it.
    pub fn announce(&mut self, now: Instant, announce: &Announce) -> Result<Announced, Refusal> {
        let answer = match announce.event {
            Event::Stopped => self.leave(announce),
            _ => self.join(now, announce),
        };
        match answer {
            Ok(_) => self.announces += 1,
            Err(_) => self.refused += 1,
        }
        answer
    }

    /// The figures of those of the torrents that are known, in the order in which they were asked for.
    pub fn scrape(&mut self, info_hashes: &[InfoHash]) -> Vec<(InfoHash, Counts)> {
        self.scrapes += 1;
        info_hashes
            .iter()
            .filter_map(|hash| Some((*hash, self.swarms.get(hash)?.counts())))
            .collect()
    }

    /// Forgets the peers that were not heard of for [`Limits::peer_lifetime`].
    ///
    /// Looks at every peer; once a minute is plenty, since expired peers are not given to anybody meanwhile.
    pub fn expire(&mut self, now: Instant) {
        for (hash, swarm) in &mut self.swarms {
            let before = swarm.len();
            swarm.expire(now);
            self.peers -= before - swarm.len();
            queue_if_empty(*hash, swarm, &mut self.empty);
        }
    }

    /// Figures of the whole.
    pub fn stats(&self) -> Stats {
        let counts = self.swarms.values().map(Swarm::counts);
        let (seeds, leeches) = counts.fold((0, 0), |(seeds, leeches), it| {
            (
                seeds + it.complete as usize,
                leeches + it.incomplete as usize,
            )
        });
        Stats {
            torrents: self.swarms.len(),
            seeds,
            leeches,
            announces: self.announces,
            scrapes: self.scrapes,
            refused: self.refused,
        }
    }

    fn join(&mut self, now: Instant, announce: &Announce) -> Result<Announced, Refusal> {
        self.make_room(&announce.info_hash)?;
        let swarm = self.swarms.entry(announce.info_hash).or_default();
        swarm.check(announce)?;
        let before = swarm.len();
        let has_room =
            before < self.limits.max_peers_per_torrent && self.peers < self.limits.max_peers;
        if has_room || swarm.contains(&announce.peer_id) {
            swarm.join(announce, now + self.limits.peer_lifetime);
            self.peers += swarm.len() - before;
        }
        queue_if_empty(announce.info_hash, swarm, &mut self.empty);
        let wanted = announce.num_want.unwrap_or(self.limits.default_num_want);
        let count = wanted.min(self.limits.max_num_want) as usize;
        let peers = swarm.choose(now, announce, count, &mut self.rng);
        let counts = swarm.counts();
        Ok(self.answer(counts, peers))
    }

    fn leave(&mut self, announce: &Announce) -> Result<Announced, Refusal> {
        let Some(swarm) = self.swarms.get_mut(&announce.info_hash) else {
            return Ok(self.answer(Counts::default(), Vec::new()));
        };
        swarm.check(announce)?;
        let before = swarm.len();
        swarm.leave(announce);
        self.peers -= before - swarm.len();
        queue_if_empty(announce.info_hash, swarm, &mut self.empty);
        let counts = swarm.counts();
        Ok(self.answer(counts, Vec::new()))
    }

    fn answer(&self, counts: Counts, peers: Vec<ListedPeer>) -> Announced {
        Announced {
            interval: self.limits.interval,
            min_interval: self.limits.min_interval,
            counts,
            peers,
        }
    }

    /// Room for the torrent, at the cost of one without peers if need be.
    fn make_room(&mut self, info_hash: &InfoHash) -> Result<(), Refusal> {
        if self.swarms.contains_key(info_hash) {
            return Ok(());
        }
        while self.swarms.len() >= self.limits.max_torrents {
            let hash = self.empty.pop_front().ok_or(Refusal::Full)?;
            if let Some(swarm) = self.swarms.get_mut(&hash) {
                swarm.is_queued_as_empty = false;
                if swarm.is_empty() {
                    self.swarms.remove(&hash);
                }
            }
        }
        Ok(())
    }
}

/// Every swarm is in the queue at most once, so the queue is no longer than the swarms are many.
fn queue_if_empty(hash: InfoHash, swarm: &mut Swarm, queue: &mut VecDeque<InfoHash>) {
    if swarm.is_empty() && !swarm.is_queued_as_empty {
        swarm.is_queued_as_empty = true;
        queue.push_back(hash);
    }
}

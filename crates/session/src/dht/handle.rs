//! [`DhtHandle`]: the DHT for programs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_dht::item::{Item, MutableItem, PublicKey, Value};
use headwater_dht::krpc::Salt;
use headwater_dht::{
    Announce, Contact, Dht as Core, Event, LookupId, LookupStats, NodeId, SwarmSize, TooManyLookups,
};
use headwater_metainfo::InfoHash;

use super::search::Search;
use super::{Dht, DhtError, DhtStats, DhtStatus, PeerSearch};

/// What anything may take unless it is told otherwise.
const PATIENCE: Duration = Duration::from_mins(1);
/// Info-hashes at most that one sampling gives.
const MAX_SAMPLES: usize = 20_000;

/// The session's node of the DHT. Cheap to clone; every call is bounded in time, and called off when its future is dropped.
///
/// ```
/// use headwater_session::{InfoHash, Session};
/// use headwater_session::dht::{Announce, Value};
/// # use headwater_session::SessionBuilder;
/// # fn alone() -> SessionBuilder {
/// #     Session::builder().port(0).bind([127, 0, 0, 1])
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # // Three nodes that know each other, and nobody else.
/// # let first = alone().start().await?;
/// # let known = first.local_addrs()[0].to_string().parse()?;
/// # let second = alone().dht_bootstrap([known]).start().await?;
/// # let known = first.local_addrs()[0].to_string().parse()?;
/// # let session = alone().dht_bootstrap([known]).start().await?;
/// # second.dht().ping(first.local_addrs()[0]).await?;
/// let dht = session.dht();
/// let hash = InfoHash([7; 20]);
/// dht.announce(hash, Announce { port: 6881, implied_port: false, seed: true }).await?;
/// for peer in dht.get_peers(hash).await? {
///     println!("{peer}");
/// }
///
/// let stored = dht.put(Value::text("words to be kept")?).await?;
/// assert_eq!(dht.get(stored.target).await?, Some(Value::text("words to be kept")?));
/// println!("{:?}", dht.stats());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DhtHandle {
    dht: Dht,
    patience: Duration,
}

/// A node that answered a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pong {
    /// Which.
    pub node: Contact,
    /// The time from query to answer.
    pub after: Duration,
}

/// What came of an announce.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announced {
    /// Nodes that took it.
    pub nodes: u32,
    /// Other peers that were found on the way.
    pub peers: Vec<SocketAddr>,
}

/// What came of storing an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Where it is to be found.
    pub target: NodeId,
    /// Nodes that took it.
    pub nodes: u32,
}

/// Samples of what is stored around a point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Sampled {
    /// Info-hashes, each once.
    pub info_hashes: Vec<InfoHash>,
    /// Nodes that gave samples.
    pub nodes: u32,
    /// Info-hashes that these nodes say they have.
    pub total: u64,
}

impl DhtHandle {
    pub(crate) fn new(dht: Dht) -> Self {
        Self {
            dht,
            patience: PATIENCE,
        }
    }

    /// The same with another bound on what anything may take. A minute unless given.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.patience = timeout;
        self
    }

    /// Its figures, at once.
    pub fn stats(&self) -> DhtStats {
        let without = |status| DhtStats {
            status,
            ..DhtStats::default()
        };
        match &self.dht {
            Dht::On(node) => node.stats(),
            Dht::Off => without(DhtStatus::Off),
            Dht::PortInUse(_) => without(DhtStatus::PortInUse),
        }
    }

    /// Tells of a node that may be there.
    pub fn add_node(&self, address: SocketAddr) {
        if let Some(node) = self.dht.node() {
            node.add_nodes([address]);
        }
    }

    /// Asks a node whether it is there. [`DhtError::NoAnswer`] if it is not.
    pub async fn ping(&self, address: SocketAddr) -> Result<Pong, DhtError> {
        let search = self.search(|dht, now| dht.ping(now, address))?;
        let (mut pong, mut refusal) = (None, None);
        let take = |event| match event {
            Event::Pong { from, after, .. } => pong = Some(Pong { node: from, after }),
            Event::Refused { from, error, .. } => refusal = Some(DhtError::Refused { from, error }),
            _ => {}
        };
        search.finish(take).await?;
        pong.ok_or(refusal.unwrap_or(DhtError::NoAnswer))
    }

    /// Looks for peers of a torrent.
    pub fn get_peers(&self, info_hash: InfoHash) -> PeerSearch {
        PeerSearch::new(self.search(|dht, now| dht.get_peers(now, info_hash)))
    }

    /// Announces a peer of a torrent at our address, to the nodes nearest to it.
    pub async fn announce(
        &self,
        info_hash: InfoHash,
        announce: Announce,
    ) -> Result<Announced, DhtError> {
        let search = self.search(|dht, now| dht.announce(now, info_hash, announce))?;
        let mut peers = Vec::new();
        let take = |event| {
            if let Event::Peers { peers: found, .. } = event {
                peers.extend(found);
            }
        };
        let stats = answered(search.finish(take).await?)?;
        Ok(Announced {
            nodes: stats.stored,
            peers,
        })
    }

    /// Estimates how many seeds and peers a torrent has (BEP 33).
    pub async fn scrape(&self, info_hash: InfoHash) -> Result<SwarmSize, DhtError> {
        let search = self.search(|dht, now| dht.scrape(now, info_hash))?;
        let mut scraped = None;
        let take = |event| {
            if let Event::Scraped { size, .. } = event {
                scraped = Some(size);
            }
        };
        answered(search.finish(take).await?)?;
        scraped.ok_or(DhtError::NoAnswer)
    }

    /// The immutable item under `target`, which is its hash (BEP 44); `None` if no node has it.
    pub async fn get(&self, target: NodeId) -> Result<Option<Value>, DhtError> {
        let search = self.search(|dht, now| dht.get_immutable(now, target))?;
        let mut found = None;
        let take = |event| {
            if let Event::Item {
                item: Item::Immutable(value),
                ..
            } = event
            {
                found = Some(value);
            }
        };
        let stats = search.finish(take).await?;
        found_or_answered(found, stats)
    }

    /// The newest version of the item of a key and a salt (BEP 44); `None` if no node has one.
    pub async fn get_mutable(
        &self,
        key: &PublicKey,
        salt: Salt,
    ) -> Result<Option<MutableItem>, DhtError> {
        let search = self.search(|dht, now| dht.get_mutable(now, key, salt))?;
        let mut newest: Option<MutableItem> = None;
        let take = |event| {
            if let Event::Item {
                item: Item::Mutable(item),
                ..
            } = event
            {
                // Told only if it is newer.
                newest = Some(item);
            }
        };
        let stats = search.finish(take).await?;
        found_or_answered(newest, stats)
    }

    /// Stores an immutable item (BEP 44), which nodes forget after two hours.
    pub async fn put(&self, value: Value) -> Result<Stored, DhtError> {
        let target = value.target();
        let search = self.search(|dht, now| dht.put_immutable(now, value))?;
        store(search, target).await
    }

    /// Stores a version of a mutable item (BEP 44); with `cas` only in place of that version.
    pub async fn put_mutable(
        &self,
        item: MutableItem,
        cas: Option<i64>,
    ) -> Result<Stored, DhtError> {
        let target = item.target();
        let search = self.search(|dht, now| dht.put_mutable(now, item, cas))?;
        store(search, target).await
    }

    /// The nodes nearest to a point.
    pub async fn find_node(&self, target: NodeId) -> Result<Vec<Contact>, DhtError> {
        let search = self.search(|dht, now| dht.find_node(now, target))?;
        let mut found = Vec::new();
        let take = |event| {
            if let Event::Nodes { nodes, .. } = event {
                found = nodes;
            }
        };
        answered(search.finish(take).await?)?;
        Ok(found)
    }

    /// Info-hashes that nodes around a point store (BEP 51).
    pub async fn sample(&self, target: NodeId) -> Result<Sampled, DhtError> {
        let search = self.search(|dht, now| dht.sample(now, target))?;
        let mut sampled = Sampled::default();
        let mut seen = std::collections::HashSet::new();
        let take = |event| {
            if let Event::Samples { samples, .. } = event {
                sampled.nodes += 1;
                sampled.total = sampled.total.saturating_add(samples.total);
                for hash in samples.hashes {
                    if sampled.info_hashes.len() < MAX_SAMPLES && seen.insert(hash) {
                        sampled.info_hashes.push(hash);
                    }
                }
            }
        };
        answered(search.finish(take).await?)?;
        Ok(sampled)
    }

    fn search(
        &self,
        begin: impl FnOnce(&mut Core, Instant) -> Result<LookupId, TooManyLookups>,
    ) -> Result<Search, DhtError> {
        Search::start(self.dht.require()?, self.patience, begin)
    }
}

async fn store(search: Search, target: NodeId) -> Result<Stored, DhtError> {
    let mut refusal = None;
    let take = |event| {
        if let Event::Refused { from, error, .. } = event {
            refusal = Some(DhtError::Refused { from, error });
        }
    };
    let stats = answered(search.finish(take).await?)?;
    match (stats.stored, refusal) {
        (0, refusal) => Err(refusal.unwrap_or(DhtError::NoAnswer)),
        (nodes, _) => Ok(Stored { target, nodes }),
    }
}

/// What was found, or that it was not, if anybody answered.
fn found_or_answered<T>(found: Option<T>, stats: LookupStats) -> Result<Option<T>, DhtError> {
    if found.is_none() {
        answered(stats)?;
    }
    Ok(found)
}

/// What a search took, if anybody answered.
fn answered(stats: LookupStats) -> Result<LookupStats, DhtError> {
    match stats.answers {
        0 => Err(DhtError::NoAnswer),
        _ => Ok(stats),
    }
}

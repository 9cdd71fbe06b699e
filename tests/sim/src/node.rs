//! One peer while the simulation runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use headwater_metainfo::{Bitfield, InfoHash, PeerId, PieceGeometry, PieceIndex};
use headwater_swarm::{Config, PeerKey, Stats, Torrent};
use rustc_hash::FxHashMap;

use crate::disk::Disk;
use crate::link::{Downlink, EndId, Uplink};
use crate::reader::{Reader, ReadingOrder};
use crate::spec::{NodeSpec, Start};
use crate::time::Time;

pub(crate) const INFO_HASH: InfoHash = InfoHash([0x51; 20]);
const PORT: u16 = 6_881;

/// What a peer spoilt for another one.
#[derive(Debug, Default)]
pub(crate) struct Spoilt {
    /// Pieces of which it has bad blocks, as far as they have not failed yet.
    pub(crate) pieces: BTreeSet<PieceIndex>,
    /// How many failed that it had part in.
    pub(crate) failed: u32,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) spec: NodeSpec,
    /// Its brain, while it is there.
    pub(crate) torrent: Option<Torrent>,
    /// Its ends of open connections.
    pub(crate) ends: FxHashMap<PeerKey, EndId>,
    pub(crate) up: Uplink,
    pub(crate) down: Downlink,
    pub(crate) disk: Disk,
    pub(crate) backlogged: bool,
    pub(crate) reader: Option<Reader>,
    /// When its brain is to be called next.
    pub(crate) timer: Option<Instant>,
    /// How often it was started.
    pub(crate) generation: u32,
    pub(crate) done: Option<Time>,
    pub(crate) banned_by: Vec<u32>,
    /// For each peer to which it sent spoilt blocks: what came of that.
    pub(crate) spoilt: BTreeMap<u32, Spoilt>,
    pub(crate) chokes: bool,
    /// Counters of earlier starts.
    earlier: Stats,
    /// What it has while it is away.
    kept: Option<(Bitfield, Vec<(PieceIndex, Bitfield)>)>,
}

impl Node {
    pub(crate) fn new(spec: NodeSpec, resolution: Duration) -> Self {
        Self {
            up: Uplink::new(spec.up, resolution),
            down: Downlink::new(spec.down),
            disk: Disk::new(spec.disk),
            reader: spec.reader.map(Reader::new),
            spec,
            torrent: None,
            ends: FxHashMap::default(),
            backlogged: false,
            timer: None,
            generation: 0,
            done: None,
            banned_by: Vec::new(),
            spoilt: BTreeMap::new(),
            chokes: false,
            earlier: Stats::default(),
            kept: None,
        }
    }

    /// Starts its brain, with what it kept if it was there before.
    pub(crate) fn start(&mut self, now: Instant, index: u32, geometry: PieceGeometry, seed: u64) {
        self.generation += 1;
        let mut config = Config::new(INFO_HASH, self.peer_id(index), geometry);
        config.seed = seed;
        config.listen_port = Some(PORT);
        config.limits = self.spec.limits.clone();
        config.super_seeding = self.spec.super_seeding;
        config.discovery = self.spec.discovery;
        config.priorities.clone_from(&self.spec.priorities);
        match (self.kept.take(), &self.spec.start) {
            (Some((have, partial)), _) => (config.have, config.partial) = (have, partial),
            (None, Start::Complete) => config = config.complete(),
            (None, Start::Pieces(have)) => config.have = have.clone(),
            (None, Start::Empty) => {}
        }
        let mut torrent = Torrent::new(now, config);
        if let Some(reader) = &self.reader {
            let is_sequential = reader.spec.order == ReadingOrder::Sequential;
            torrent.set_sequential(now, is_sequential);
        }
        self.torrent = Some(torrent);
    }

    pub(crate) fn peer_id(&self, index: u32) -> PeerId {
        let mut id = *b"-HW0100-000000000000";
        id[12..16].copy_from_slice(&index.to_be_bytes());
        id[16..].copy_from_slice(&self.generation.to_be_bytes());
        PeerId(id)
    }

    /// Ends its brain; its counters and what it has are kept.
    pub(crate) fn stop(&mut self) {
        self.earlier = self.stats();
        if let Some(torrent) = self.torrent.take() {
            self.kept = Some((torrent.have().clone(), torrent.partial().collect()));
        }
        self.ends.clear();
        self.up.turns.clear();
        self.timer = None;
    }

    /// Counters over all starts.
    pub(crate) fn stats(&self) -> Stats {
        let Some(torrent) = &self.torrent else {
            return self.earlier;
        };
        let (now, before) = (torrent.stats(), &self.earlier);
        Stats {
            downloaded: before.downloaded + now.downloaded,
            uploaded: before.uploaded + now.uploaded,
            wasted_failed: before.wasted_failed + now.wasted_failed,
            wasted_duplicate: before.wasted_duplicate + now.wasted_duplicate,
            wasted_unrequested: before.wasted_unrequested + now.wasted_unrequested,
            ..now
        }
    }

    /// How much of the torrent it has, in thousandths.
    pub(crate) fn progress(&self) -> u32 {
        let Some(torrent) = &self.torrent else {
            return 0;
        };
        let have = torrent.have();
        (u64::from(have.count()) * 1_000 / u64::from(have.len().max(1))) as u32
    }
}

/// Where a node listens: each has an address of its own, scattered so that no two seem to be neighbours.
pub(crate) fn address_of(index: u32) -> SocketAddr {
    let [high, low] = (index as u16).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(20 + high, low, 7, 1), PORT))
}

/// Whose address it is.
pub(crate) fn node_at(address: SocketAddr) -> Option<u32> {
    match address {
        SocketAddr::V4(v4) => {
            let [high, low, ..] = v4.ip().octets();
            Some(u32::from(high.checked_sub(20)?) << 8 | u32::from(low))
        }
        SocketAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_its_own_address() {
        for index in [0, 1, 255, 256, 1_000, 9_999] {
            assert_eq!(node_at(address_of(index)), Some(index));
        }
    }

    #[test]
    fn it_comes_back_with_what_it_had_and_another_name() {
        let geometry = PieceGeometry::new(10 << 14, 1 << 14).unwrap();
        let rate = crate::Rate::UNLIMITED;
        let mut node = Node::new(NodeSpec::leech(rate, rate), Duration::from_millis(1));
        let now = Instant::now();
        node.start(now, 3, geometry, 1);
        let first = node.peer_id(3);
        if let Some(torrent) = &mut node.torrent {
            torrent.set_have(now, PieceIndex(4), true);
        }
        assert_eq!(node.progress(), 100);
        node.stop();
        assert_eq!(node.progress(), 0);
        node.start(now, 3, geometry, 1);
        assert_eq!(node.progress(), 100);
        assert_ne!(node.peer_id(3), first);
    }
}

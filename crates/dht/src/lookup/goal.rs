//! What a lookup is for: what it asks, what it makes of answers, what it stores at the end.

use std::net::SocketAddr;

use headwater_metainfo::InfoHash;
use rustc_hash::FxHashSet;

use super::items::{Fetch, Put};
use super::scrape::ScrapeSum;
use super::walk::Keeper;
use crate::item::Item;
use crate::krpc::{QueryKind, Response, Samples};
use crate::{Contact, NodeId};

/// Peers that one lookup passes on.
const MAX_PEERS: usize = 4_000;

/// A peer that is to be announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// Where it listens; not looked at if the port is implied.
    pub port: u16,
    /// It listens on the port from which our datagrams come, whatever that is on the outside (BEP 5).
    pub implied_port: bool,
    /// It is a seed (BEP 33).
    pub seed: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) enum Goal {
    /// The nodes that are nearest to a point.
    Nodes(NodeId),
    /// The peers of a torrent, and perhaps to become one.
    Peers(Peers),
    /// How many peers there are.
    Scrape(InfoHash, Box<ScrapeSum>),
    /// Info-hashes that are stored on the way to a point.
    Samples(NodeId),
    /// An item.
    Fetch(Fetch),
    /// That an item be stored.
    Put(Put),
}

/// See [`Goal::Peers`].
#[derive(Debug)]
pub(crate) struct Peers {
    info_hash: InfoHash,
    announce: Option<Announce>,
    seen: FxHashSet<SocketAddr>,
}

/// What an answer had of what a lookup is for.
#[derive(Debug)]
pub(crate) enum Find {
    /// Peers that were not found before.
    Peers(Vec<SocketAddr>),
    /// A sample.
    Samples(Samples),
    /// An item.
    Item(Item),
}

impl Goal {
    pub(crate) fn peers(info_hash: InfoHash, announce: Option<Announce>) -> Self {
        Self::Peers(Peers {
            info_hash,
            announce,
            seen: FxHashSet::default(),
        })
    }

    pub(crate) fn scrape(info_hash: InfoHash) -> Self {
        Self::Scrape(info_hash, Box::default())
    }

    /// Where it goes.
    pub(crate) fn target(&self) -> NodeId {
        match self {
            Self::Nodes(target) | Self::Samples(target) => *target,
            Self::Peers(peers) => peers.info_hash.into(),
            Self::Scrape(info_hash, _) => (*info_hash).into(),
            Self::Fetch(fetch) => fetch.target(),
            Self::Put(put) => put.target(),
        }
    }

    /// What every node on the way is asked.
    pub(crate) fn query(&self) -> QueryKind {
        match self {
            Self::Nodes(target) => QueryKind::FindNode { target: *target },
            Self::Samples(target) => QueryKind::SampleInfohashes { target: *target },
            Self::Peers(peers) => QueryKind::GetPeers {
                info_hash: peers.info_hash,
                // Seeds have no use for each other.
                noseed: peers.announce.is_some_and(|announce| announce.seed),
                scrape: false,
            },
            Self::Scrape(info_hash, _) => QueryKind::GetPeers {
                info_hash: *info_hash,
                noseed: false,
                scrape: true,
            },
            Self::Fetch(_) | Self::Put(_) => QueryKind::Get {
                target: self.target(),
                seq: None,
            },
        }
    }

    /// Takes what it is for out of an answer.
    pub(crate) fn take(&mut self, response: &mut Response) -> Option<Find> {
        match self {
            Self::Nodes(_) | Self::Put(_) => None,
            Self::Fetch(fetch) => fetch.take(response).map(Find::Item),
            Self::Peers(peers) => peers.take(&response.values),
            Self::Samples(_) => response.samples.take().map(Find::Samples),
            Self::Scrape(_, sum) => {
                sum.add(response);
                None
            }
        }
    }

    /// What is to be stored with a node at the end.
    pub(crate) fn store(&self, keeper: &Keeper<'_>) -> Option<QueryKind> {
        match self {
            Self::Peers(peers) => peers.store(keeper),
            Self::Put(put) => Some(put.store(keeper)),
            _ => None,
        }
    }

    /// Whether it has what it is for, and no need to go on.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Fetch(fetch) if fetch.is_over())
    }
}

impl Peers {
    fn take(&mut self, values: &[SocketAddr]) -> Option<Find> {
        let mut new = Vec::new();
        for &peer in values {
            if self.seen.len() < MAX_PEERS && is_peer(peer) && self.seen.insert(peer) {
                new.push(peer);
            }
        }
        (!new.is_empty()).then_some(Find::Peers(new))
    }

    fn store(&self, keeper: &Keeper<'_>) -> Option<QueryKind> {
        let announce = self.announce?;
        Some(QueryKind::AnnouncePeer {
            info_hash: self.info_hash,
            port: announce.port,
            implied_port: announce.implied_port,
            token: keeper.token.clone(),
            seed: announce.seed,
        })
    }
}

fn is_peer(address: SocketAddr) -> bool {
    address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
}

impl Find {
    /// As an event of lookup `id`.
    pub(crate) fn into_event(self, lookup: super::LookupId, from: Contact) -> crate::Event {
        match self {
            Self::Peers(peers) => crate::Event::Peers {
                lookup,
                from,
                peers,
            },
            Self::Samples(samples) => crate::Event::Samples {
                lookup,
                from,
                samples,
            },
            Self::Item(item) => crate::Event::Item { lookup, from, item },
        }
    }
}

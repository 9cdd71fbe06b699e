//! What a node can be told to do.

use std::net::SocketAddr;
use std::time::Instant;

use headwater_metainfo::InfoHash;

use super::{Dht, Event, Role};
use crate::item::{Item, MutableItem, PublicKey, Value};
use crate::krpc::{QueryKind, Salt};
use crate::lookup::{Announce, Fetch, Goal, LookupId, LookupStats, Put};
use crate::{Family, NodeId};

/// More lookups wait already than [`Limits::max_waiting_lookups`](crate::Limits::max_waiting_lookups), or queries than
/// [`Limits::max_transactions`](crate::Limits::max_transactions).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node has too much to do already")]
pub struct TooManyLookups;

impl Dht {
    /// Looks for peers of a torrent, as soon as there is anybody to ask: [`Event::Peers`] as they are found, then [`Event::Done`].
    pub fn get_peers(&mut self, now: Instant, hash: InfoHash) -> Result<LookupId, TooManyLookups> {
        self.command(now, Goal::peers(hash, None))
    }

    /// Looks for peers of a torrent as [`get_peers`](Self::get_peers) does, and tells the nodes nearest to it that we are one.
    pub fn announce(
        &mut self,
        now: Instant,
        hash: InfoHash,
        announce: Announce,
    ) -> Result<LookupId, TooManyLookups> {
        self.command(now, Goal::peers(hash, Some(announce)))
    }

    /// Estimates how many seeds and peers a torrent has (BEP 33): [`Event::Scraped`], then [`Event::Done`].
    pub fn scrape(&mut self, now: Instant, hash: InfoHash) -> Result<LookupId, TooManyLookups> {
        self.command(now, Goal::scrape(hash))
    }

    /// Looks for an immutable item (BEP 44): [`Event::Item`] once it is found, then [`Event::Done`].
    pub fn get_immutable(
        &mut self,
        now: Instant,
        target: NodeId,
    ) -> Result<LookupId, TooManyLookups> {
        self.command(now, Goal::Fetch(Fetch::immutable(target)))
    }

    /// Looks for the newest version of a mutable item (BEP 44): [`Event::Item`] for each that is newer than the one before,
    /// then [`Event::Done`].
    pub fn get_mutable(
        &mut self,
        now: Instant,
        key: &PublicKey,
        salt: Salt,
    ) -> Result<LookupId, TooManyLookups> {
        self.command(now, Goal::Fetch(Fetch::mutable(key, salt)))
    }

    /// Stores an immutable item with the nodes nearest to it (BEP 44): [`Event::Done`] says with how many. They forget it
    /// after two hours.
    pub fn put_immutable(
        &mut self,
        now: Instant,
        value: Value,
    ) -> Result<LookupId, TooManyLookups> {
        self.command(now, Goal::Put(Put::immutable(value)))
    }

    /// Stores a version of a mutable item with the nodes nearest to it (BEP 44): [`Event::Refused`] of each that does not take
    /// it, then [`Event::Done`]. With `cas`, nodes take it only in place of that version.
    pub fn put_mutable(
        &mut self,
        now: Instant,
        item: MutableItem,
        cas: Option<i64>,
    ) -> Result<LookupId, TooManyLookups> {
        self.command(now, Goal::Put(Put::new(Item::Mutable(item), cas)))
    }

    /// Looks for the nodes nearest to a point: [`Event::Nodes`], then [`Event::Done`].
    pub fn find_node(&mut self, now: Instant, target: NodeId) -> Result<LookupId, TooManyLookups> {
        self.command(now, Goal::Nodes(target))
    }

    /// Asks the nodes on the way to a point for a sample of the info-hashes that they store (BEP 51): [`Event::Samples`] of
    /// each, then [`Event::Done`].
    pub fn sample(&mut self, now: Instant, target: NodeId) -> Result<LookupId, TooManyLookups> {
        self.command(now, Goal::Samples(target))
    }

    /// Asks one node for a sample of the info-hashes that it stores (BEP 51), and for the nodes that are nearest to `target`:
    /// [`Event::Samples`] and [`Event::Nodes`], then [`Event::Done`]. Of a node that is asked again before its interval is
    /// over, the sample is the same.
    pub fn sample_node(
        &mut self,
        now: Instant,
        address: SocketAddr,
        target: NodeId,
    ) -> Result<LookupId, TooManyLookups> {
        self.ask_once(
            now,
            address,
            QueryKind::SampleInfohashes { target },
            Role::Sample,
        )
    }

    /// Asks a node whether it is there: [`Event::Pong`] if so, then [`Event::Done`].
    pub fn ping(&mut self, now: Instant, address: SocketAddr) -> Result<LookupId, TooManyLookups> {
        self.ask_once(now, address, QueryKind::Ping, Role::Ping)
    }

    /// Ends a lookup at once. Nothing more will be told of it.
    pub fn cancel(&mut self, now: Instant, lookup: LookupId) {
        self.waiting.retain(|(waiting, _)| *waiting != lookup);
        let internal = |lookup: &crate::lookup::Lookup| lookup.internal.is_some();
        if !self.lookups.get(&lookup).is_some_and(internal) {
            self.lookups.remove(&lookup);
            self.start_waiting(now);
        }
    }

    /// Tells of a node that may be there, such as one from a peer's PORT message or a .torrent file. It is asked first.
    pub fn add_node(&mut self, now: Instant, address: SocketAddr) {
        if self.homes[Family::of(address)].is_some() {
            self.queue_probe(address);
            self.pump(now);
        }
    }

    /// Tells of a node that only helps others to find their first nodes. It is asked as long as few others are known, and is
    /// never given to anybody.
    pub fn add_router(&mut self, now: Instant, address: SocketAddr) {
        if let Some(home) = &mut self.homes[Family::of(address)] {
            home.add_router(address);
            home.bootstrap.nudge(now);
            self.begin_bootstrap(now, Family::of(address));
            self.start_waiting(now);
        }
    }

    fn command(&mut self, now: Instant, goal: Goal) -> Result<LookupId, TooManyLookups> {
        if self.waiting.len() >= self.limits.max_waiting_lookups {
            return Err(TooManyLookups);
        }
        let id = self.new_lookup_id();
        self.waiting.push_back((id, goal));
        self.start_waiting(now);
        Ok(id)
    }

    fn ask_once(
        &mut self,
        now: Instant,
        address: SocketAddr,
        kind: QueryKind,
        role: fn(LookupId) -> Role,
    ) -> Result<LookupId, TooManyLookups> {
        let id = self.new_lookup_id();
        if self.homes[Family::of(address)].is_none() {
            self.done(id, LookupStats::default());
        } else if !self.ask(now, address, None, role(id), kind) {
            return Err(TooManyLookups);
        }
        Ok(id)
    }

    pub(super) fn done(&mut self, lookup: LookupId, stats: LookupStats) {
        self.events.push_back(Event::Done { lookup, stats });
    }

    pub(super) fn new_lookup_id(&mut self) -> LookupId {
        self.next_lookup += 1;
        LookupId(self.next_lookup)
    }
}

//! What a node does of its own accord: finding its first nodes, keeping its tables, its id.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use rand::RngExt;

use super::home::Home;
use super::{Dht, Event, MAX_PROBES, Role};
use crate::krpc::QueryKind;
use crate::lookup::{Goal, Lookup};
use crate::table::Table;
use crate::{Contact, Family, NodeId, State, security};

/// Nodes of a table that are asked for a sign of life at a time.
const PINGS_A_TICK: usize = 4;

impl Dht {
    /// Sets up the table of a family. An id that was asked for is kept; one of an earlier time must still go with the address.
    pub(super) fn move_in(
        &mut self,
        now: Instant,
        family: Family,
        id: Option<NodeId>,
        external: Option<IpAddr>,
        state: &State,
    ) {
        let valid = |id: &NodeId| external.is_none_or(|ip| security::is_valid(id, ip));
        let id = id.or_else(|| state.ids[family].filter(valid));
        let id = id.unwrap_or_else(|| self.new_id(external));
        let nodes = state.nodes.iter().copied();
        let kept = nodes.filter(|node| Family::of(node.address) == family);
        let kept: Vec<_> = kept.take(MAX_PROBES / 2).collect();
        self.probes.extend(kept.iter().map(|node| node.address));
        let mut home = Home::new(Table::new(id, self.restricted), kept, external);
        if home.has_sources() {
            home.bootstrap.nudge(now);
        }
        self.homes[family] = Some(home);
    }

    /// Asks what could not be asked before.
    pub(super) fn pump(&mut self, now: Instant) {
        self.resume_stalled(now);
        self.start_waiting(now);
        while self.probing.is_ready(now) && self.transactions.is_open() {
            let Some(address) = self.probes.pop_front() else {
                return;
            };
            self.probing.take(now);
            self.ask(now, address, None, Role::Probe, QueryKind::Ping);
        }
    }

    pub(super) fn look_after_all(&mut self, now: Instant) {
        self.answering.expire(now);
        for family in Family::ALL {
            self.look_after_readiness(now, family);
            self.begin_bootstrap(now, family);
            self.ping_the_silent(now, family);
            self.refresh_a_bucket(now, family);
        }
    }

    /// Begins to look for nodes near us if it is time.
    pub(super) fn begin_bootstrap(&mut self, now: Instant, family: Family) {
        let Some(home) = &mut self.homes[family] else {
            return;
        };
        let due = home.bootstrap.due.is_some_and(|due| due <= now);
        if due && !home.bootstrap.running {
            home.bootstrap.begin(now);
            let goal = Goal::Nodes(home.table.own());
            let id = self.new_lookup_id();
            self.start(now, id, goal, Some(family));
        }
    }

    /// A lookup for the table has come to its end.
    pub(super) fn internal_done(&mut self, now: Instant, family: Family, lookup: &Lookup) {
        if let Some(home) = &mut self.homes[family]
            && lookup.goal.target() == home.table.own()
            && home.bootstrap.running
        {
            let ready = home.table.is_ready(now);
            home.bootstrap.end(now, ready);
            self.look_after_readiness(now, family);
        }
    }

    /// A node that was told of, or asked us something, has answered.
    pub(super) fn probed(&mut self, now: Instant, from: Contact) {
        let family = Family::of(from.address);
        if let Some(home) = &mut self.homes[family]
            && !home.ready
        {
            home.bootstrap.nudge(now);
            self.begin_bootstrap(now, family);
        }
    }

    /// Somebody in one family told of nodes in the other (BEP 32). Where there are few, they are asked whether they are there.
    pub(super) fn told_of(&mut self, family: Family, nodes: &[Contact]) {
        if self.homes[family].as_ref().is_some_and(|home| !home.ready) {
            for node in nodes {
                self.queue_probe(node.address);
            }
        }
    }

    /// Sees to it that a node is asked whether it is there, unless there are too many already.
    pub(super) fn queue_probe(&mut self, address: SocketAddr) {
        let known = address.port() == 0 || self.probes.contains(&address);
        if !known && self.probes.len() < MAX_PROBES {
            self.probes.push_back(address);
        }
    }

    /// A node that is not known asked something: if it is welcome, it is asked whether it can be reached.
    pub(super) fn consider(&mut self, now: Instant, contact: &Contact) {
        // What is cheap comes first: this is on the way of every query.
        if !self.probing.is_ready(now) || !self.transactions.is_open() {
            return;
        }
        let home = self.homes[Family::of(contact.address)].as_ref();
        if home.is_some_and(|home| home.table.wants(now, contact)) {
            self.probing.take(now);
            self.ask(now, contact.address, None, Role::Probe, QueryKind::Ping);
        }
    }

    /// A node that we asked says what our address is.
    pub(super) fn note_vote(&mut self, now: Instant, voter: SocketAddr, says: SocketAddr) {
        let family = Family::of_ip(says.ip());
        if family != Family::of(voter) || security::is_local(says.ip()) {
            return;
        }
        let Some(home) = &mut self.homes[family] else {
            return;
        };
        let Some(ip) = home.votes.add(voter.ip(), says.ip()) else {
            return;
        };
        if home.external != Some(ip) {
            home.external = Some(ip);
            self.fit_id(now, family, ip);
        }
    }

    /// Takes an id that goes with the address, if ours does not.
    fn fit_id(&mut self, now: Instant, family: Family, ip: IpAddr) {
        let new = self.new_id(Some(ip));
        let Some(home) = &mut self.homes[family] else {
            return;
        };
        if !security::is_valid(&home.table.own(), ip) {
            home.table = home.table.seen_from(now, new);
            home.bootstrap.nudge(now);
        }
        let id = home.table.own();
        self.events.push_back(Event::ExternalAddress { ip, id });
    }

    fn new_id(&mut self, external: Option<IpAddr>) -> NodeId {
        if let Some(ip) = external {
            return security::node_id(ip, &mut self.rng);
        }
        NodeId(self.rng.random())
    }

    /// Notes whether there are enough nodes, and sees to it that there will be.
    fn look_after_readiness(&mut self, now: Instant, family: Family) {
        let Some(home) = &mut self.homes[family] else {
            return;
        };
        let ready = home.table.is_ready(now);
        if ready && !home.ready {
            home.kept.clear();
            self.events.push_back(Event::Ready { family });
        }
        home.ready = ready;
        if !ready && home.has_sources() {
            home.bootstrap.retry(now);
        }
    }

    fn ping_the_silent(&mut self, now: Instant, family: Family) {
        for _ in 0..PINGS_A_TICK {
            let Some(home) = &mut self.homes[family] else {
                return;
            };
            let Some(node) = home.table.take_ping(now) else {
                return;
            };
            self.ask(
                now,
                node.address,
                Some(node.id),
                Role::Probe,
                QueryKind::Ping,
            );
        }
    }

    fn refresh_a_bucket(&mut self, now: Instant, family: Family) {
        let Some(home) = &mut self.homes[family] else {
            return;
        };
        if home.ready
            && let Some(target) = home.table.take_refresh(now, &mut self.rng)
        {
            let id = self.new_lookup_id();
            self.start(now, id, Goal::Nodes(target), Some(family));
        }
    }
}

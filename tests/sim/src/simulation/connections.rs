//! Connections: made, refused, closed.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_swarm::{Connected, Direction, PeerKey, PeerSource};
use headwater_wire::Handshake;

use super::{Event, Simulation, address_of, node_at};
use crate::link::{End, EndId, Route};
use crate::node::INFO_HASH;

/// How long a dial waits for somebody who does not answer.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// The side that opened a connection.
const OPENER: u8 = 0;

impl Simulation {
    pub(super) fn dial(&mut self, node: u32, address: SocketAddr) {
        let now = self.now();
        let target =
            node_at(address).and_then(|index| Some((index, self.nodes.get(index as usize)?)));
        let Some((index, target)) = target.filter(|(_, target)| !target.spec.behind_nat) else {
            self.push(now + DIAL_TIMEOUT, node, Event::Refused(address));
            return;
        };
        let own = &self.nodes[node as usize].spec;
        let latency = own.latency + target.spec.latency;
        let route = Route::new([node, index], latency, own.jitter + target.spec.jitter);
        if target.torrent.is_none() {
            self.push(now + latency * 2, node, Event::Refused(address));
            return;
        }
        let end = EndId {
            connection: self.routes.len() as u32,
            side: 1 - OPENER,
        };
        self.routes.push(route);
        self.ends.push(Default::default());
        // There and back for the connection, and there for the handshake.
        self.push(now + latency * 3, index, Event::Knock(end));
    }

    /// Somebody wants to connect.
    pub(super) fn knock(&mut self, node: u32, end: EndId) {
        let latency = self.route(end).latency();
        let opener = self.node_of(end.other());
        if self.join(node, end, Direction::Incoming) {
            self.push(self.now() + latency, opener, Event::Answered(end.other()));
        } else {
            let refused = Event::Refused(address_of(node));
            self.push(self.now() + latency, opener, refused);
        }
    }

    pub(super) fn answered(&mut self, node: u32, end: EndId) {
        if !self.join(node, end, Direction::Outgoing) {
            self.hang_up(end);
        }
    }

    pub(super) fn refused(&mut self, node: u32, address: SocketAddr) {
        let now = self.instant();
        if let Some(torrent) = &mut self.node(node).torrent {
            torrent.handle_dial_failed(now, address);
        }
    }

    /// Tells a brain of a connection, and says whether it takes it up.
    fn join(&mut self, node: u32, end: EndId, direction: Direction) -> bool {
        let now = self.instant();
        let other = self.node_of(end.other());
        let Some(handshake) = self.handshake_of(other) else {
            return false;
        };
        let mut address = address_of(other);
        if direction == Direction::Incoming {
            address.set_port(50_000 + (end.connection % 10_000) as u16);
        }
        let Some(torrent) = &mut self.node(node).torrent else {
            return false;
        };
        if direction == Direction::Incoming && !torrent.accepts_incoming(address.ip()) {
            return false;
        }
        let connected = Connected {
            address,
            direction,
            handshake,
            local_ip: Some(address_of(node).ip()),
            source: match direction {
                Direction::Incoming => PeerSource::Incoming,
                Direction::Outgoing => PeerSource::Tracker,
            },
        };
        let Ok(key) = torrent.handle_connected(now, connected) else {
            return false;
        };
        self.node(node).ends.insert(key, end);
        *self.key_mut(end) = Some(key);
        true
    }

    fn handshake_of(&self, node: u32) -> Option<Handshake> {
        let node_state = &self.nodes[node as usize];
        let torrent = node_state.torrent.as_ref()?;
        Some(Handshake {
            reserved: torrent.reserved(),
            info_hash: INFO_HASH,
            peer_id: node_state.peer_id(node),
        })
    }

    /// Closes one end; the other one hears of it when everything that was sent has arrived.
    pub(super) fn hang_up(&mut self, end: EndId) {
        let now = self.now();
        self.end_mut(end).close();
        *self.key_mut(end) = None;
        let route = self.route(end);
        let due = (now + route.latency()).max(route.last_due(end.side));
        let other = self.node_of(end.other());
        self.push(due, other, Event::Closed(end.other()));
    }

    pub(super) fn closed(&mut self, node: u32, end: EndId) {
        let now = self.instant();
        let Some(key) = self.key_mut(end).take() else {
            return;
        };
        self.end_mut(end).close();
        let node = self.node(node);
        node.ends.remove(&key);
        if let Some(torrent) = &mut node.torrent {
            torrent.handle_disconnected(now, key);
        }
    }

    pub(super) fn route(&self, end: EndId) -> &Route {
        &self.routes[end.connection as usize]
    }

    /// Whose end it is.
    pub(super) fn node_of(&self, end: EndId) -> u32 {
        self.route(end).nodes[usize::from(end.side)]
    }

    /// The brain's name for the connection, as long as this end is open.
    pub(super) fn key_of(&self, end: EndId) -> Option<PeerKey> {
        self.route(end).keys[usize::from(end.side)]
    }

    fn key_mut(&mut self, end: EndId) -> &mut Option<PeerKey> {
        &mut self.routes[end.connection as usize].keys[usize::from(end.side)]
    }

    pub(super) fn end_mut(&mut self, end: EndId) -> &mut End {
        &mut self.ends[end.connection as usize][usize::from(end.side)]
    }
}

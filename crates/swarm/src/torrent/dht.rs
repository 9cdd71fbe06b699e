//! Peers that are nodes of the DHT, and tell each other where (BEP 5).

use std::net::SocketAddr;
use std::time::Instant;

use headwater_wire::Message;

use super::Torrent;
use crate::{Event, PeerKey};

impl Torrent {
    /// The UDP port of our node of the DHT, as peers reach it; `None` if there is none. Peers that connect from now on are told, if
    /// they have one as well and [`discovery`](Self::discovery) allows it.
    pub fn set_dht_port(&mut self, port: Option<u16>) {
        self.dht_port = port;
    }

    /// Whether this torrent's peers may know of our node.
    pub(super) fn shows_dht(&self) -> bool {
        self.dht_port.is_some() && self.discovery.dht
    }

    pub(super) fn send_dht_port(&mut self, now: Instant, key: PeerKey) {
        let port = self.dht_port.filter(|_| self.shows_dht());
        let peer = self.peers.get_mut(key).filter(|peer| peer.reserved.dht());
        if let (Some(port), Some(peer)) = (port, peer) {
            self.out.send(now, peer, Message::Port(port));
        }
    }

    /// Once for each connection: nobody makes us write to all ports of a host.
    pub(super) fn receive_dht_port(&mut self, key: PeerKey, port: u16) {
        if !self.shows_dht() || port == 0 {
            return;
        }
        let peer = self.peers.get_mut(key).filter(|peer| !peer.told_dht_port);
        if let Some(peer) = peer {
            peer.told_dht_port = true;
            let node = SocketAddr::new(peer.address.ip(), port);
            self.out.events.push_back(Event::DhtNode(node));
        }
    }
}

//! Peer exchange (BEP 11): telling peers of each other.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use headwater_metainfo::Reach;
use headwater_wire::Message;
use headwater_wire::extension::ExtensionIds;
use headwater_wire::pex::{self, PexFlags, PexMessage, PexPeer};
use rand::seq::SliceRandom;

use super::Torrent;
use crate::contacts::{ContactId, Listener, News, Told, Who};
use crate::peer::Peer;
use crate::{Direction, DisconnectReason, Discovery, PeerKey, PeerSource};

/// The id under which we take peer exchange messages.
pub(super) const PEX_ID: u8 = 1;
/// Time between two messages to a peer.
const INTERVAL: Duration = Duration::from_mins(1);
/// Time after which a new peer gets its first message: others that came with it are then in it.
const SETTLE: Duration = Duration::from_secs(5);
/// How much earlier than it should a message may come, all earlier ones taken together: clocks and links are not exact, and some
/// programs send the first two in a row.
const TOLERANCE: Duration = Duration::from_secs(70);
/// The extension of those who help others through their NATs (BEP 55).
const HOLEPUNCH: &str = "ut_holepunch";

/// Peer exchange with one peer.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// What stands for the peer itself, once it is known where it listens.
    pub(crate) contact: Option<ContactId>,
    pub(crate) listener: Listener,
    /// It was told that we take messages.
    pub(super) is_offered: bool,
    /// When it may be told something. There is none before it has said that it listens.
    due: Option<Instant>,
    /// When its next message should come at the earliest.
    expected: Option<Instant>,
}

impl Exchange {
    /// Whether a message that comes now is read.
    fn admits(&mut self, now: Instant) -> bool {
        let expected = self.expected.map_or(now, |expected| expected.max(now));
        if expected.saturating_duration_since(now) > TOLERANCE {
            return false;
        }
        self.expected = Some(expected + INTERVAL);
        true
    }
}

impl Torrent {
    /// Which ways of finding peers are allowed.
    pub const fn discovery(&self) -> Discovery {
        self.discovery
    }

    /// Allows or forbids ways of finding peers. Peers hear whether we take part in peer exchange; addresses that are known stay.
    pub fn set_discovery(&mut self, now: Instant, discovery: Discovery) {
        let now = self.advance(now);
        let before = std::mem::replace(&mut self.discovery, discovery);
        if before.pex != discovery.pex {
            for key in self.peers.keys() {
                self.send_extended_handshake(now, key);
            }
        }
    }

    /// Puts peer exchange into a handshake, or takes back what an earlier one had of it.
    pub(super) fn offer_pex(&self, peer: &Peer, extensions: &mut ExtensionIds) {
        if self.discovery.pex {
            extensions.set(pex::NAME, PEX_ID);
        } else if peer.exchange.is_offered {
            extensions.set(pex::NAME, 0);
        }
    }

    /// It is known where a peer listens.
    pub(super) fn learn_contact(&mut self, key: PeerKey, address: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(key)
            && peer.exchange.contact.is_none()
        {
            peer.exchange.contact = self.contacts.join(address, key);
        }
    }

    /// A peer has said which extensions it understands.
    pub(super) fn schedule_pex(&mut self, now: Instant, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key)
            && peer.extensions.ids.get(pex::NAME).is_some()
        {
            peer.exchange.due.get_or_insert(now + SETTLE);
        }
    }

    /// A peer is gone: it is told nothing more, and others will be told.
    pub(super) fn leave_exchange(&mut self, peer: &mut Peer, reason: Option<DisconnectReason>) {
        self.contacts.forget(&mut peer.exchange.listener);
        if let Some(contact) = peer.exchange.contact {
            let is_ours = matches!(
                reason,
                Some(
                    DisconnectReason::Redundant
                        | DisconnectReason::Full
                        | DisconnectReason::Duplicate
                )
            );
            let recent = is_ours.then(|| flags(peer));
            self.contacts.leave(contact, recent);
        }
    }

    /// Tells every peer that is due what has changed.
    pub(super) fn exchange_peers(&mut self, now: Instant) {
        if !self.discovery.pex {
            return;
        }
        for key in self.peers.keys() {
            let is_due = |peer: &Peer| peer.exchange.due.is_some_and(|due| due <= now);
            if self.peers.get(key).is_some_and(is_due) {
                self.send_pex(now, key);
            }
        }
    }

    fn send_pex(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get(key) else {
            return;
        };
        let Some(id) = peer.extensions.ids.get(pex::NAME) else {
            return;
        };
        let news = self.news_for(key);
        let added = news.added.iter().map(|(_, told)| self.described(told));
        let added = added.collect();
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let dropped = self.contacts.tell(&mut peer.exchange.listener, &news);
        let message = PexMessage { added, dropped };
        if message.is_empty() {
            return;
        }
        peer.exchange.due = Some(now + INTERVAL);
        let payload = Bytes::from(message.encode());
        self.out.send(now, peer, Message::Extended { id, payload });
    }

    /// As much as one message may hold, picked at random: each peer is told of others.
    fn news_for(&mut self, key: PeerKey) -> News {
        let Some(peer) = self.peers.get(key) else {
            return News::default();
        };
        let may_know = |told: &Told| self.may_tell(peer, told);
        let mut news = self.contacts.news(&peer.exchange.listener, may_know);
        if news.added.len() > PexMessage::MAX_SENT {
            news.added.shuffle(&mut self.rng);
            news.added.truncate(PexMessage::MAX_SENT);
        }
        news.dropped.truncate(PexMessage::MAX_SENT);
        news
    }

    /// Nobody is told of itself, nor of addresses that mean another host where it is, nor seeds of seeds.
    fn may_tell(&self, peer: &Peer, told: &Told) -> bool {
        let is_itself = matches!(told.who, Who::Connected(key) if key == peer.key);
        let is_useless =
            peer.is_upload_only() && self.described(told).flags.contains(PexFlags::SEED);
        !is_itself && !is_useless && means_the_same(told.address.ip(), peer.address.ip())
    }

    fn described(&self, told: &Told) -> PexPeer {
        let flags = match told.who {
            Who::Recent(flags) => flags,
            Who::Connected(key) => self.peers.get(key).map(flags).unwrap_or_default(),
        };
        PexPeer {
            address: told.address,
            flags,
        }
    }

    /// A peer told of others. What comes too often is not read.
    pub(super) fn receive_pex(&mut self, now: Instant, key: PeerKey, payload: &Bytes) {
        let Some(peer) = self.peers.get_mut(key).filter(|_| self.discovery.pex) else {
            return;
        };
        if !peer.exchange.admits(now) {
            return;
        }
        let Ok(message) = PexMessage::decode(payload) else {
            return;
        };
        let from = peer.address.ip();
        let wants_nothing = self.left == 0;
        let mut hosts = BTreeSet::new();
        let mut is_useful = |peer: &PexPeer| {
            let ip = peer.address.ip();
            let is_redundant = wants_nothing && peer.flags.contains(PexFlags::SEED);
            // Many ports of one host are a way of attacking it; within a network they are several peers behind one address.
            let is_repeated = Reach::of(ip) == Reach::World && !hosts.insert(ip);
            !is_redundant && !is_repeated && means_the_same(ip, from)
        };
        let added = message.added.into_iter().filter(|peer| is_useful(peer));
        let addresses: Vec<_> = added.map(|peer| peer.address).collect();
        self.add_peers(now, addresses, PeerSource::Exchange);
    }
}

/// What others are told of a peer.
fn flags(peer: &Peer) -> PexFlags {
    let is_reachable = peer.direction == Direction::Outgoing;
    let helps = peer.extensions.ids.get(HOLEPUNCH).is_some();
    PexFlags::ENCRYPTION.when(peer.extensions.prefers_encryption)
        | PexFlags::SEED.when(peer.is_upload_only())
        | PexFlags::HOLEPUNCH.when(helps)
        | PexFlags::REACHABLE.when(is_reachable)
}

/// Whether an address leads to the same host from both ends of a connection with `other`: a host in the world has another network
/// behind it than we have.
fn means_the_same(ip: IpAddr, other: IpAddr) -> bool {
    // A link-local address of IPv6 needs an interface beside it, which is not told.
    let needs_scope = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    !needs_scope && Reach::of(ip) >= Reach::of(other)
}

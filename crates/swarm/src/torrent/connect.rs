//! Connections: whom to dial, whom to accept, and who goes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use headwater_metainfo::PeerId;
use headwater_wire::Message;
use smallvec::SmallVec;

use super::Torrent;
use crate::peer::Peer;
use crate::peer_list::Parting;
use crate::{
    Action, Activity, Connected, Direction, DisconnectReason, Discovery, Event, PeerKey,
    PeerSource, Refused,
};

/// A connection that lasted this long was none that failed.
const GOOD_SESSION: Duration = Duration::from_secs(30);
/// Age at which a connection over which nothing goes may have to make room for a new one.
const TURNOVER: Duration = Duration::from_secs(10);
/// Share of the connections that is kept for those who connect to us.
const RESERVED: (usize, usize) = (2, 5);
/// Time after which it is not kept any longer if nobody ever did.
const PATIENCE: Duration = Duration::from_secs(30);
/// Share of the peer list that may be found otherwise than through trackers and the user.
const HEARSAY: (usize, usize) = (3, 4);
/// Addresses at most that are known to lead to one connected peer.
const MAX_LISTED: usize = 8;

/// Addresses in the peer list.
type Addresses = SmallVec<[SocketAddr; 1]>;

impl Torrent {
    /// Notes addresses of peers. They are dialled at once as far as the limits allow, unless they were found in a way that is
    /// [not allowed](crate::Config::discovery).
    pub fn add_peers(
        &mut self,
        now: Instant,
        peers: impl IntoIterator<Item = SocketAddr>,
        source: PeerSource,
    ) {
        let now = self.advance(now);
        if !self.discovery.allows(source) {
            return;
        }
        for address in peers {
            if !self.bans.has_address(address) && self.has_room_for(source) {
                self.list.add(now, address, source);
            }
        }
        self.out.dial = true;
    }

    /// Whether addresses from there may take up more of the list. What anybody can make up does not fill it.
    fn has_room_for(&self, source: PeerSource) -> bool {
        let is_hearsay = !Discovery::NONE.allows(source);
        let share = self.limits.max_known_peers * HEARSAY.0 / HEARSAY.1;
        !is_hearsay || self.list.len() < share
    }

    /// A connection is open and the other end's handshake has come.
    ///
    /// When it is refused, the driver closes it. Whether a second connection to the same peer is refused or replaces
    /// the first one is decided so that both ends decide alike.
    pub fn handle_connected(
        &mut self,
        now: Instant,
        connected: Connected,
    ) -> Result<PeerKey, Refused> {
        let now = self.advance(now);
        self.out.dial = true;
        match self.admit(now, &connected) {
            Ok(inherited) => {
                let key = self.take_up(now, &connected);
                for address in inherited {
                    self.link(now, key, address);
                }
                Ok(key)
            }
            Err(refused) => {
                self.note_refused(now, &connected, refused);
                Err(refused)
            }
        }
    }

    /// A dial came to nothing: no connection, or no valid handshake.
    pub fn handle_dial_failed(&mut self, now: Instant, address: SocketAddr) {
        let now = self.advance(now);
        self.list.dial_failed(now, address);
        self.out.dial = true;
    }

    /// A connection broke or was closed by the other end.
    pub fn handle_disconnected(&mut self, now: Instant, peer: PeerKey) {
        let now = self.advance(now);
        if let Some(peer) = self.peers.get(peer) {
            let lasted = now.saturating_duration_since(peer.connected_at);
            let useful = lasted >= GOOD_SESSION || peer.downloaded + peer.uploaded > 0;
            let key = peer.key;
            self.remove_peer(now, key, None, Parting::Lost { useful });
        }
    }

    /// Checks a new connection, and makes room for it where it replaces an older one, whose addresses it inherits.
    fn admit(&mut self, now: Instant, connected: &Connected) -> Result<Addresses, Refused> {
        let Connected {
            address, handshake, ..
        } = connected;
        if self.activity == Activity::Stopped {
            return Err(Refused::Stopped);
        }
        if !self.discovery.allows(connected.source) {
            return Err(Refused::Forbidden);
        }
        if handshake.info_hash != self.info_hash {
            return Err(Refused::WrongInfoHash);
        }
        if handshake.peer_id == self.peer_id {
            return Err(Refused::SelfConnection);
        }
        if self.bans.has(*address, handshake.peer_id) {
            return Err(Refused::Banned);
        }
        let mut inherited = Addresses::new();
        if let Some(existing) = self.find_twin(connected) {
            if self.keeps_existing(existing, connected) {
                return Err(Refused::Duplicate);
            }
            if let Some(existing) = self.peers.get_mut(existing) {
                inherited = std::mem::take(&mut existing.listed);
            }
            self.disconnect(now, existing, DisconnectReason::Duplicate);
        }
        if self.peers.len() >= self.limits.max_peers && !self.make_room(now) {
            return Err(Refused::Full);
        }
        Ok(inherited)
    }

    /// Closes the connection that is of least use, if there is one over which nothing goes: so that a swarm in which everybody has all the
    /// connections that it may have does not fall apart into those who know each other and the others.
    fn make_room(&mut self, now: Instant) -> bool {
        let Some(victim) = self.least_useful() else {
            return false;
        };
        self.disconnect(now, victim, DisconnectReason::Full);
        true
    }

    /// The peer that is first to go when a place is needed, if one may.
    fn least_useful(&self) -> Option<PeerKey> {
        let age = |peer: &Peer| self.now.saturating_duration_since(peer.connected_at);
        let idle = self.peers.iter();
        let idle = idle.filter(|peer| age(peer) >= TURNOVER && is_idle(peer));
        let victim = idle.min_by_key(|peer| (peer.am_interested, peer.connected_at));
        victim.map(|peer| peer.key)
    }

    /// Whether there is a place for one more peer, or can be.
    pub(super) fn has_place(&self) -> bool {
        self.peers.len() < self.limits.max_peers || self.least_useful().is_some()
    }

    /// A connected peer that is the same as the one at the other end of a new connection.
    fn find_twin(&self, connected: &Connected) -> Option<PeerKey> {
        let same = |peer: &&Peer| {
            peer.peer_id == connected.handshake.peer_id || peer.address == connected.address
        };
        self.peers.iter().find(same).map(|peer| peer.key)
    }

    /// Of two connections between the same two peers, the one stays that was opened by the peer with the greater id.
    /// Of two that were opened by the same end, the older one does.
    fn keeps_existing(&self, existing: PeerKey, new: &Connected) -> bool {
        let Some(existing) = self.peers.get(existing) else {
            return false;
        };
        let opener = |direction, theirs: PeerId| match direction {
            Direction::Outgoing => self.peer_id,
            Direction::Incoming => theirs,
        };
        let theirs = new.handshake.peer_id;
        existing.direction == new.direction
            || opener(existing.direction, theirs) > opener(new.direction, theirs)
    }

    /// Keeps the address of a refused connection from being dialled again at once.
    fn note_refused(&mut self, now: Instant, connected: &Connected, refused: Refused) {
        let address = connected.address;
        if connected.direction == Direction::Incoming {
            return;
        }
        match refused {
            Refused::SelfConnection | Refused::Banned => self.list.bar(now, address),
            Refused::Duplicate => match self.find_twin(connected) {
                Some(twin) => self.link(now, twin, address),
                None => self.list.dial_failed(now, address),
            },
            Refused::Full => self.list.parted(now, address, Parting::Released),
            Refused::Stopped | Refused::Forbidden | Refused::WrongInfoHash => {
                self.list.dial_failed(now, address);
            }
        }
    }

    /// Notes that an address in the list stands for a connected peer.
    pub(super) fn link(&mut self, now: Instant, key: PeerKey, address: SocketAddr) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if !peer.listed.contains(&address) {
            if peer.listed.len() == MAX_LISTED {
                return;
            }
            peer.listed.push(address);
        }
        self.list.connected(now, address, peer.source);
    }

    fn take_up(&mut self, now: Instant, connected: &Connected) -> PeerKey {
        let ours = self.reserved();
        let pieces = self.geometry.piece_count();
        let key = self
            .peers
            .insert(|key| Peer::new(key, now, connected, ours, pieces, &self.limits));
        if let Some(ip) = connected.local_ip {
            self.list.learn_own_ip(ip);
        }
        self.found_by_others |= connected.direction == Direction::Incoming;
        if connected.direction == Direction::Outgoing {
            self.link(now, key, connected.address);
            self.learn_contact(key, connected.address);
        }
        if self.clock.tick.is_none() {
            self.start_clock(now);
        }
        self.out.events.push_back(Event::PeerConnected {
            peer: key,
            address: connected.address,
            peer_id: connected.handshake.peer_id,
        });
        self.greet(now, key);
        self.out.dial = true;
        key
    }

    /// What a new peer is told first: our pieces, which must come before anything else (BEP 6), then our extensions.
    fn greet(&mut self, now: Instant, key: PeerKey) {
        let hides = self.begins_hidden(now);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let shows_none = hides || self.have.is_clear();
        let pieces = match (peer.is_fast(), self.have.is_full(), shows_none) {
            (true, _, true) => Some(Message::HaveNone),
            (true, true, _) => Some(Message::HaveAll),
            (false, _, true) => None,
            _ => Some(Message::Bitfield(Bytes::copy_from_slice(
                self.have.as_bytes(),
            ))),
        };
        if let Some(message) = pieces {
            self.out.send(now, peer, message);
        }
        if hides {
            self.hide(now, key);
        }
        self.send_extended_handshake(now, key);
        self.send_dht_port(now, key);
    }

    /// Closes a connection of our own accord.
    pub(super) fn disconnect(&mut self, now: Instant, key: PeerKey, reason: DisconnectReason) {
        let how = match reason {
            DisconnectReason::Stopped | DisconnectReason::LostPiece | DisconnectReason::Full => {
                Parting::Released
            }
            // Of a duplicate, the connection that stays has the address.
            DisconnectReason::Redundant | DisconnectReason::Duplicate => Parting::Redundant,
            DisconnectReason::Idle => Parting::Lost { useful: false },
            _ => Parting::Misbehaved,
        };
        self.remove_peer(now, key, Some(reason), how);
    }

    fn remove_peer(
        &mut self,
        now: Instant,
        key: PeerKey,
        reason: Option<DisconnectReason>,
        how: Parting,
    ) {
        let Some(mut peer) = self.peers.remove(key) else {
            return;
        };
        self.leave_pieces(now, key, |_| true);
        if let Some(picker) = &mut self.picker {
            for block in peer.requests.give_up_all() {
                picker.release(block, key);
            }
            picker.release_owner(key);
            picker.remove_peer(key, &peer.pieces);
        }
        self.spread_parts(&peer);
        self.metadata_source_gone(&peer);
        self.leave_exchange(&mut peer, reason);
        for &address in &peer.listed {
            self.list.parted(now, address, how);
        }
        if let Some(reason) = reason {
            self.out
                .actions
                .push_back(Action::Disconnect { peer: key, reason });
        }
        self.out.events.push_back(Event::PeerDisconnected {
            peer: key,
            address: peer.address,
            reason,
        });
        self.out.starving.remove(&key);
        self.out.wake = true;
        self.out.dial = true;
        self.out.fill_slots |= peer.takes_slot();
        if self.peers.is_empty() {
            self.clock.tick = None;
        }
    }

    /// Whether connections may be opened.
    pub(super) fn may_dial(&self) -> bool {
        let room = self.peers.len() + self.list.dialling() < self.dial_limit();
        let half_open = self.list.dialling() < self.limits.max_half_open;
        self.activity != Activity::Stopped && room && half_open
    }

    /// Connections up to which we open further ones. The rest are left to those who find us, or those who come early would have
    /// taken all places by the time others come. Where nobody finds us, we take them ourselves.
    fn dial_limit(&self) -> usize {
        let max = self.limits.max_peers;
        let alone = self.now.saturating_duration_since(self.clock.started) >= PATIENCE;
        if alone && !self.found_by_others {
            return max;
        }
        max - max * RESERVED.0 / RESERVED.1
    }

    pub(super) fn dial(&mut self) {
        while self.may_dial()
            && let Some((address, source)) = self.list.next(self.now)
        {
            self.out.actions.push_back(Action::Dial { address, source });
        }
    }
}

/// Whether nothing goes over a connection, either way, now or soon.
fn is_idle(peer: &Peer) -> bool {
    let rate = peer.download.bytes_per_second() + peer.upload.bytes_per_second();
    rate == 0 && peer.requests.is_empty() && peer.uploads.len() == 0
}

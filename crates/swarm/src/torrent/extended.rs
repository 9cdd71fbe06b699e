//! The extension protocol (BEP 10), allowed-fast sets (BEP 6) and `lt_donthave` (BEP 54).

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use headwater_metainfo::{BlockSpan, PieceIndex};
use headwater_wire::extension::{ExtendedHandshake, ExtensionIds, HANDSHAKE_ID};
use headwater_wire::{Message, MetadataMessage, allowed_fast_set};

use super::pex::PEX_ID;
use super::receive::Verdict;
use super::{Torrent, metadata};
use crate::peer::Peer;
use crate::{Direction, Event, PeerKey, PeerSource};

/// The name of BEP 54's extension.
const DONT_HAVE: &str = "lt_donthave";
/// The id under which we take it.
const DONT_HAVE_ID: u8 = 7;
/// Pieces at most that a new peer may fetch while choked.
const FAST_PIECES: u32 = 10;
/// No more than this share of a torrent is given to choked peers.
const FAST_SHARE: u32 = 8;

impl Torrent {
    /// Our extended handshake.
    fn extended_handshake(&self, peer: &Peer) -> Message {
        let upload_only = self.is_upload_only_to(peer);
        let mut extensions = ExtensionIds::from_iter([
            (DONT_HAVE, DONT_HAVE_ID),
            (MetadataMessage::NAME, metadata::ID),
        ]);
        self.offer_pex(peer, &mut extensions);
        let handshake = ExtendedHandshake {
            extensions,
            client: Some(self.client.clone()).filter(|client| !client.is_empty()),
            port: self.listen_port.filter(|&port| port != 0),
            request_queue: Some(self.limits.offered_requests),
            your_ip: Some(peer.address.ip()),
            metadata_size: self.metadata_size(),
            upload_only: (upload_only || peer.told_upload_only).then_some(upload_only),
            ..ExtendedHandshake::default()
        };
        handshake.message()
    }

    /// Whether a peer is told that we want nothing more. A seed that hides what it has does not give itself away by it.
    fn is_upload_only_to(&self, peer: &Peer) -> bool {
        self.is_complete() && !peer.view.is_hidden()
    }

    /// Tells everybody that we want nothing more, or that we do after all (BEP 21). That a seed wants nothing can be seen
    /// from its pieces.
    pub(super) fn announce_upload_only(&mut self, now: Instant) {
        for key in self.peers.keys() {
            let Some(peer) = self.peers.get(key) else {
                continue;
            };
            let upload_only = self.is_upload_only_to(peer);
            let is_seen = upload_only && self.have.is_full();
            if upload_only != peer.told_upload_only && !is_seen {
                self.send_extended_handshake(now, key);
            }
        }
    }

    pub(super) fn send_extended_handshake(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get(key) else {
            return;
        };
        if !peer.reserved.extension_protocol() {
            return;
        }
        let message = self.extended_handshake(peer);
        let upload_only = self.is_upload_only_to(peer);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.told_upload_only = upload_only;
            peer.exchange.is_offered |= self.discovery.pex;
            self.out.send(now, peer, message);
        }
    }

    pub(super) fn receive_extended(
        &mut self,
        now: Instant,
        key: PeerKey,
        id: u8,
        payload: &Bytes,
    ) -> Verdict {
        match id {
            HANDSHAKE_ID => self.receive_extended_handshake(now, key, payload),
            DONT_HAVE_ID => {
                if let Ok(index) = <[u8; 4]>::try_from(&payload[..]) {
                    let piece = PieceIndex(u32::from_be_bytes(index));
                    return self.receive_dont_have(now, key, piece);
                }
            }
            metadata::ID => return self.receive_metadata(now, key, payload),
            PEX_ID => self.receive_pex(now, key, payload),
            // We announced nothing else.
            _ => {}
        }
        Ok(())
    }

    /// A handshake that cannot be read is left alone: everything in it is optional.
    fn receive_extended_handshake(&mut self, now: Instant, key: PeerKey, payload: &Bytes) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Ok(handshake) = ExtendedHandshake::decode(payload) else {
            return;
        };
        peer.extensions.ids.update(&handshake.extensions);
        if handshake.client.is_some() {
            peer.extensions.client = handshake.client;
        }
        if let Some(upload_only) = handshake.upload_only {
            peer.extensions.upload_only = upload_only;
        }
        if let Some(prefers_encryption) = handshake.prefers_encryption {
            peer.extensions.prefers_encryption = prefers_encryption;
        }
        if let Some(reqq) = handshake.request_queue {
            peer.requests.set_reqq(reqq, &self.limits);
        }
        if let Some(size) = handshake.metadata_size {
            peer.metadata.tell_size(size);
        }
        self.out.ask_metadata = true;
        let listens = handshake
            .port
            .filter(|_| peer.direction == Direction::Incoming)
            .map(|port| SocketAddr::new(peer.address.ip(), port));
        self.out.events.push_back(Event::PeerIdentified(key));
        self.out.hungry.push(key);
        if let Some(address) = listens {
            self.list.add(now, address, PeerSource::Incoming);
            self.link(now, key, address);
            self.learn_contact(key, address);
        }
        self.schedule_pex(now, key);
        self.drop_if_redundant(now, key);
    }

    /// Lets a peer that has next to nothing fetch a few pieces at once, so that it has something to trade with.
    pub(super) fn grant_fast(&mut self, now: Instant, key: PeerKey) {
        let pieces = self.geometry.piece_count();
        let count = FAST_PIECES.min(pieces / FAST_SHARE);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let untold = self.have.is_clear() || peer.view.is_hidden();
        if !peer.is_fast() || peer.pieces.count() >= count || untold {
            return;
        }
        let ip = peer.address.ip();
        for piece in allowed_fast_set(&self.info_hash, ip, pieces, count as usize) {
            peer.granted.push(piece);
            self.out.send(now, peer, Message::AllowedFast(piece));
        }
    }
}

/// Whether we serve a block to a peer that we choke: it is new, the piece is among those that it was granted, and it
/// has not had them already; or it was in the middle of a piece that only we have.
pub(super) fn is_granted(peer: &Peer, block: BlockSpan, piece_length: u32) -> bool {
    let granted = &peer.granted;
    let budget = granted.len() as u64 * u64::from(piece_length);
    let new = (peer.pieces.count() as usize) < granted.len();
    let fast = new && granted.contains(&block.piece) && peer.uploads.granted_bytes < budget;
    fast || peer.view.is_finishing(block.piece)
}

/// The message that takes back a HAVE, if the peer understands it.
pub(super) fn dont_have(peer: &Peer, piece: PieceIndex) -> Option<Message> {
    let id = peer.extensions.ids.get(DONT_HAVE)?;
    let payload = Bytes::copy_from_slice(&piece.0.to_be_bytes());
    Some(Message::Extended { id, payload })
}

//! What peers take from us: their requests, and the blocks that we serve.

use std::time::Instant;

use headwater_metainfo::BlockSpan;
use headwater_wire::Message;

use super::Torrent;
use super::extended::is_granted;
use super::receive::Verdict;
use crate::peer::Peer;
use crate::{Action, Activity, DisconnectReason, PeerKey};

/// Bytes that may be asked for in one request.
const MAX_REQUEST: u32 = 128 * 1024;
/// Refused requests in a row after which a peer is taken to be mad.
const MAX_REFUSED: u32 = 5_000;

impl Torrent {
    /// A block of [`Action::ServeBlock`] reached the socket.
    pub fn handle_block_sent(&mut self, now: Instant, peer: PeerKey, block: BlockSpan) {
        let now = self.advance(now);
        let Some(from) = self.peers.get_mut(peer) else {
            return;
        };
        if !from.uploads.finish(block) {
            return;
        }
        let length = u64::from(block.length);
        from.last_sent = now;
        from.served_at = Some(now);
        from.upload.add(length);
        from.uploaded += length;
        self.upload.add(length);
        self.stats.uploaded += length;
        self.offer_sent(now, peer, block);
        self.serve(peer);
        self.out.fill_slots = true;
    }

    /// A block of [`Action::ServeBlock`] could not be read. The peer is told, if it can be, and the piece should be
    /// checked: see [`set_have`](Self::set_have).
    pub fn handle_block_unreadable(&mut self, now: Instant, peer: PeerKey, block: BlockSpan) {
        self.give_back(now, peer, block);
    }

    /// A block was dropped because of [`Action::CancelServe`]. Leaving this out costs nothing but that the peer may wait
    /// for the answer that the fast extension promises it.
    pub fn handle_block_dropped(&mut self, now: Instant, peer: PeerKey, block: BlockSpan) {
        self.give_back(now, peer, block);
    }

    fn give_back(&mut self, now: Instant, key: PeerKey, block: BlockSpan) {
        let now = self.advance(now);
        if let Some(peer) = self.peers.get_mut(key)
            && peer.uploads.finish(block)
        {
            if peer.is_fast() {
                self.out.send(now, peer, Message::Reject(block));
            }
            self.serve(key);
        }
    }

    pub(super) fn receive_request(
        &mut self,
        now: Instant,
        key: PeerKey,
        block: BlockSpan,
    ) -> Verdict {
        if !self.geometry.contains(block) || block.length > MAX_REQUEST {
            return Err(DisconnectReason::InvalidRequest);
        }
        let active = self.activity == Activity::Active;
        let had = active && self.have.has(block.piece);
        let limit = self.limits.max_incoming_requests;
        let Some(peer) = self.peers.get_mut(key) else {
            return Ok(());
        };
        let servable = had && peer.view.shows(block.piece);
        let open = !peer.am_choking || is_granted(peer, block, self.geometry.piece_length());
        if servable && open && peer.is_interested && peer.uploads.len() < limit {
            peer.uploads.refused = 0;
            peer.uploads.push(block);
            self.offer_taken(now, key, block);
            self.serve(key);
            return Ok(());
        }
        self.refuse_request(now, key, block)
    }

    /// Says no to a request; too many in a row cost a peer its connection.
    pub(super) fn refuse_request(
        &mut self,
        now: Instant,
        key: PeerKey,
        block: BlockSpan,
    ) -> Verdict {
        let Some(peer) = self.peers.get_mut(key) else {
            return Ok(());
        };
        peer.uploads.refused += 1;
        if peer.uploads.refused > MAX_REFUSED {
            return Err(DisconnectReason::TooManyRequests);
        }
        if peer.is_fast() {
            self.out.send(now, peer, Message::Reject(block));
        }
        Ok(())
    }

    pub(super) fn receive_cancel(&mut self, now: Instant, key: PeerKey, block: BlockSpan) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if peer.uploads.remove_waiting(block) {
            // The fast extension promises an answer to every request, a cancelled one included.
            if peer.is_fast() {
                self.out.send(now, peer, Message::Reject(block));
            }
        } else if peer.uploads.revoke(block) {
            self.out
                .actions
                .push_back(Action::CancelServe { peer: key, block });
            self.serve(key);
        }
    }

    /// Hands a peer's requests to the driver as far as its window allows.
    pub(super) fn serve(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if self.activity != Activity::Active {
            return;
        }
        while let Some(block) = peer.uploads.next(self.limits.serve_window) {
            if peer.am_choking {
                peer.uploads.granted_bytes += u64::from(block.length);
            }
            self.out
                .actions
                .push_back(Action::ServeBlock { peer: key, block });
        }
    }

    pub(super) fn unchoke(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if std::mem::replace(&mut peer.am_choking, false) {
            peer.choke_changed = now;
            peer.uploads.refused = 0;
            self.out.send(now, peer, Message::Unchoke);
            self.offers_unchoked(now, key);
        }
    }

    /// Chokes a peer and refuses what it has asked for, save the pieces that it gets even so (BEP 6).
    pub(super) fn choke(&mut self, now: Instant, key: PeerKey) {
        if self.peers.get(key).is_none_or(|peer| peer.am_choking) {
            return;
        }
        self.offers_choked(now, key);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.am_choking = true;
            peer.choke_changed = now;
            self.out.send(now, peer, Message::Choke);
            let length = self.geometry.piece_length();
            self.refuse_requests(now, key, |peer, block| !is_granted(peer, block, length));
        }
    }

    /// Refuses the requests that a peer has in excess of lowered limits, and takes back what the driver has of it, the latest first.
    pub(super) fn refuse_excess(&mut self, now: Instant, key: PeerKey) {
        let limit = self.limits.max_incoming_requests;
        let window = u64::from(self.limits.serve_window) + u64::from(MAX_REQUEST);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        while peer.uploads.len() > limit
            && let Some(block) = peer.uploads.pop_waiting()
        {
            if peer.is_fast() {
                self.out.send(now, peer, Message::Reject(block));
            }
        }
        while (peer.uploads.len() > limit || peer.uploads.serving_bytes() > window)
            && let Some(block) = peer.uploads.revoke_last()
        {
            self.out
                .actions
                .push_back(Action::CancelServe { peer: key, block });
        }
    }

    /// Refuses those of a peer's requests that `which` picks, those that the driver has among them.
    pub(super) fn refuse_requests(
        &mut self,
        now: Instant,
        key: PeerKey,
        which: impl Fn(&Peer, BlockSpan) -> bool,
    ) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let mut waiting = std::mem::take(&mut peer.uploads);
        let refused = waiting.drain_waiting(|block| which(peer, block));
        peer.uploads = waiting;
        if peer.is_fast() {
            for block in refused {
                self.out.send(now, peer, Message::Reject(block));
            }
        }
        for block in peer.uploads.serving() {
            if which(peer, block) && peer.uploads.revoke(block) {
                self.out
                    .actions
                    .push_back(Action::CancelServe { peer: key, block });
            }
        }
        self.serve(key);
    }
}

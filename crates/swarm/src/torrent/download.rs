//! What we take from peers: interest, requests and blocks.

use std::time::Instant;

use bytes::Bytes;
use headwater_metainfo::{BlockSpan, PieceGeometry, PieceIndex};
use headwater_wire::Message;

use super::blame::Steering;
use super::deadlines::Hurry;
use super::receive::Verdict;
use super::{Torrent, endgame, promptness};
use crate::peer::{Peer, Starved};
use crate::picker::{BlockId, Contributor, Picker, Picking, Receipt};
use crate::requests::Asked;
use crate::{Action, Activity, DisconnectReason, PeerKey};

/// Pieces that are taken at random before the rarest ones come first.
const RANDOM_PIECES: u32 = 4;
/// A peer that sends a piece within this many seconds gets pieces of its own.
const WHOLE_PIECE_SECONDS: u64 = 20;
/// Blocks that nobody asked for after which the peer is dropped.
const MAX_UNREQUESTED: u32 = 32;
/// Rejects in a row, while we are not choked, after which the peer is left alone for a second.
const MAX_REJECTED: u32 = 64;

impl Torrent {
    /// Tells a peer whether we want something of it.
    pub(super) fn update_interest(&mut self, now: Instant, key: PeerKey) {
        let active = self.activity == Activity::Active;
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let wanted = active && peer.interesting > 0;
        if wanted == peer.am_interested {
            return;
        }
        peer.am_interested = wanted;
        let message = if wanted {
            Message::Interested
        } else {
            Message::NotInterested
        };
        self.out.send(now, peer, message);
        if wanted {
            self.out.hungry.push(key);
        }
    }

    pub(super) fn receive_choke(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.is_choking = true;
        // With the fast extension every request is still answered, with a reject at least.
        if !peer.is_fast() {
            self.abandon_requests(key, |_| true);
        }
        self.leave_pieces(self.now, key, |_| true);
        if let Some(picker) = &mut self.picker {
            picker.release_owner(key);
        }
        self.out.wake = true;
    }

    pub(super) fn receive_unchoke(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.is_choking = false;
            peer.starved_at = None;
            self.out.hungry.push(key);
        }
    }

    /// Gives up those of a peer's requests that `which` picks; others may be asked for them at once.
    pub(super) fn abandon_requests(&mut self, key: PeerKey, which: impl Fn(BlockId) -> bool) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let given_up: Vec<_> = peer
            .requests
            .blocks()
            .filter(|&block| which(block))
            .collect();
        for block in given_up {
            peer.requests.give_up(block);
            if let Some(picker) = &mut self.picker {
                picker.release(block, key);
            }
        }
        self.out.offer(key);
    }

    pub(super) fn receive_reject(&mut self, key: PeerKey, span: BlockSpan) -> Verdict {
        self.require_fast(key)?;
        let Some(block) = self.block_id(span) else {
            return Err(DisconnectReason::InvalidPiece);
        };
        let Some(peer) = self.peers.get_mut(key) else {
            return Ok(());
        };
        if peer.requests.reject(block) != Asked::Outstanding {
            return Ok(());
        }
        peer.allowed.retain(|allowed| *allowed != block.piece);
        peer.rejected += u32::from(!peer.is_choking);
        let is_suspect = !peer.is_choking && (peer.parole || self.smart_ban.has(block.piece));
        if let Some(picker) = &mut self.picker {
            picker.release(block, key);
        }
        self.out.offer(key);
        if is_suspect {
            self.leave_pieces(self.now, key, |piece| piece == block.piece);
            self.let_others_choose_before(key);
        }
        Ok(())
    }

    /// What a peer gave back goes to others before it can take it again.
    pub(super) fn let_others_choose_before(&mut self, key: PeerKey) {
        (self.out.all_hungry, self.out.wake) = (false, false);
        self.out.hungry = self.peers.keys();
        self.out.hungry.retain(|&other| other != key);
        self.fill_requests();
        self.out.all_hungry = true;
    }

    pub(super) fn receive_block(
        &mut self,
        now: Instant,
        key: PeerKey,
        piece: PieceIndex,
        offset: u32,
        data: Bytes,
    ) -> Verdict {
        let length = data.len();
        let span = BlockSpan {
            piece,
            offset,
            length: length as u32,
        };
        self.download.add(length as u64);
        self.stats.downloaded += length as u64;
        let block = self.block_id(span);
        let Some(peer) = self.peers.get_mut(key) else {
            return Ok(());
        };
        let asked = block.map_or(Asked::Never, |block| peer.requests.receive(now, block));
        let Some(block) = block.filter(|_| asked != Asked::Never) else {
            self.stats.wasted_unrequested += length as u64;
            peer.unrequested += 1;
            let tolerated = peer.unrequested <= MAX_UNREQUESTED;
            return tolerated.then_some(()).ok_or(DisconnectReason::Unrequested);
        };
        peer.download.add(length as u64);
        peer.downloaded += length as u64;
        peer.rejected = 0;
        let from = peer.contributor();
        self.out.hungry.push(key);
        self.accept_block(now, from, asked, block, span, data);
        Ok(())
    }

    fn accept_block(
        &mut self,
        now: Instant,
        from: Contributor,
        asked: Asked,
        block: BlockId,
        span: BlockSpan,
        data: Bytes,
    ) {
        let is_unwelcome = asked == Asked::Earlier && self.is_unwelcome(block.piece, &from);
        let picker = self.picker.as_mut().filter(|_| !is_unwelcome);
        let Some(Receipt::Useful { others, completes }) =
            picker.map(|picker| picker.receive(block, from))
        else {
            self.stats.wasted_duplicate += u64::from(span.length);
            return;
        };
        self.out
            .actions
            .push_back(Action::StoreBlock { block: span, data });
        for other in others {
            self.cancel_duplicate(now, other, block, span);
        }
        if completes {
            self.out
                .actions
                .push_back(Action::CompletePiece { piece: block.piece });
        }
    }

    /// Another peer that was asked for a block that has come need not send it.
    fn cancel_duplicate(&mut self, now: Instant, key: PeerKey, block: BlockId, span: BlockSpan) {
        if let Some(peer) = self.peers.get_mut(key)
            && peer.requests.give_up(block)
        {
            self.out.send(now, peer, Message::Cancel(span));
            self.out.hungry.push(key);
        }
    }

    /// Cancels a peer's requests for pieces that `which` picks.
    pub(super) fn cancel_requests(
        &mut self,
        now: Instant,
        key: PeerKey,
        which: impl Fn(PieceIndex) -> bool,
    ) {
        let Some(peer) = self.peers.get(key) else {
            return;
        };
        let given_up: Vec<_> = peer
            .requests
            .blocks()
            .filter(|block| which(block.piece))
            .collect();
        for block in given_up {
            self.call_off(now, key, block);
        }
        self.out.offer(key);
    }

    /// Cancels one of a peer's requests.
    pub(super) fn call_off(&mut self, now: Instant, key: PeerKey, block: BlockId) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.requests.give_up(block);
        let Some(picker) = &mut self.picker else {
            return;
        };
        picker.release(block, key);
        if let Some(span) = picker.span(block) {
            self.out.send(now, peer, Message::Cancel(span));
        }
    }

    /// Sends requests to the peers that may take more.
    pub(super) fn fill_requests(&mut self) {
        let mut hungry = std::mem::take(&mut self.out.hungry);
        let wake = std::mem::take(&mut self.out.wake);
        if std::mem::take(&mut self.out.all_hungry) {
            hungry = self.peers.keys();
        } else if wake {
            hungry.splice(..0, self.out.starving.iter().copied());
        }
        hungry.dedup();
        for key in hungry.drain(..) {
            self.fill(key);
        }
        // The allocation is kept.
        self.out.hungry = hungry;
    }

    /// Asks a peer for as much as it should be asked for.
    fn fill(&mut self, key: PeerKey) {
        let may_request = self.activity == Activity::Active && !self.backlogged;
        let Some(peer) = self.peers.get(key).filter(|_| may_request) else {
            return;
        };
        let ready = peer.may_serve() && peer.am_interested && peer.rejected < MAX_REJECTED;
        let room = if ready { peer.requests.room() } else { 0 };
        if room == 0 {
            self.out.starving.remove(&key);
            return;
        }
        let idle = peer.requests.is_empty();
        let version = self.picker.as_ref().map_or(0, Picker::version);
        let hopeless = |starved: &Starved| starved.version == version && (starved.idle || !idle);
        if peer.starved_at.as_ref().is_some_and(hopeless) {
            self.relieve(self.now, key);
            return;
        }
        let steering = self.steer(key);
        let blocks = self.choose(key, room, &steering);
        let version = self.picker.as_ref().map_or(0, Picker::version);
        // What was taken ended its idleness.
        let idle = idle && blocks.is_empty();
        let starved = (blocks.len() < room).then_some(Starved { version, idle });
        if starved.is_some() {
            self.out.starving.insert(key);
        } else {
            self.out.starving.remove(&key);
        }
        if let Some(peer) = self.peers.get_mut(key) {
            // What is kept from it may be its own again at any time.
            peer.starved_at = starved.filter(|_| steering.kept.is_empty());
        }
        let found_nothing = blocks.is_empty();
        self.request(key, blocks);
        if found_nothing {
            self.relieve(self.now, key);
        }
    }

    /// Takes up to `room` blocks for a peer: what somebody waits for, then what is free, then what others are slow with.
    fn choose(&mut self, key: PeerKey, room: usize, steering: &Steering) -> Vec<BlockId> {
        let (Some(picker), Some(peer)) = (&mut self.picker, self.peers.get(key)) else {
            return Vec::new();
        };
        let (have, among) = (self.have.count(), self.peers.len());
        let who = picking(peer, steering, self.geometry, have, among);
        let mut blocks = Vec::with_capacity(room);
        let helps = who.idle && picker.is_endgame();
        let soonest = if helps || picker.has_deadlines() {
            let rank = || promptness::soonest(self.now, &self.peers);
            self.soonest.get_or_insert_with(rank)
        } else {
            &[][..]
        };
        if picker.has_deadlines() {
            let hurry = Hurry::new(self.now, &self.peers, soonest, peer);
            hurry.pick(picker, &who, room, &mut blocks);
        }
        picker.pick(&who, room, &mut blocks);
        if blocks.is_empty() && helps {
            endgame::pick(picker, &self.peers, soonest, &who, room, &mut blocks);
        }
        blocks
    }

    pub(super) fn request(&mut self, key: PeerKey, blocks: Vec<BlockId>) {
        let (Some(picker), Some(peer)) = (&self.picker, self.peers.get_mut(key)) else {
            return;
        };
        for block in blocks {
            let Some(span) = picker.span(block) else {
                continue;
            };
            peer.current = Some(block.piece);
            peer.requests.push(self.now, block);
            self.out.send(self.now, peer, Message::Request(span));
        }
    }
}

/// A peer as the picker has to know it, among so many others, when we `have` so many pieces.
pub(super) fn picking<'a>(
    peer: &'a Peer,
    steering: &'a Steering,
    geometry: PieceGeometry,
    have: u32,
    among: usize,
) -> Picking<'a> {
    let rate = peer.download.bytes_per_second();
    Picking {
        key: peer.key,
        pieces: &peer.pieces,
        kept: &steering.kept,
        fast: rate * WHOLE_PIECE_SECONDS >= u64::from(geometry.piece_length()),
        parole: peer.parole,
        idle: peer.requests.is_empty(),
        allowed: peer.is_choking.then_some(&peer.allowed[..]),
        preferred: &steering.preferred,
        suggested: &peer.suggested,
        current: peer.current,
        random: have < RANDOM_PIECES,
        many_partials: among * 3 / 2 + 4,
    }
}

//! Pieces that failed: who is to blame, who is cleared, and of whom they are fetched again.

use std::time::Instant;

use headwater_metainfo::{BlockDigest, PieceIndex};
use smallvec::SmallVec;

use super::Torrent;
use crate::peer::Peer;
use crate::picker::Contributor;
use crate::pieces::PeerPieces;
use crate::{Action, DisconnectReason, Event, PeerKey};

/// What a peer is told to do about pieces that failed.
pub(super) struct Steering {
    /// Its pieces without those that others should fetch.
    pub(super) pieces: PeerPieces,
    /// Pieces to begin first: those that failed, so that it is soon known who spoilt them, and those that it suggested.
    pub(super) preferred: SmallVec<[PieceIndex; 8]>,
}

impl Torrent {
    /// The answer to [`Action::DigestBlocks`]: of each block of the piece, in order, what it is.
    ///
    /// Peers that sent anything else, while the piece failed, are banned, wherever they are by now. Does nothing if the
    /// piece is not had or has another number of blocks.
    pub fn handle_block_digests(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        digests: &[BlockDigest],
    ) {
        let now = self.advance(now);
        let known = piece.0 < self.geometry.piece_count() && self.have.has(piece);
        if !known || digests.len() != self.geometry.block_count(piece) as usize {
            return;
        }
        let judgement = self.smart_ban.judge(piece, digests);
        for culprit in judgement.guilty {
            self.ban(now, culprit);
        }
        for key in judgement.cleared {
            if let Some(peer) = self.peers.get_mut(key) {
                peer.parole = false;
                peer.starved_at = None;
                self.out.hungry.push(key);
            }
        }
    }

    pub(super) fn piece_failed(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        digests: &[Option<BlockDigest>],
    ) {
        self.stats.wasted_failed += u64::from(self.geometry.piece_size(piece));
        let (contributors, all_known) = self.contributors(piece);
        let contributors = contributors.to_vec();
        let all_known = all_known && digests.iter().all(Option::is_some);
        let copy = self.evidence(piece, digests);
        self.out.events.push_back(Event::PieceFailed(piece));
        self.out.actions.push_back(Action::DiscardPiece { piece });
        if let Some(picker) = &mut self.picker {
            picker.suspect(piece);
            picker.piece_lost(piece);
        }
        match contributors[..] {
            [only] if all_known => self.ban(now, only),
            _ => {
                for each in contributors {
                    self.put_on_parole(each.key);
                }
                for liar in self.smart_ban.record(now, piece, copy) {
                    self.ban(now, liar);
                }
            }
        }
        self.drop_if_unwanted(now, piece);
        self.out.all_hungry = true;
    }

    /// Which block of a piece came from whom, as far as that is certain.
    fn evidence(
        &self,
        piece: PieceIndex,
        digests: &[Option<BlockDigest>],
    ) -> Vec<(u32, Contributor, BlockDigest)> {
        let senders = self.picker.iter().flat_map(|picker| picker.senders(piece));
        let blocks = (0..).zip(senders).zip(digests);
        blocks
            .filter_map(|((block, sender), digest)| Some((block, sender?, (*digest)?)))
            .collect()
    }

    /// One of several peers sent something bad. Until a piece that is all its own passes, or what it sent turns out to have been
    /// right, it gets only such pieces.
    fn put_on_parole(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.parole = true;
            peer.current = None;
        }
    }

    /// Bans a peer, be it connected, gone, or back under another key.
    fn ban(&mut self, now: Instant, culprit: Contributor) {
        let Contributor {
            address, peer_id, ..
        } = culprit;
        if !self.bans.has(address, peer_id) {
            let whole_address = !self.is_shared(culprit) && !address.ip().is_loopback();
            self.bans.ban(address, peer_id, whole_address);
            self.out.events.push_back(Event::PeerBanned {
                address,
                peer_id,
                whole_address,
            });
        }
        let bans = &self.bans;
        self.smart_ban
            .forget(|who| who.key == culprit.key || bans.has(who.address, who.peer_id));
        let is_banned = |peer: &&Peer| peer.key == culprit.key || peer.is_one_of(bans);
        let banned: Vec<_> = self.peers.iter().filter(is_banned).map(|p| p.key).collect();
        for key in banned {
            self.expel(now, key);
        }
    }

    /// Whether somebody else is connected from the same IP address.
    fn is_shared(&self, culprit: Contributor) -> bool {
        let is_other = |peer: &Peer| peer.key != culprit.key && peer.peer_id != culprit.peer_id;
        let mut others = self.peers.iter().filter(|peer| is_other(peer));
        others.any(|peer| peer.address.ip() == culprit.address.ip())
    }

    fn expel(&mut self, now: Instant, key: PeerKey) {
        if let Some(peer) = self.peers.get(key) {
            for address in peer.listed.clone() {
                self.list.bar(now, address);
            }
        }
        self.disconnect(now, key, DisconnectReason::Banned);
    }

    /// Whether a piece that failed is better fetched from somebody else than this peer.
    pub(super) fn is_kept_from(&self, piece: PieceIndex, who: &Contributor) -> bool {
        let could = |peer: &&Peer| {
            let serves = !peer.is_choking && !peer.requests.is_snubbed();
            peer.key != who.key && serves && peer.am_interested && peer.pieces.has(piece)
        };
        let others = self.peers.iter().filter(could).map(Peer::contributor);
        self.smart_ban.is_kept_from(self.now, piece, who, others)
    }

    /// What a peer that may take requests should do about pieces that failed. `None` as long as there are none.
    pub(super) fn steer(&self, key: PeerKey) -> Option<Steering> {
        if self.smart_ban.is_empty() {
            return None;
        }
        let peer = self.peers.get(key)?;
        if peer.requests.room() == 0 {
            return None;
        }
        let who = peer.contributor();
        let mut steering = Steering {
            pieces: peer.pieces.clone(),
            preferred: SmallVec::new(),
        };
        for piece in self.smart_ban.pieces() {
            if self.is_kept_from(piece, &who) {
                steering.pieces.clear(piece);
            } else {
                steering.preferred.push(piece);
            }
        }
        steering.preferred.extend_from_slice(&peer.suggested);
        Some(steering)
    }

    /// Pieces that failed and were not fetched from one peer alone in good time are everybody's.
    pub(super) fn share_overdue(&mut self, now: Instant) {
        if let Some(picker) = &mut self.picker {
            for piece in self.smart_ban.overdue(now) {
                picker.share(piece);
            }
        }
    }
}

//! Pieces that failed: who is to blame, who is cleared, and of whom they are fetched again.

use std::time::{Duration, Instant};

use headwater_metainfo::{BLOCK_LENGTH, BlockDigest, PieceIndex};
use smallvec::SmallVec;

use super::Torrent;
use crate::peer::Peer;
use crate::picker::Contributor;
use crate::{Action, DisconnectReason, Event, PeerKey};

/// Bytes at most of a piece that are fetched again because the peer that was to send all of it did not.
const MAX_DROPPED: u64 = 4 * BLOCK_LENGTH as u64;

/// How long others wait for a piece that is to come from one peer alone when they have nothing else to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a peer is told to do about pieces that failed.
#[derive(Default)]
pub(super) struct Steering {
    /// Those of its pieces that others should fetch.
    pub(super) kept: SmallVec<[PieceIndex; 8]>,
    /// Pieces to begin first, so that it is soon known who spoilt them.
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
            self.trust(key);
        }
    }

    /// A peer has proved itself: it may share pieces with others again.
    pub(super) fn trust(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.parole) {
            peer.parole = false;
            peer.starved_at = None;
            self.out.hungry.push(key);
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

    /// A peer does not go on with the pieces that it was to fetch alone; others may.
    ///
    /// A few blocks are rather fetched again than mixed with those of others: it could otherwise spoil one piece after the other with
    /// a block of each.
    pub(super) fn leave_pieces(
        &mut self,
        now: Instant,
        key: PeerKey,
        which: impl Fn(PieceIndex) -> bool,
    ) {
        let trials = self.picker.iter().flat_map(|picker| picker.trials(key));
        let trials: SmallVec<[PieceIndex; 8]> = trials.filter(|&piece| which(piece)).collect();
        for piece in trials {
            let Some(picker) = &mut self.picker else {
                return;
            };
            let received = picker.received_bytes(piece);
            if received == 0 || received > MAX_DROPPED {
                picker.share(piece);
                continue;
            }
            picker.piece_lost(piece);
            self.stats.wasted_failed += received;
            self.out.actions.push_back(Action::DiscardPiece { piece });
            self.cancel_requests(now, key, |each| each == piece);
        }
    }

    /// Whether a block that comes late is not to be mixed with those of others.
    pub(super) fn is_unwelcome(&self, piece: PieceIndex, from: &Contributor) -> bool {
        let parole = self.peers.get(from.key).is_some_and(|peer| peer.parole);
        let picker = self.picker.as_ref();
        let owns = picker.is_some_and(|picker| picker.owns(piece, from.key));
        !owns && (parole || self.is_kept_from(piece, from))
    }

    #[cfg(test)]
    pub(crate) fn is_on_parole(&self, key: PeerKey) -> bool {
        self.peers.get(key).is_some_and(|peer| peer.parole)
    }

    /// Bans a peer, be it connected, gone, or back under another key.
    pub(super) fn ban(&mut self, now: Instant, culprit: Contributor) {
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

    /// What a peer should do about pieces that failed.
    pub(super) fn steer(&self, key: PeerKey) -> Steering {
        let mut steering = Steering::default();
        let (Some(picker), Some(peer)) = (&self.picker, self.peers.get(key)) else {
            return steering;
        };
        let who = peer.contributor();
        let failed = self.smart_ban.pieces();
        for piece in failed.filter(|&piece| picker.wants(piece) && peer.pieces.has(piece)) {
            if !picker.owns(piece, key) && self.is_kept_from(piece, &who) {
                steering.kept.push(piece);
            } else {
                steering.preferred.push(piece);
            }
        }
        steering
    }

    /// Pieces that were not fetched from one peer alone in good time are everybody's.
    pub(super) fn share_overdue(&mut self, now: Instant) {
        if let Some(picker) = &mut self.picker {
            for piece in self.smart_ban.overdue(now) {
                picker.share(piece);
            }
        }
        for (key, piece) in self.awaited(now) {
            self.leave_pieces(now, key, |each| each == piece);
            self.let_others_choose_before(key);
        }
    }

    /// Pieces with which the peer that is to fetch all of one will take too long, while others that could help have nothing to do.
    fn awaited(&self, now: Instant) -> Vec<(PeerKey, PieceIndex)> {
        let starving = self.out.starving.iter();
        let resting = starving.filter_map(|&key| self.peers.get(key));
        let resting: SmallVec<[&Peer; 8]> = resting
            .filter(|peer| !peer.parole && !peer.is_choking && peer.requests.is_empty())
            .collect();
        let Some(picker) = self.picker.as_ref().filter(|_| !resting.is_empty()) else {
            return Vec::new();
        };
        let trials = self.peers.iter().flat_map(|peer| {
            let pieces = picker.trials(peer.key);
            pieces.map(move |piece| (peer, piece))
        });
        let awaited = trials.filter(|&(peer, piece)| {
            let missing = picker.missing_blocks(piece) as usize;
            let is_slow = peer.requests.expected(now, missing) > PATIENCE;
            let helps = |other: &&Peer| {
                other.pieces.has(piece) && !self.is_kept_from(piece, &other.contributor())
            };
            is_slow && resting.iter().any(helps)
        });
        awaited.map(|(peer, piece)| (peer.key, piece)).collect()
    }
}

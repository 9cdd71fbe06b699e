//! Asking peers for the metadata.

use std::time::{Duration, Instant};

use bytes::Bytes;
use headwater_wire::MetadataMessage;

use super::super::Torrent;
use super::super::receive::Verdict;
use crate::metadata::{Answer, Attempt, Candidate, Fetch, State};
use crate::peer::Peer;
use crate::{Activity, DisconnectReason, PeerKey};

/// How long a peer is left alone that did not answer in time.
const SLOW_REST: Duration = Duration::from_secs(10);
/// How long a peer is left alone that rejected a request, or answered with what cannot be right.
const REJECT_REST: Duration = Duration::from_mins(1);
/// Pieces that nobody asked for after which the peer is dropped.
const MAX_UNREQUESTED: u32 = 32;

impl Torrent {
    /// Asks as many peers as are of use for as much as they may be asked for.
    pub(in super::super) fn ask_for_metadata(&mut self) {
        let now = self.now;
        let candidates = self.metadata_candidates(now);
        let State::Fetching(fetch) = &mut self.metadata else {
            return;
        };
        if self.activity != Activity::Active {
            return;
        }
        if fetch.reconsider(now, &candidates) {
            self.forget_asked_metadata();
        }
        for key in self.metadata_sources(now) {
            self.ask_peer_for_metadata(now, key);
        }
    }

    /// Peers that say that they have it.
    fn metadata_candidates(&self, now: Instant) -> Vec<Candidate> {
        let State::Fetching(fetch) = &self.metadata else {
            return Vec::new();
        };
        let sole = fetch.attempt().and_then(|attempt| attempt.sole);
        let usable = |peer: &&Peer| {
            let rests = peer.metadata.is_resting(now) && sole != Some(peer.key);
            speaks(peer) && !rests
        };
        let peers = self.peers.iter().filter(usable);
        peers
            .filter_map(|peer| {
                Some(Candidate {
                    key: peer.key,
                    size: peer.metadata.size?,
                    vain: peer.metadata.vain,
                })
            })
            .collect()
    }

    /// Those who are asked for the present copy, first those who were not asked in vain: each gets its turn. Peers that tell no
    /// size may have got it since; they are asked only where nobody else can be.
    fn metadata_sources(&self, now: Instant) -> Vec<PeerKey> {
        let State::Fetching(fetch) = &self.metadata else {
            return Vec::new();
        };
        let Some(attempt) = fetch.attempt().filter(|_| !fetch.is_checking()) else {
            return Vec::new();
        };
        if let Some(sole) = attempt.sole {
            return vec![sole];
        }
        let awake = |peer: &&Peer| speaks(peer) && !peer.metadata.is_resting(now);
        let telling = |size: Option<u32>| -> Vec<PeerKey> {
            let peers = self.peers.iter().filter(awake);
            let same = peers.filter(|peer| peer.metadata.size == size);
            let mut same: Vec<_> = same.map(|peer| (peer.metadata.vain, peer.key)).collect();
            same.sort_unstable();
            same.into_iter().map(|(_, key)| key).collect()
        };
        let sources = telling(Some(attempt.size));
        if sources.is_empty() {
            return telling(None);
        }
        sources
    }

    fn ask_peer_for_metadata(&mut self, now: Instant, key: PeerKey) {
        let (Some(peer), Some(attempt)) = (self.peers.get_mut(key), attempt(&mut self.metadata))
        else {
            return;
        };
        let Some(id) = peer.extensions.ids.get(MetadataMessage::NAME) else {
            return;
        };
        while peer.metadata.has_room()
            && let Some(piece) = attempt.pick(|piece| peer.metadata.has_asked(piece))
        {
            peer.metadata.ask(now, piece);
            let request = MetadataMessage::Request { piece };
            self.out.send(now, peer, request.message(id));
        }
    }

    pub(in super::super) fn receive_metadata(
        &mut self,
        now: Instant,
        key: PeerKey,
        payload: &Bytes,
    ) -> Verdict {
        match MetadataMessage::decode(payload) {
            Ok(MetadataMessage::Request { piece }) => {
                self.receive_metadata_request(now, key, piece);
            }
            Ok(MetadataMessage::Reject { piece }) => self.metadata_rejected(now, key, piece),
            Ok(MetadataMessage::Data {
                piece,
                total_size,
                data,
            }) => return self.receive_metadata_piece(now, key, piece, total_size, &data),
            Ok(MetadataMessage::Unknown { .. }) => {}
            Err(error) => tracing::debug!(?key, %error),
        }
        Ok(())
    }

    fn receive_metadata_piece(
        &mut self,
        now: Instant,
        key: PeerKey,
        piece: u32,
        total_size: Option<u32>,
        data: &Bytes,
    ) -> Verdict {
        let Some(peer) = self.peers.get_mut(key) else {
            return Ok(());
        };
        let answer = peer.metadata.answer(piece);
        if answer == Answer::Unasked {
            peer.unrequested += 1;
            let tolerated = peer.unrequested <= MAX_UNREQUESTED;
            return tolerated.then_some(()).ok_or(DisconnectReason::Unrequested);
        }
        if let Some(size) = total_size {
            peer.metadata.tell_size(size);
        }
        self.out.ask_metadata = true;
        let from = peer.contributor();
        let size = peer.metadata.size;
        let Some(attempt) = attempt(&mut self.metadata) else {
            return Ok(());
        };
        if answer == Answer::Asked {
            attempt.release(piece);
        }
        let is_meant = attempt.sole.is_none_or(|sole| sole == key);
        if answer == Answer::Stale || !is_meant {
            return Ok(());
        }
        if size.is_some_and(|size| size != attempt.size) || !attempt.fits(piece, data) {
            peer.metadata.rest(now + REJECT_REST);
            self.leave_sole_source(key);
            return Ok(());
        }
        peer.metadata.size = Some(attempt.size);
        attempt.receive(now, from, piece, data);
        self.check_complete_metadata();
        Ok(())
    }

    /// The peer has not got it, or has given enough of it.
    fn metadata_rejected(&mut self, now: Instant, key: PeerKey, piece: u32) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if peer.metadata.answer(piece) == Answer::Asked
            && let Some(attempt) = attempt(&mut self.metadata)
        {
            attempt.release(piece);
            peer.metadata.rest(now + REJECT_REST);
            self.leave_sole_source(key);
        }
        self.out.ask_metadata = true;
    }

    /// A copy that was to come from this peer alone will not come.
    fn leave_sole_source(&mut self, key: PeerKey) {
        if let State::Fetching(fetch) = &mut self.metadata
            && fetch.leave(key)
        {
            self.forget_asked_metadata();
        }
    }

    /// A peer is gone: others are asked for what it was asked for.
    pub(in super::super) fn metadata_source_gone(&mut self, peer: &Peer) {
        if let Some(attempt) = attempt(&mut self.metadata) {
            for piece in peer.metadata.outstanding() {
                attempt.release(piece);
            }
        }
        self.leave_sole_source(peer.key);
        self.out.ask_metadata = true;
    }

    /// What is done once a second.
    pub(in super::super) fn tick_metadata(&mut self, now: Instant) {
        for peer in self.peers.iter_mut() {
            peer.metadata.tick();
            let late = peer.metadata.give_up_late(now);
            if late.is_empty() {
                continue;
            }
            peer.metadata.rest(now + SLOW_REST);
            if let Some(attempt) = attempt(&mut self.metadata) {
                late.into_iter().for_each(|piece| attempt.release(piece));
            }
        }
        for key in self.peers.keys() {
            self.serve_metadata(now, key);
        }
        self.out.ask_metadata = true;
    }
}

/// Whether a peer understands `ut_metadata`.
fn speaks(peer: &Peer) -> bool {
    peer.extensions.ids.get(MetadataMessage::NAME).is_some()
}

/// The copy that is being fetched.
fn attempt(metadata: &mut State) -> Option<&mut Attempt> {
    match metadata {
        State::Fetching(fetch) if !fetch.is_checking() => Fetch::attempt_mut(fetch),
        _ => None,
    }
}

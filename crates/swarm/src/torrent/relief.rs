//! Relief: a peer with nothing to do takes over what another one will be long in coming to.
//!
//! A piece that is new in the swarm is asked for by everybody at once of the one peer that has it, and waits there. When others
//! have it too, and have nothing else that we want, it need not wait any longer. Unlike in the endgame nothing is asked for
//! twice: what one is asked for, the other is no longer.
//!
//! A peer takes over as soon as it has nothing to do. As others fall behind only later, it is looked at again and again.

use std::time::{Duration, Instant};

use super::blame::Steering;
use super::download::picking;
use super::{Torrent, promptness};
use crate::picker::{BlockId, Picker};
use crate::{Activity, PeerKey};

/// A wait that is worth being cut short: by then a CANCEL will have come before the block would have been sent.
const LONG_WAIT: Duration = Duration::from_millis(400);
/// Time between two looks at all peers, and at least between two at one.
const INTERVAL: Duration = Duration::from_millis(100);
/// Blocks at most that a peer takes over at a time.
const MAX_BLOCKS: usize = 4;
/// Peers at most that are looked at for that, the slowest ones, and blocks of each, the last ones.
const MAX_LOOKS: (usize, usize) = (16, 8);

impl Torrent {
    /// When peers with nothing to do are to be looked at again.
    pub(super) fn relief_due(&self) -> Option<Instant> {
        let downloads = self.activity == Activity::Active && self.left > 0;
        let may_help = downloads && !self.peers.is_empty();
        may_help.then_some(self.clock.relief)
    }

    /// Lets all peers that have nothing to do take over what others will be slow with.
    pub(super) fn relieve_all(&mut self, now: Instant) {
        self.clock.relief = now + INTERVAL;
        self.soonest = None;
        for key in self.peers.keys() {
            self.relieve(now, key);
        }
    }

    /// Lets a peer that has nothing to do take over what others will be slow with, if there is anything.
    pub(super) fn relieve(&mut self, now: Instant, key: PeerKey) {
        if !self.may_relieve(now, key) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(key) {
            peer.relieved_at = Some(now);
        }
        let candidates = self.late_blocks(now, key);
        if candidates.is_empty() {
            return;
        }
        let steering = self.steer(key);
        let mut taken = Vec::new();
        for (slow, block) in candidates {
            if taken.len() < MAX_BLOCKS && self.add_sender(key, &steering, block) {
                self.call_off(now, slow, block);
                taken.push(block);
            }
        }
        if !taken.is_empty() {
            self.request(key, taken);
        }
    }

    /// Whether a peer has nothing to do, could do something, and was not looked at just now.
    fn may_relieve(&self, now: Instant, key: PeerKey) -> bool {
        let may_request = self.activity == Activity::Active && !self.backlogged;
        let endgame = self.picker.as_ref().is_none_or(Picker::is_endgame);
        let recent = |then| now.saturating_duration_since(then) < INTERVAL;
        self.peers.get(key).is_some_and(|peer| {
            let idle = peer.am_interested && !peer.is_choking && peer.requests.is_empty();
            let able = idle && !peer.parole && !peer.requests.is_snubbed();
            able && may_request && !endgame && !peer.relieved_at.is_some_and(recent)
        })
    }

    /// Blocks that others were asked for and that `key` would deliver much sooner.
    fn late_blocks(&mut self, now: Instant, key: PeerKey) -> Vec<(PeerKey, BlockId)> {
        let Some(peer) = self.peers.get(key) else {
            return Vec::new();
        };
        let late = peer.requests.expected(now, MAX_BLOCKS) * 2;
        let late = late.max(LONG_WAIT);
        let rank = || promptness::soonest(now, &self.peers);
        let slowest = self.soonest.get_or_insert_with(rank).iter().rev();
        let mut found = Vec::new();
        for slow in slowest
            .take(MAX_LOOKS.0)
            .filter_map(|&slow| self.peers.get(slow))
        {
            let ahead = slow.requests.len();
            for (behind, block) in slow.requests.blocks().rev().take(MAX_LOOKS.1).enumerate() {
                if slow.requests.expected(now, ahead - behind) < late {
                    break;
                }
                if peer.pieces.has(block.piece) {
                    found.push((slow.key, block));
                }
            }
        }
        found
    }

    /// Has a block that somebody else was asked for expected of `key` too, if it may be asked for it.
    fn add_sender(&mut self, key: PeerKey, steering: &Steering, block: BlockId) -> bool {
        let (have, among) = (self.have.count(), self.peers.len());
        let (Some(picker), Some(peer)) = (&mut self.picker, self.peers.get(key)) else {
            return false;
        };
        let who = picking(peer, steering, self.geometry, have, among);
        picker.duplicate(&who, block)
    }
}

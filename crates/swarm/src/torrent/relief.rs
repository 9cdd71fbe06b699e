//! Relief: a peer with nothing to do takes over what another one will be long in coming to.
//!
//! A piece that is new in the swarm is asked for by everybody at once of the one peer that has it, and waits there. When others
//! have it too, and have nothing else that we want, it need not wait any longer. Unlike in the endgame nothing is asked for
//! twice: what one is asked for, the other is no longer.

use std::time::{Duration, Instant};

use super::blame::Steering;
use super::download::picking;
use super::{Torrent, promptness};
use crate::picker::{BlockId, Picker};
use crate::{Activity, PeerKey};

/// A wait that is worth being cut short: by then a CANCEL will have come long before the block would have been sent.
const LONG_WAIT: Duration = Duration::from_secs(1);
/// Blocks at most that a peer takes over at a time.
const MAX_BLOCKS: usize = 4;
/// Peers at most that are looked at for that, the slowest ones, and blocks of each, the last ones.
const MAX_LOOKS: (usize, usize) = (16, 8);

impl Torrent {
    /// Lets a peer that has nothing to do take over what others will be slow with, if there is anything.
    pub(super) fn relieve(&mut self, now: Instant, key: PeerKey) {
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

    /// Blocks that others were asked for and that `key` would deliver much sooner.
    fn late_blocks(&mut self, now: Instant, key: PeerKey) -> Vec<(PeerKey, BlockId)> {
        let may_request = self.activity == Activity::Active && !self.backlogged;
        let endgame = self.picker.as_ref().is_none_or(Picker::is_endgame);
        let (Some(peer), true, false) = (self.peers.get(key), may_request, endgame) else {
            return Vec::new();
        };
        let idle = peer.requests.is_empty() && peer.am_interested && !peer.is_choking;
        if !idle || peer.parole || peer.requests.is_snubbed() {
            return Vec::new();
        }
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

//! Upload slots: who has one, and the rounds in which they are given anew.

use std::time::Instant;

use rand::RngExt;

use super::Torrent;
use crate::choker::{self, Candidate};
use crate::peer::Peer;
use crate::{Activity, PeerKey};

impl Torrent {
    /// Peers that are unchoked and want something.
    pub(super) fn occupied_slots(&self) -> usize {
        self.peers.iter().filter(|peer| peer.takes_slot()).count()
    }

    /// Unchokes peers at once while there are slots for them.
    pub(super) fn fill_slots(&mut self, now: Instant) {
        if self.activity != Activity::Active {
            return;
        }
        let free = self.slots.saturating_sub(self.occupied_slots());
        if free == 0 {
            return;
        }
        let mut waiting = self.candidates(|peer| peer.am_choking);
        waiting.sort_by_key(|peer| (peer.snubbed, peer.since, peer.tie));
        for peer in waiting.iter().take(free) {
            self.unchoke(now, peer.key);
        }
    }

    /// Gives all slots anew: most to those who deserve them, some to those who are to be tried out.
    pub(super) fn choke_round(&mut self, now: Instant) {
        self.slots = choker::slots(self.limits.upload_slots, self.upload.bytes_per_second());
        let mut chosen = self.choose_unchoked(now);
        chosen.sort_unstable();
        for key in self.peers.keys() {
            if chosen.binary_search(&key).is_ok() {
                self.unchoke(now, key);
            } else {
                self.choke(now, key);
            }
        }
    }

    fn choose_unchoked(&mut self, now: Instant) -> Vec<PeerKey> {
        if self.activity != Activity::Active {
            return Vec::new();
        }
        let candidates = self.candidates(|_| true);
        if candidates.len() <= self.slots {
            return candidates.iter().map(|peer| peer.key).collect();
        }
        if self.left == 0 {
            return choker::seeding(candidates, self.slots);
        }
        let trials = choker::optimistic_slots(self.slots);
        let mut chosen = choker::tit_for_tat(candidates.clone(), self.slots - trials);
        let mut others = candidates;
        others.retain(|peer| !chosen.contains(&peer.key));
        chosen.extend(self.try_out(now, others, trials));
        chosen
    }

    /// The peers on trial: the same ones for some rounds, then others.
    fn try_out(&mut self, now: Instant, others: Vec<Candidate>, slots: usize) -> Vec<PeerKey> {
        let turn = self
            .clock
            .rounds
            .is_multiple_of(self.limits.optimistic_rounds.max(1));
        let (kept, fresh): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|peer| !turn && peer.unchoked && peer.optimistic_at.is_some());
        let mut chosen: Vec<_> = kept.iter().take(slots).map(|peer| peer.key).collect();
        for key in choker::optimistic(fresh, slots - chosen.len()) {
            if let Some(peer) = self.peers.get_mut(key) {
                peer.optimistic_at = Some(now);
            }
            chosen.push(key);
        }
        chosen
    }

    fn candidates(&mut self, which: impl Fn(&Peer) -> bool) -> Vec<Candidate> {
        let rng = &mut self.rng;
        let interested = self.peers.iter().filter(|peer| peer.is_interested);
        interested
            .filter(|peer| which(peer))
            .map(|peer| Candidate {
                key: peer.key,
                unchoked: !peer.am_choking,
                snubbed: peer.requests.is_snubbed(),
                gives: peer.download.bytes_per_second(),
                takes: peer.upload.bytes_per_second(),
                since: peer.choke_changed,
                optimistic_at: peer.optimistic_at,
                tie: rng.random(),
            })
            .collect()
    }
}

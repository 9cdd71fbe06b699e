//! Upload slots: who has one, and the rounds in which they are given anew.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::Torrent;
use crate::choker::{self, Candidate};
use crate::peer::Peer;
use crate::{Activity, PeerKey, UploadSlots};

/// Time at least between two looks for free slots.
const FILL_INTERVAL: Duration = Duration::from_millis(100);

impl Torrent {
    /// Peers that are unchoked and want something.
    pub(super) fn occupied_slots(&self) -> usize {
        self.peers.iter().filter(|peer| peer.takes_slot()).count()
    }

    /// A peer wants something: it gets a slot at once if one is open.
    pub(super) fn welcome(&mut self, now: Instant, key: PeerKey) {
        if self.open_slots > 0 && self.activity == Activity::Active {
            self.open_slots -= 1;
            self.unchoke(now, key);
            return;
        }
        self.out.fill_slots = true;
        // It may have been unchoked when it wanted nothing, and others have its slot.
        if self.limits.upload_slots != UploadSlots::Auto {
            self.choke(now, key);
        }
    }

    /// When slots are to be filled that could not be at once.
    pub(super) fn fill_due(&self) -> Option<Instant> {
        let pending = self.out.fill_slots && !self.peers.is_empty();
        pending.then_some(self.clock.filled + FILL_INTERVAL)
    }

    /// Gives slots that are free, or not made use of, to peers that wait for one.
    ///
    /// It looks at every peer, and is therefore done ten times a second at most.
    pub(super) fn fill_slots(&mut self) {
        let now = self.now;
        let due = now.saturating_duration_since(self.clock.filled) >= FILL_INTERVAL;
        if !due || !std::mem::take(&mut self.out.fill_slots) || self.activity != Activity::Active {
            return;
        }
        self.clock.filled = now;
        let free = match self.limits.upload_slots {
            UploadSlots::Fixed(_) => self.slots.saturating_sub(self.occupied_slots()),
            UploadSlots::Auto => self.unused_slots(now),
        };
        let mut waiting = self.candidates(|peer| free > 0 && peer.am_choking);
        // Those first who give most, so that whoever gives nothing waits until there are slots that nobody else can use.
        waiting.sort_by_key(|peer| (peer.snubbed, Reverse(peer.gives), peer.since, peer.tie));
        waiting.truncate(free);
        self.open_slots = free - waiting.len();
        for peer in waiting {
            self.unchoke(now, peer.key);
        }
        // Nobody says so when a slot falls idle.
        let waits = |peer: &Peer| peer.is_interested && peer.am_choking;
        let is_auto = self.limits.upload_slots == UploadSlots::Auto;
        self.out.fill_slots = is_auto && self.peers.iter().any(waits);
    }

    /// Peers to unchoke so that all slots are made use of.
    ///
    /// Of peers that are unchoked, some have nothing to ask for just now, and their slots are free. The more of them there are, the
    /// less is to be expected of others, and the more of those are tried at a time. Once all slots are made use of, those
    /// who make no use of theirs are choked, or they would all come back at once.
    fn unused_slots(&mut self, now: Instant) -> usize {
        let users = self.peers.iter().filter(|peer| peer.uses_slot(now)).count();
        let idle = self.peers.iter().filter(|peer| peer.wastes_slot(now));
        let idle: Vec<_> = idle.map(|peer| peer.key).collect();
        // Those who were unchoked just now may be about to ask. That is no reason to choke others.
        if users >= self.slots {
            for key in idle {
                self.choke(now, key);
            }
            return 0;
        }
        let free = self
            .slots
            .saturating_sub(self.occupied_slots() - idle.len());
        free * (1 + idle.len())
    }

    /// Gives all slots anew: most to those who deserve them, some to those who are to be tried out.
    pub(super) fn choke_round(&mut self, now: Instant) {
        self.slots = choker::slots(self.limits.upload_slots, self.upload.bytes_per_second());
        let mut chosen = self.choose_unchoked(now);
        chosen.sort_unstable();
        self.open_slots = self.slots.saturating_sub(chosen.len());
        for key in self.peers.keys() {
            if chosen.binary_search(&key).is_ok() {
                self.unchoke(now, key);
            } else {
                self.choke(now, key);
            }
        }
        self.out.fill_slots = true;
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

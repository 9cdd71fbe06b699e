//! What time brings: rates, keepalives, requests that were not answered, rounds of the choker, dials.

use std::time::{Duration, Instant};

use headwater_wire::Message;

use super::Torrent;
use crate::choker;
use crate::{DisconnectReason, PeerKey};

/// Time between two looks at all peers.
const TICK: Duration = Duration::from_secs(1);

impl Torrent {
    /// Time has passed. To be called at [`poll_timeout`](Self::poll_timeout); at other times it does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        if self.clock.tick.is_some_and(|due| due <= now) {
            self.tick(now);
        }
        if self.relief_due().is_some_and(|due| due <= now) {
            self.relieve_all(now);
        }
        self.out.dial = true;
    }

    pub(super) fn start_clock(&mut self, now: Instant) {
        self.clock.last_tick = now;
        self.clock.tick = Some(now + TICK);
        self.clock.relief = now;
        self.clock.choke_round = now + self.limits.choke_interval;
    }

    fn tick(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.clock.last_tick);
        self.clock.last_tick = now;
        self.clock.tick = Some(now + TICK);
        self.download.roll(elapsed);
        self.upload.roll(elapsed);
        for peer in self.peers.iter_mut() {
            peer.download.roll(elapsed);
            peer.upload.roll(elapsed);
            peer.requests.adapt(peer.download.bytes_per_second());
            peer.rejected = 0;
        }
        for key in self.peers.keys() {
            self.check_peer(now, key);
        }
        self.tick_super_seeding(now);
        self.tick_metadata(now);
        self.exchange_peers(now);
        self.share_overdue(now);
        if self.clock.choke_round <= now {
            self.clock.choke_round = now + self.limits.choke_interval;
            self.choke_round(now);
            self.clock.rounds = self.clock.rounds.wrapping_add(1);
        }
        self.soonest = None;
        if let Some(picker) = &mut self.picker {
            picker.reconsider_deadlines();
        }
        self.out.all_hungry = true;
        self.fill_requests();
        self.slots = choker::slots(self.limits.upload_slots, self.upload.bytes_per_second());
        self.out.fill_slots = true;
    }

    fn check_peer(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if now.saturating_duration_since(peer.last_received) >= self.limits.idle_timeout {
            self.disconnect(now, key, DisconnectReason::Idle);
            return;
        }
        if now.saturating_duration_since(peer.last_sent) >= self.limits.keepalive {
            self.out.send(now, peer, Message::KeepAlive);
        }
        if peer.requests.is_overdue(now) {
            self.snub(now, key);
        } else if let Some(block) = peer.requests.forgotten(now) {
            self.abandon_requests(key, |each| each == block);
        }
    }

    /// A peer has not answered for too long. Its requests go back, to be made of others; it gets one at a time until it
    /// answers. What it sends late is taken all the same.
    fn snub(&mut self, now: Instant, key: PeerKey) {
        self.cancel_requests(now, key, |_| true);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.requests.snub(now);
            peer.current = None;
        }
        self.leave_pieces(now, key, |_| true);
        if let Some(picker) = &mut self.picker {
            picker.release_owner(key);
        }
        self.let_others_choose_before(key);
    }
}

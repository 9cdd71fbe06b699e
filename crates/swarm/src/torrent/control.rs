//! What the user wants: activity, priorities, order, limits.

use std::time::Instant;

use headwater_metainfo::PieceIndex;

use super::Torrent;
use crate::peer::Peer;
use crate::priorities::Priorities;
use crate::{Action, Activity, DisconnectReason, Limits, PeerKey, Priority};

impl Torrent {
    /// Starts, pauses or stops.
    ///
    /// Pausing takes back what was asked for and refuses what others asked for. Stopping closes every connection and
    /// calls off every dial: the driver may answer those or not.
    pub fn set_activity(&mut self, now: Instant, activity: Activity) {
        let now = self.advance(now);
        if std::mem::replace(&mut self.activity, activity) == activity {
            return;
        }
        for key in self.peers.keys() {
            match activity {
                Activity::Active => self.update_interest(now, key),
                Activity::Paused => self.pause_peer(now, key),
                Activity::Stopped => self.disconnect(now, key, DisconnectReason::Stopped),
            }
        }
        match activity {
            Activity::Active => {
                self.out.fill_slots = true;
                self.out.ask_metadata = true;
                for key in self.peers.keys() {
                    self.drop_if_redundant(now, key);
                }
            }
            Activity::Paused => {}
            Activity::Stopped => self.list.cancel_dials(now),
        }
        self.out.dial = true;
    }

    fn pause_peer(&mut self, now: Instant, key: PeerKey) {
        self.cancel_requests(now, key, |_| true);
        self.update_interest(now, key);
        self.choke(now, key);
        self.refuse_requests(now, key, |_, _| true);
    }

    /// Takes new priorities, one for each piece; pieces past the end of the list get [`Priority::NORMAL`].
    ///
    /// What was received of pieces that are no longer wanted is dropped.
    pub fn set_priorities(&mut self, now: Instant, priorities: Vec<Priority>) {
        let now = self.advance(now);
        let was_left = self.left;
        self.priorities = Priorities::new(priorities, self.geometry.piece_count());
        self.left = self.count_left();
        let unwanted = match &mut self.picker {
            Some(picker) => picker.set_priorities(&self.have, &self.priorities),
            None => Vec::new(),
        };
        for piece in unwanted {
            self.drop_if_unwanted(now, piece);
        }
        for key in self.peers.keys() {
            self.recount_interest(now, key);
        }
        self.out.all_hungry = true;
        if self.left == 0 && was_left > 0 {
            self.completed(now);
        } else if self.left > 0 && was_left == 0 {
            self.announce_upload_only(now);
            self.list.revive(now);
            self.out.dial = true;
        }
    }

    /// Drops what there is of a piece that is not wanted, unless it is being checked.
    pub(super) fn drop_if_unwanted(&mut self, now: Instant, piece: PieceIndex) {
        let wanted = |torrent: &Self| {
            torrent
                .picker
                .as_ref()
                .is_some_and(|picker| picker.wants(piece))
        };
        if wanted(self) {
            return;
        }
        for key in self.peers.keys() {
            self.cancel_requests(now, key, |each| each == piece);
        }
        if let Some(picker) = &mut self.picker {
            picker.drop_unwanted(piece);
        }
        self.out.actions.push_back(Action::DiscardPiece { piece });
    }

    fn recount_interest(&mut self, now: Instant, key: PeerKey) {
        let (Some(peer), Some(picker)) = (self.peers.get_mut(key), &self.picker) else {
            return;
        };
        let wanted = peer.pieces.iter().filter(|&piece| picker.wants(piece));
        peer.interesting = wanted.count() as u32;
        peer.starved_at = None;
        self.update_interest(now, key);
    }

    /// Whether pieces are fetched in order instead of the rarest first.
    pub fn set_sequential(&mut self, now: Instant, sequential: bool) {
        self.advance(now);
        self.sequential = sequential;
        if let Some(picker) = &mut self.picker {
            picker.set_sequential(sequential);
        }
    }

    /// Takes new limits. Connections past a new, lower limit are closed, those first that give and take least; requests past one are
    /// refused, the latest first.
    pub fn set_limits(&mut self, now: Instant, limits: Limits) {
        let now = self.advance(now);
        self.limits = limits;
        self.list.set_capacity(self.limits.max_known_peers);
        let mut peers: Vec<_> = self.peers.iter().map(worth).collect();
        peers.sort_unstable();
        let excess = peers.len().saturating_sub(self.limits.max_peers);
        for &(_, key) in peers.iter().take(excess) {
            self.disconnect(now, key, DisconnectReason::Full);
        }
        for &(_, key) in peers.iter().skip(excess) {
            self.refuse_excess(now, key);
        }
        self.choke_round(now);
        self.out.dial = true;
    }

    /// The limits in force.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// How much goes over a connection.
fn worth(peer: &Peer) -> (u64, PeerKey) {
    let rate = peer.download.bytes_per_second() + peer.upload.bytes_per_second();
    (rate, peer.key)
}

//! Who is unchoked.

use std::cmp::Reverse;
use std::time::Instant;

use crate::{PeerKey, UploadSlots};

/// Slots of [`UploadSlots::Auto`] at least and at most.
const AUTO_SLOTS: (u32, u32) = (8, 64);

/// A peer that wants something of us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) key: PeerKey,
    pub(crate) unchoked: bool,
    /// It owes us an answer.
    pub(crate) snubbed: bool,
    /// Bytes a second that it gives us.
    pub(crate) gives: u64,
    /// Bytes a second that it takes.
    pub(crate) takes: u64,
    /// When it was last choked or unchoked.
    pub(crate) since: Instant,
    /// When it last had the optimistic slot.
    pub(crate) optimistic_at: Option<Instant>,
    /// A random number that breaks ties.
    pub(crate) tie: u32,
}

/// How many slots there are at an upload rate.
pub(crate) fn slots(setting: UploadSlots, bytes_per_second: u64) -> usize {
    match setting {
        UploadSlots::Fixed(slots) => slots as usize,
        UploadSlots::Auto => {
            let rate = (bytes_per_second / 1024) as f64;
            (((rate * 0.6).sqrt() as u32).clamp(AUTO_SLOTS.0, AUTO_SLOTS.1)) as usize
        }
    }
}

/// Of these slots, how many are given away without looking at what comes back.
pub(crate) fn optimistic_slots(slots: usize) -> usize {
    (slots / 5).max(1).min(slots)
}

/// A leech's choice: those who give most. A peer that owes us an answer gives nothing, whatever it gave before.
pub(crate) fn tit_for_tat(mut peers: Vec<Candidate>, slots: usize) -> Vec<PeerKey> {
    peers.sort_by_key(|peer| {
        let gives = if peer.snubbed { 0 } else { peer.gives };
        (peer.snubbed, Reverse(gives), !peer.unchoked, peer.tie)
    });
    peers.iter().take(slots).map(|peer| peer.key).collect()
}

/// A seed's choice: three quarters of the slots go to those who take fastest, the others to those who have waited
/// longest, so that everybody has a turn and nobody holds a slot for nothing.
pub(crate) fn seeding(mut peers: Vec<Candidate>, slots: usize) -> Vec<PeerKey> {
    let turns = (slots / 4).max(1).min(slots);
    peers.sort_by_key(|peer| (!peer.unchoked, Reverse(peer.takes), peer.tie));
    let unchoked = peers.iter().take_while(|peer| peer.unchoked).count();
    let waiting = peers.len() - unchoked;
    let kept = unchoked.min(slots - turns.min(waiting));
    let mut rest = peers.split_off(kept);
    rest.sort_by_key(|peer| (peer.unchoked, peer.since, peer.tie));
    peers.extend(rest);
    peers.iter().take(slots).map(|peer| peer.key).collect()
}

/// The peers to try out: those that have waited longest for it.
pub(crate) fn optimistic(mut peers: Vec<Candidate>, slots: usize) -> Vec<PeerKey> {
    peers.sort_by_key(|peer| (peer.optimistic_at, peer.tie));
    peers.iter().take(slots).map(|peer| peer.key).collect()
}

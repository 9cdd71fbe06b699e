//! Who is unchoked.

use std::cmp::Reverse;
use std::time::Instant;

use crate::{PeerKey, UploadSlots};

/// Slots of [`UploadSlots::Auto`] at least and at most.
const AUTO_SLOTS: (u32, u32) = (4, 64);
/// The square of [`UploadSlots::Auto`]'s slots for each KiB/s: 7 slots at 1 MiB/s. With few, each piece is through sooner and can be
/// passed on sooner.
const SLOTS_PER_RATE: f64 = 0.06;

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
            (((rate * SLOTS_PER_RATE).sqrt() as u32).clamp(AUTO_SLOTS.0, AUTO_SLOTS.1)) as usize
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn candidates(count: u32) -> (Vec<Candidate>, Instant) {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
        let now = Instant::now();
        let candidate = |index| Candidate {
            key: PeerKey::for_tests(index),
            unchoked: false,
            snubbed: false,
            gives: 0,
            takes: 0,
            since: now,
            optimistic_at: None,
            tie: index,
        };
        ((0..count).map(candidate).collect(), now)
    }

    fn key(index: u32) -> PeerKey {
        PeerKey::for_tests(index)
    }

    #[test]
    fn automatic_slots_grow_with_the_rate() {
        assert_eq!(slots(UploadSlots::Auto, 0), 4);
        assert_eq!(slots(UploadSlots::Auto, 1 << 20), 7);
        assert_eq!(slots(UploadSlots::Auto, 4 << 20), 15);
        assert_eq!(slots(UploadSlots::Auto, 1 << 40), 64);
        assert_eq!(slots(UploadSlots::Fixed(3), 1 << 40), 3);
        assert_eq!([0, 1, 4, 10].map(optimistic_slots), [0, 1, 1, 2]);
    }

    #[test]
    fn those_who_give_most_win_unless_they_owe() {
        let (mut peers, _) = candidates(5);
        peers[1].gives = 10;
        peers[3].gives = 20;
        peers[4].gives = 1_000;
        peers[4].snubbed = true;
        assert_eq!(tit_for_tat(peers.clone(), 2), [key(3), key(1)]);
        // Among equals, nobody is choked without a reason.
        peers[2].unchoked = true;
        assert_eq!(tit_for_tat(peers, 3)[2], key(2));
    }

    #[test]
    fn a_seed_keeps_the_fastest_and_lets_those_in_who_waited_longest() {
        let (mut peers, now) = candidates(8);
        for (index, peer) in peers.iter_mut().enumerate() {
            peer.unchoked = index < 4;
            peer.takes = if peer.unchoked { index as u64 } else { 0 };
            peer.since = now + Duration::from_secs(10 - index as u64);
        }
        // The slowest of those who had a slot makes room for the one that has waited longest.
        assert_eq!(seeding(peers, 4), [key(3), key(2), key(1), key(7)]);
    }

    #[test]
    fn a_seed_fills_its_slots() {
        for unchoked in 0..6 {
            for slots in 0..6 {
                let (mut peers, _) = candidates(6);
                peers
                    .iter_mut()
                    .take(unchoked)
                    .for_each(|peer| peer.unchoked = true);
                assert_eq!(seeding(peers, slots).len(), slots);
            }
        }
    }

    #[test]
    fn trials_go_to_those_who_had_none() {
        let (mut peers, now) = candidates(3);
        peers[0].optimistic_at = Some(now + Duration::from_secs(1));
        peers[1].optimistic_at = Some(now);
        assert_eq!(optimistic(peers, 2), [key(2), key(1)]);
    }
}

//! Pieces that a reader waits for.

use std::time::{Duration, Instant};

use headwater_metainfo::PieceIndex;

use super::Torrent;
use super::promptness::{arrives, delivers};
use crate::PeerKey;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::picker::{BlockId, Picker, Picking};

/// What is needed within this time is asked for again of a faster peer, if it is late.
const NEAR: Duration = Duration::from_secs(5);
/// Of so many of the fastest peers it is looked at whether they could deliver sooner.
const RIVALS: usize = 32;

impl Torrent {
    /// Says when a piece is needed, or with `None` that it is no longer urgent.
    ///
    /// Pieces with a deadline come before all others, in the order of their deadlines, whatever their priority and
    /// rarity. Their blocks are asked of the peers that will deliver soonest: a peer that would be late gets none that
    /// another one could deliver in time, and what a slow peer still owes when the deadline is less than five seconds
    /// away is asked for again of a faster one (of three peers at most), at the price of some bytes that come twice. A piece
    /// whose deadline has passed is the most urgent of all.
    ///
    /// A deadline takes effect only while the piece is wanted (its [priority](Self::priority) is above 0), and ends
    /// when the piece is there. It is meant for the few pieces that a reader is about to come to: each costs a look whenever
    /// something is asked of a peer. For pieces that are there, or that do not exist, nothing happens.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use headwater_metainfo::{InfoHash, PeerId, PieceGeometry, PieceIndex};
    /// use headwater_swarm::{Config, Torrent};
    ///
    /// let geometry = PieceGeometry::new(1 << 30, 1 << 20)?;
    /// let config = Config::new(InfoHash([1; 20]), PeerId(*b"-HW0100-abcdefghijkl"), geometry);
    /// let now = Instant::now();
    /// let mut torrent = Torrent::new(now, config);
    ///
    /// // A film of 1 MiB/s is being watched, and this is where it is at.
    /// for ahead in 0..8 {
    ///     let needed = now + Duration::from_secs(ahead);
    ///     torrent.set_deadline(now, PieceIndex(300 + ahead as u32), Some(needed));
    /// }
    /// assert_eq!(torrent.deadline(PieceIndex(301)), Some(now + Duration::from_secs(1)));
    ///
    /// // The viewer jumps elsewhere.
    /// torrent.clear_deadlines(now);
    /// assert_eq!(torrent.deadline(PieceIndex(301)), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_deadline(&mut self, now: Instant, piece: PieceIndex, deadline: Option<Instant>) {
        self.advance(now);
        let missing = piece.0 < self.geometry.piece_count() && !self.have.has(piece);
        if let Some(picker) = self.picker.as_mut().filter(|_| missing) {
            picker.set_deadline(piece, deadline);
            self.out.all_hungry = true;
        }
    }

    /// Takes all deadlines back. What was asked for on their account stays asked for.
    pub fn clear_deadlines(&mut self, now: Instant) {
        self.advance(now);
        if let Some(picker) = &mut self.picker {
            picker.clear_deadlines();
            self.out.wake = true;
        }
    }

    /// When a piece is needed, if it has a deadline and is not there yet.
    pub fn deadline(&self, piece: PieceIndex) -> Option<Instant> {
        self.picker.as_ref()?.deadline(piece)
    }
}

/// A peer that could be asked for something urgent, beside all others.
pub(super) struct Hurry<'a> {
    now: Instant,
    peers: &'a Peers,
    /// The peers that deliver soonest come first.
    soonest: &'a [PeerKey],
    peer: &'a Peer,
    /// When it would deliver a block that it was asked for now.
    delivers: Instant,
}

impl<'a> Hurry<'a> {
    pub(super) fn new(
        now: Instant,
        peers: &'a Peers,
        soonest: &'a [PeerKey],
        peer: &'a Peer,
    ) -> Self {
        Self {
            now,
            peers,
            soonest,
            peer,
            delivers: delivers(now, peer, peer.requests.len() + 1),
        }
    }

    /// Takes up to `room` blocks for the peer: of each piece those that nobody was asked for, then those that are late.
    pub(super) fn pick(
        mut self,
        picker: &mut Picker,
        who: &Picking<'_>,
        room: usize,
        blocks: &mut Vec<BlockId>,
    ) {
        let urgent: Vec<_> = picker.urgent(who).collect();
        for (deadline, piece) in urgent {
            if blocks.len() == room {
                return;
            }
            if !self.gives_way(deadline, piece) {
                picker.pick_urgent(who, piece, room, blocks);
                self.count(blocks.len());
            }
            if deadline <= self.now + NEAR {
                self.repeat(picker, who, (deadline, piece), room, blocks);
            }
        }
    }

    /// So many blocks are to be asked for already, and come first.
    fn count(&mut self, taken: usize) {
        let blocks = self.peer.requests.len() + taken + 1;
        self.delivers = delivers(self.now, self.peer, blocks);
    }

    /// Whether the peer would be late with a block that another one could deliver in time, or in half the time.
    fn gives_way(&self, deadline: Instant, piece: PieceIndex) -> bool {
        if self.delivers <= deadline {
            return false;
        }
        let better = self.better(deadline, self.delivers);
        let mut rivals = self.soonest.iter().take(RIVALS);
        rivals.any(|&rival| {
            let Some(other) = self.peers.get(rival) else {
                return false;
            };
            let able = other.key != self.peer.key && can_deliver(other, piece);
            able && delivers(self.now, other, other.requests.len() + 1) <= better
        })
    }

    /// Instead of waiting for a block that comes too late, it is better to have it in time, or at least in half the time.
    fn better(&self, deadline: Instant, late: Instant) -> Instant {
        let half = self.now + late.saturating_duration_since(self.now) / 2;
        deadline.max(half)
    }

    /// Takes blocks that others will be late with, and that this peer will not.
    fn repeat(
        &mut self,
        picker: &mut Picker,
        who: &Picking<'_>,
        (deadline, piece): (Instant, PieceIndex),
        room: usize,
        blocks: &mut Vec<BlockId>,
    ) {
        let outstanding: Vec<_> = picker.outstanding(piece, who.key).collect();
        for (block, asked) in outstanding {
            if blocks.len() == room {
                return;
            }
            let arrivals = asked.iter().filter_map(|&other| self.peers.get(other));
            let arrivals = arrivals.map(|other| arrives(self.now, other, block));
            let late = arrivals.min().is_some_and(|arrival| {
                arrival > deadline && self.delivers <= self.better(deadline, arrival)
            });
            if late && picker.duplicate(who, block) {
                blocks.push(block);
                self.count(blocks.len());
            }
        }
    }
}

/// Whether a peer may be asked for blocks of a piece.
fn can_deliver(peer: &Peer, piece: PieceIndex) -> bool {
    let open = !peer.is_choking || peer.allowed.contains(&piece);
    open && peer.am_interested && !peer.parole && peer.pieces.has(piece)
}

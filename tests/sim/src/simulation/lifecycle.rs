//! Peers that come, finish, play and leave.

use std::time::Duration;

use headwater_metainfo::PieceIndex;
use headwater_swarm::PeerSource;
use headwater_wire::Message;
use rand::RngExt;

use super::{Event, Simulation, address_of};
use crate::behaviour::Behaviour;
use crate::reader;
use crate::spec::Leaves;

/// How often a peer that chokes and unchokes in turn does so.
const CYCLE: Duration = Duration::from_millis(250);
/// A peer with fewer connections than this asks the tracker more often.
const FEW_PEERS: usize = 8;

impl Simulation {
    pub(super) fn arrive(&mut self, index: u32) {
        let (now, instant) = (self.now(), self.instant());
        let geometry = self.spec.geometry;
        let seed = self.rng.random();
        let node = self.node(index);
        let first = node.generation == 0;
        node.start(instant, index, geometry, seed);
        let (reads, cycles) = (
            node.reader.is_some() && first,
            node.spec.behaviour == Behaviour::ChokeCycle && first,
        );
        let leaves = node.spec.leaves;
        // Already complete, with nothing to wait for: what is not wanted does not count.
        let complete = node
            .torrent
            .as_ref()
            .is_some_and(headwater_swarm::Torrent::is_complete);
        self.announce(index);
        if reads {
            self.push(now + reader::STEP, index, Event::Play);
        }
        if cycles {
            self.push(now + CYCLE, index, Event::Cycle);
        }
        if let Leaves::At(time) = leaves {
            self.push(time, index, Event::Leave);
        }
        if complete {
            self.finished(index);
        }
    }

    pub(super) fn announce(&mut self, index: u32) {
        let (now, instant) = (self.now(), self.instant());
        let Some(torrent) = &self.nodes[index as usize].torrent else {
            return;
        };
        let few = torrent.stats().peers < FEW_PEERS && !torrent.is_complete();
        let named = self.tracker.announce(index, &mut self.rng);
        let addresses = named.into_iter().map(address_of);
        if let Some(torrent) = &mut self.nodes[index as usize].torrent {
            torrent.add_peers(instant, addresses, PeerSource::Tracker);
        }
        let mut interval = self.tracker.spec.interval;
        if few {
            interval = interval.min(self.tracker.spec.retry);
        }
        self.push(now + interval, index, Event::Announce);
    }

    /// A node leaves, for good or for a while.
    pub(super) fn leave(&mut self, index: u32) {
        let now = self.now();
        self.tracker.remove(index);
        let mut ends: Vec<_> = self.nodes[index as usize].ends.values().copied().collect();
        // The order in which a map gives them means nothing.
        ends.sort_unstable_by_key(|end| end.connection);
        for end in ends {
            self.hang_up(end);
        }
        let node = self.node(index);
        node.stop();
        if let Leaves::Restarts { pause, .. } = node.spec.leaves {
            node.spec.leaves = Leaves::Never;
            self.push(now + pause, index, Event::Arrive);
        }
    }

    /// A node has got a piece.
    pub(super) fn made_progress(&mut self, index: u32, piece: PieceIndex) {
        let node = &self.nodes[index as usize];
        if let Leaves::Restarts { at, .. } = node.spec.leaves
            && node.progress() >= at
            && node.done.is_none()
        {
            self.push(self.now(), index, Event::Leave);
        }
        if self.uncopied.clear(piece) && self.uncopied.is_clear() {
            self.let_seeds_go();
        }
    }

    /// Every piece is with somebody who stays: those who waited for that leave.
    fn let_seeds_go(&mut self) {
        let now = self.now();
        for (index, node) in (0..).zip(&self.nodes) {
            if node.spec.leaves == Leaves::WhenCopied {
                self.agenda.push(now, (index, Event::Leave));
            }
        }
    }

    /// A node has all that it wants.
    pub(super) fn finished(&mut self, index: u32) {
        let now = self.now();
        let node = self.node(index);
        if node.done.is_some() || !node.spec.takes() {
            return;
        }
        node.done = Some(now);
        let (leaves, counts) = (node.spec.leaves, node.spec.must_finish());
        self.unfinished -= usize::from(counts);
        if let Leaves::AfterDone(time) = leaves {
            self.push(now + time, index, Event::Leave);
        }
    }

    pub(super) fn play(&mut self, index: u32) {
        let (now, instant) = (self.now(), self.instant());
        let geometry = self.spec.geometry;
        let node = self.node(index);
        if let (Some(reader), Some(torrent)) = (&mut node.reader, &mut node.torrent) {
            reader.step(now, geometry, torrent.have());
            reader.set_deadlines(instant, torrent);
        }
        self.push(now + reader::STEP, index, Event::Play);
    }

    /// Chokes everybody, or unchokes everybody.
    pub(super) fn cycle(&mut self, index: u32) {
        let node = self.node(index);
        node.chokes = !node.chokes;
        let message = if node.chokes {
            Message::Choke
        } else {
            Message::Unchoke
        };
        let mut ends: Vec<_> = node.ends.values().copied().collect();
        ends.sort_unstable_by_key(|end| end.connection);
        for end in ends {
            self.send(index, end, message.clone().into());
        }
        self.push(self.now() + CYCLE, index, Event::Cycle);
    }
}

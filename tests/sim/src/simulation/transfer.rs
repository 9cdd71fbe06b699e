//! Messages and blocks on their way.

use std::time::Duration;

use headwater_metainfo::{BlockSpan, PieceIndex};
use headwater_swarm::PieceCheck;
use rand::RngExt;

use super::{Event, Simulation};
use crate::behaviour::{Altered, Behaviour};
use crate::link::EndId;
use crate::node::Node;
use crate::packet::Packet;

/// Time that hashing and writing a piece takes beside the disk's rate.
const HASHING: Duration = Duration::from_millis(2);

impl Simulation {
    /// Sends a message of a node's brain, as the node's behaviour would have it.
    pub(super) fn say(&mut self, node: u32, end: EndId, packet: Packet) {
        match self.nodes[node as usize].spec.behaviour.alter(packet) {
            Altered::Kept(packet) => self.send(node, end, packet),
            Altered::Dropped => {}
            Altered::Followed(first, second) => {
                self.send(node, end, first);
                self.send(node, end, second);
            }
        }
    }

    pub(super) fn send(&mut self, node: u32, end: EndId, packet: Packet) {
        if !packet.overtakes() && !self.end_mut(end).is_idle() {
            self.end_mut(end).push(packet);
            return;
        }
        self.node(node).up.debt += packet.length();
        let now = self.now();
        self.launch(end, now, packet);
    }

    /// A packet that left the uplink at `sent` will arrive.
    fn launch(&mut self, end: EndId, sent: crate::Time, packet: Packet) {
        let route = &mut self.routes[end.connection as usize];
        let arrival = sent + route.delay(&mut self.rng);
        let due = route.schedule(end.side, arrival, packet.overtakes());
        let receiver = route.nodes[usize::from(1 - end.side)];
        self.push(due, receiver, Event::Arrived(end.other(), packet));
    }

    /// Has a block read and sent.
    pub(super) fn serve(&mut self, index: u32, end: EndId, block: BlockSpan) {
        let now = self.now();
        let node = self.node(index);
        if !node.spec.behaviour.serves() {
            return;
        }
        let due = node.disk.occupy(now, u64::from(block.length));
        if due <= now && node.disk.spec.read_errors == 0 {
            self.send_block(index, end, block);
        } else {
            self.end_mut(end).reading.push(block);
            self.push(due, index, Event::Read(end, block));
        }
    }

    pub(super) fn was_read(&mut self, index: u32, end: EndId, block: BlockSpan) {
        let reading = &mut self.end_mut(end).reading;
        let Some(at) = reading.iter().position(|each| *each == block) else {
            return;
        };
        reading.swap_remove(at);
        let draw = self.rng.random_range(0..1_000);
        if draw >= self.nodes[index as usize].spec.disk.read_errors {
            self.send_block(index, end, block);
            return;
        }
        let (now, key) = (self.instant(), self.key_of(end));
        if let (Some(key), Some(torrent)) = (key, &mut self.node(index).torrent) {
            torrent.handle_block_unreadable(now, key, block);
            torrent.set_have(now, block.piece, false);
        }
    }

    fn send_block(&mut self, index: u32, end: EndId, span: BlockSpan) {
        let behaviour = self.nodes[index as usize].spec.behaviour;
        let spoilt = behaviour != Behaviour::Honest && behaviour.spoils(self.rng.random());
        self.end_mut(end).push(Packet::Block { span, spoilt });
        self.fill_buffer(end);
    }

    /// Moves what fits into the send buffer, tells the brain, and sees to it that the link takes it.
    fn fill_buffer(&mut self, end: EndId) {
        let now = self.instant();
        let key = self.key_of(end);
        let node = self.node_of(end);
        let this = &mut self.ends[end.connection as usize][usize::from(end.side)];
        let node = &mut self.nodes[node as usize];
        this.fill_buffer(|block| {
            if let (Some(key), Some(torrent)) = (key, &mut node.torrent) {
                torrent.handle_block_sent(now, key, block);
            }
        });
        if this.is_ready() && !this.takes_turns {
            this.takes_turns = true;
            node.up.turns.push_back(end);
        }
    }

    pub(super) fn cancel_serve(&mut self, index: u32, end: EndId, block: BlockSpan) {
        let now = self.instant();
        let this = self.end_mut(end);
        let read = this.reading.iter().position(|each| *each == block);
        if let Some(at) = read {
            this.reading.swap_remove(at);
        } else if !this.take_back(block) {
            return;
        }
        let key = self.key_of(end);
        if let (Some(key), Some(torrent)) = (key, &mut self.node(index).torrent) {
            torrent.handle_block_dropped(now, key, block);
        }
    }

    /// Lets the connections of a node that have something to send take turns until the link is busy.
    pub(super) fn run_uplink(&mut self, index: u32) {
        let now = self.now();
        while self.nodes[index as usize].up.is_free(now)
            && let Some(end) = self.node(index).up.turns.pop_front()
        {
            let this = self.end_mut(end);
            let packet = if this.is_ready() {
                this.transmit()
            } else {
                None
            };
            let Some(packet) = packet else {
                this.takes_turns = false;
                continue;
            };
            let sent = self.node(index).up.send(now, packet.length());
            self.count_sent(sent, packet.length());
            self.launch(end, sent, packet);
            self.end_mut(end).takes_turns = false;
            self.fill_buffer(end);
        }
        let up = &mut self.node(index).up;
        if !up.turns.is_empty() && !up.is_scheduled {
            up.is_scheduled = true;
            let due = up.busy_until;
            self.push(due, index, Event::UplinkFree);
        }
    }

    fn count_sent(&mut self, at: crate::Time, bytes: u64) {
        let second = at.as_secs_f64() as usize;
        if self.sent.len() <= second {
            self.sent.resize(second + 1, 0);
        }
        self.sent[second] += bytes;
    }

    /// A packet reaches the downlink of its receiver.
    pub(super) fn arrived(&mut self, node: u32, end: EndId, packet: Packet) {
        let now = self.now();
        let due = self.node(node).down.receive(now, packet.length());
        let waits = matches!(packet, Packet::Block { .. }) && due > now;
        if waits {
            self.push(due, node, Event::Received(end, packet));
        } else {
            self.received(node, end, packet);
        }
    }

    pub(super) fn received(&mut self, index: u32, end: EndId, packet: Packet) {
        let now = self.instant();
        self.packets += 1;
        if let Packet::Block { span, spoilt } = packet {
            let sender = end.other();
            self.end_mut(sender).delivered(packet.length());
            let from = self.node_of(sender);
            if spoilt {
                let spoilt = self.node(from).spoilt.entry(index).or_default();
                spoilt.pieces.insert(span.piece);
            }
            self.wake(sender);
        }
        let Some(key) = self.key_of(end) else {
            return;
        };
        if let Some(torrent) = &mut self.node(index).torrent {
            torrent.handle_message(now, key, packet.into_message());
        }
    }

    /// A connection whose window was full may go on.
    fn wake(&mut self, end: EndId) {
        let this = self.end_mut(end);
        if this.takes_turns || !this.is_ready() {
            return;
        }
        this.takes_turns = true;
        let (node, now) = (self.node_of(end), self.now());
        let up = &mut self.node(node).up;
        up.turns.push_back(end);
        if !up.is_scheduled {
            up.is_scheduled = true;
            let due = up.busy_until.max(now);
            self.push(due, node, Event::UplinkFree);
        }
    }

    /// All blocks of a piece are there: it is hashed and written.
    pub(super) fn complete(&mut self, index: u32, piece: PieceIndex) {
        let now = self.now();
        let size = u64::from(self.spec.geometry.piece_size(piece));
        let due = self.node(index).disk.occupy(now, size) + HASHING;
        self.push(due, index, Event::Checked(piece));
        self.watch_disk(index);
    }

    pub(super) fn checked(&mut self, index: u32, piece: PieceIndex) {
        let now = self.instant();
        let draw = self.rng.random_range(0..1_000);
        let node = self.node(index);
        let Some(torrent) = &mut node.torrent else {
            return;
        };
        if !node.disk.is_good(piece) {
            let blocks = torrent.geometry().blocks(piece);
            let digests = blocks.map(|block| Some(node.disk.digest(block))).collect();
            torrent.handle_piece_checked(now, piece, PieceCheck::Failed { digests });
            self.count_failed(index, piece);
        } else if draw < node.spec.disk.write_errors {
            torrent.handle_store_failed(now, piece);
        } else {
            torrent.handle_piece_checked(now, piece, PieceCheck::Passed);
        }
    }

    /// A piece of a node failed: whoever sent it spoilt blocks had part in that. What was left behind by one that is banned by now
    /// does not count.
    fn count_failed(&mut self, victim: u32, piece: PieceIndex) {
        let at_large = |node: &&mut Node| !node.banned_by.contains(&victim);
        let spoilt = self.nodes.iter_mut().filter(at_large);
        for spoilt in spoilt.filter_map(|node| node.spoilt.get_mut(&victim)) {
            spoilt.failed += u32::from(spoilt.pieces.remove(&piece));
        }
    }

    /// A piece that failed before is there: what its blocks are.
    pub(super) fn digest(&mut self, index: u32, piece: PieceIndex) {
        let now = self.instant();
        let node = self.node(index);
        if let Some(torrent) = &mut node.torrent {
            let blocks = torrent.geometry().blocks(piece);
            let digests: Vec<_> = blocks.map(|block| node.disk.digest(block)).collect();
            torrent.handle_block_digests(now, piece, &digests);
        }
    }

    /// Tells the brain whether the disk keeps up.
    pub(super) fn watch_disk(&mut self, index: u32) {
        let (now, instant) = (self.now(), self.instant());
        let node = self.node(index);
        let behind = node.disk.is_behind(now);
        let caught_up_at = node.disk.caught_up_at();
        if let Some(torrent) = &mut node.torrent
            && node.backlogged != behind
        {
            node.backlogged = behind;
            torrent.set_backlogged(instant, behind);
        }
        if behind {
            self.push(caught_up_at, index, Event::CaughtUp);
        }
    }
}

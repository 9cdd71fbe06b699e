//! The loop: events, connections, transfers.

mod connections;
mod lifecycle;
mod transfer;
mod turns;

use std::time::Instant;

use headwater_metainfo::{Bitfield, BlockSpan, PieceIndex};
use headwater_swarm::{Action, Event as SwarmEvent};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::agenda::Agenda;
use crate::link::{End, EndId, Route};
use crate::node::{Node, address_of, node_at};
use crate::outcome::{Outcome, PeerOutcome};
use crate::packet::Packet;
use crate::reader::Reader;
use crate::spec::SwarmSpec;
use crate::time::Time;
use crate::tracker::Tracker;

/// Something that happens to a node.
#[derive(Debug)]
enum Event {
    /// It comes, for the first time or again.
    Arrive,
    /// It leaves, and comes back after a while if it is to.
    Leave,
    Announce,
    /// Its brain wanted to be called.
    Timer,
    /// A connection reaches it.
    Knock(EndId),
    /// A connection that it opened is made.
    Answered(EndId),
    /// A connection that it opened came to nothing.
    Refused(std::net::SocketAddr),
    /// The other end is closed.
    Closed(EndId),
    /// A packet arrives at its downlink.
    Arrived(EndId, Packet),
    /// A packet is through its downlink.
    Received(EndId, Packet),
    /// Its uplink can take more.
    UplinkFree,
    /// A block was read from its disk.
    Read(EndId, BlockSpan),
    /// A piece was hashed and written.
    Checked(PieceIndex),
    /// Its disk has caught up.
    CaughtUp,
    /// Its reader goes on.
    Play,
    /// It changes its mind about whom it chokes.
    Cycle,
    /// It was handled.
    Done,
}

/// A swarm that runs. See the [crate](crate) for an example.
#[derive(Debug)]
pub struct Simulation {
    spec: SwarmSpec,
    /// What virtual time zero is for the brains, and what it is now.
    origin: Instant,
    instant: Instant,
    agenda: Agenda<(u32, Event)>,
    nodes: Vec<Node>,
    /// For each connection that there ever was: where it leads, and what its two ends send.
    routes: Vec<Route>,
    ends: Vec<[End; 2]>,
    tracker: Tracker,
    rng: Xoshiro256PlusPlus,
    /// Pieces that nobody has who stays, as long as somebody waits for there to be none.
    uncopied: Bitfield,
    /// Peers that must finish and have not.
    unfinished: usize,
    packets: u64,
    /// Block bytes that left any uplink in each second.
    sent: Vec<u64>,
}

impl Simulation {
    /// A swarm in which nothing has happened yet.
    ///
    /// # Panics
    ///
    /// If there are more peers than addresses: 50,000.
    pub fn new(spec: SwarmSpec) -> Self {
        assert!(spec.nodes.len() <= 50_000, "too many peers");
        let mut agenda = Agenda::new(spec.resolution);
        for (index, node) in (0..).zip(&spec.nodes) {
            agenda.push(node.arrives, (index, Event::Arrive));
        }
        let origin = Instant::now();
        Self {
            origin,
            instant: origin,
            agenda,
            nodes: spec
                .nodes
                .iter()
                .map(|node| Node::new(node.clone(), spec.resolution))
                .collect(),
            routes: Vec::new(),
            ends: Vec::new(),
            tracker: Tracker::new(spec.tracker),
            rng: Xoshiro256PlusPlus::seed_from_u64(spec.rng),
            unfinished: spec.nodes.iter().filter(|node| node.must_finish()).count(),
            uncopied: Bitfield::full(spec.geometry.piece_count()),
            packets: 0,
            sent: Vec::new(),
            spec,
        }
    }

    /// Runs until everybody is done, or the limit of the spec is reached.
    pub fn run(mut self) -> Outcome {
        let (mut events, mut order) = (Vec::new(), Vec::new());
        let limit = Time::ZERO + self.spec.limit;
        while self.unfinished > 0 && self.agenda.now() < limit && self.agenda.advance(&mut events) {
            self.instant = self.origin + self.now().since(Time::ZERO);
            // One node after the other, so that each one's memory is fetched once.
            order.extend((0..).zip(&events).map(|(at, &(node, _))| (node, at)));
            order.sort_unstable();
            self.live_through(&mut events, &order);
            order.clear();
        }
        self.outcome()
    }

    fn now(&self) -> Time {
        self.agenda.now()
    }

    /// The time as the brains have it.
    fn instant(&self) -> Instant {
        self.instant
    }

    fn node(&mut self, node: u32) -> &mut Node {
        &mut self.nodes[node as usize]
    }

    fn push(&mut self, due: Time, node: u32, event: Event) {
        self.agenda.push(due, (node, event));
    }

    fn handle(&mut self, node: u32, event: Event) {
        match event {
            Event::Arrive => self.arrive(node),
            Event::Leave => self.leave(node),
            Event::Announce => self.announce(node),
            Event::Timer => self.timer(node),
            Event::Knock(end) => self.knock(node, end),
            Event::Answered(end) => self.answered(node, end),
            Event::Refused(address) => self.refused(node, address),
            Event::Closed(end) => self.closed(node, end),
            Event::Arrived(end, packet) => self.arrived(node, end, packet),
            Event::Received(end, packet) => self.received(node, end, packet),
            Event::UplinkFree => {
                self.node(node).up.is_scheduled = false;
                self.run_uplink(node);
            }
            Event::Read(end, block) => self.was_read(node, end, block),
            Event::Checked(piece) => self.checked(node, piece),
            Event::CaughtUp => self.watch_disk(node),
            Event::Play => self.play(node),
            Event::Cycle => self.cycle(node),
            Event::Done => {}
        }
    }

    /// Does everything that a node's brain wants done.
    fn drain(&mut self, node: u32) {
        loop {
            let Some(torrent) = &mut self.nodes[node as usize].torrent else {
                return;
            };
            let Some(action) = torrent.poll_action() else {
                break;
            };
            self.perform(node, action);
        }
        while let Some(event) = self.nodes[node as usize]
            .torrent
            .as_mut()
            .and_then(headwater_swarm::Torrent::poll_event)
        {
            self.note(node, &event);
        }
        self.run_uplink(node);
        self.set_timer(node);
    }

    fn perform(&mut self, node: u32, action: Action) {
        match action {
            Action::Dial { address, .. } => self.dial(node, address),
            Action::Send { peer, message } => {
                if let Some(&end) = self.nodes[node as usize].ends.get(&peer) {
                    self.say(node, end, message.into());
                }
            }
            Action::ServeBlock { peer, block } => {
                if let Some(&end) = self.nodes[node as usize].ends.get(&peer) {
                    self.serve(node, end, block);
                }
            }
            Action::CancelServe { peer, block } => {
                if let Some(&end) = self.nodes[node as usize].ends.get(&peer) {
                    self.cancel_serve(node, end, block);
                }
            }
            Action::StoreBlock { block, data } => self.node(node).disk.store(block, &data),
            Action::CompletePiece { piece } => self.complete(node, piece),
            Action::DigestBlocks { piece } => self.digest(node, piece),
            Action::DiscardPiece { piece } => self.node(node).disk.discard(piece),
            Action::CheckMetadata { .. } => unreachable!("every torrent begins with its metadata"),
            Action::Disconnect { peer, .. } => {
                if let Some(end) = self.node(node).ends.remove(&peer) {
                    self.hang_up(end);
                }
            }
        }
    }

    fn note(&mut self, node: u32, event: &SwarmEvent) {
        match event {
            SwarmEvent::Complete => self.finished(node),
            SwarmEvent::PieceVerified(piece) => self.made_progress(node, *piece),
            SwarmEvent::PeerBanned { address, .. } => {
                let culprit = node_at(*address).map(|index| index as usize);
                if let Some(culprit) = culprit.and_then(|index| self.nodes.get_mut(index)) {
                    culprit.banned_by.push(node);
                }
            }
            _ => {}
        }
    }

    fn timer(&mut self, node: u32) {
        let now = self.instant();
        let node = self.node(node);
        node.timer = None;
        if let Some(torrent) = &mut node.torrent {
            torrent.handle_timeout(now);
        }
    }

    fn set_timer(&mut self, index: u32) {
        let node = self.node(index);
        let torrent = node.torrent.as_ref();
        let Some(due) = torrent.and_then(headwater_swarm::Torrent::poll_timeout) else {
            return;
        };
        if node.timer.is_none_or(|timer| due < timer) {
            node.timer = Some(due);
            let due = Time::ZERO + due.saturating_duration_since(self.origin);
            self.push(due, index, Event::Timer);
        }
    }

    fn outcome(self) -> Outcome {
        let peer = |node: &Node| PeerOutcome {
            arrived: node.spec.arrives,
            done: node.done,
            stats: node.stats(),
            banned_by: node.banned_by.clone(),
            most_spoilt: node
                .spoilt
                .values()
                .map(|spoilt| spoilt.failed)
                .max()
                .unwrap_or_default(),
            playback: node.reader.as_ref().map(|reader: &Reader| reader.playback),
        };
        Outcome {
            spec: Box::new((&self.spec).into()),
            peers: self.nodes.iter().map(peer).collect(),
            ended: self.agenda.now(),
            packets: self.packets,
            sent: self.sent,
        }
    }
}

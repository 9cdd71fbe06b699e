//! What a swarm is made of.

use std::time::Duration;

use headwater_metainfo::{Bitfield, PieceGeometry};
use headwater_swarm::{Discovery, Limits, Priority, SuperSeeding};

use crate::behaviour::Behaviour;
use crate::disk::DiskSpec;
use crate::outcome::Outcome;
use crate::reader::ReaderSpec;
use crate::simulation::Simulation;
use crate::time::{Rate, Time};
use crate::tracker::TrackerSpec;

/// A whole swarm, before anything happens in it.
#[derive(Debug, Clone)]
pub struct SwarmSpec {
    /// How the torrent's bytes divide.
    pub geometry: PieceGeometry,
    /// Its peers. Their order is their number everywhere.
    pub nodes: Vec<NodeSpec>,
    /// How they find each other.
    pub tracker: TrackerSpec,
    /// What every random choice is drawn from.
    pub rng: u64,
    /// How finely time is divided. Links reckon exactly; only the moment at which something is noticed is rounded up to the next
    /// multiple of this. A coarser one makes large swarms run faster.
    pub resolution: Duration,
    /// Virtual time after which a peer that is not done counts as stuck.
    pub limit: Duration,
}

impl SwarmSpec {
    /// A swarm with a tracker as [`TrackerSpec::default`] has it, to be given up after a day.
    pub fn new(geometry: PieceGeometry, nodes: Vec<NodeSpec>, rng: u64) -> Self {
        Self {
            geometry,
            nodes,
            tracker: TrackerSpec::default(),
            rng,
            resolution: Duration::from_millis(1),
            limit: Duration::from_hours(24),
        }
    }

    /// Lets it run until everybody is done.
    pub fn run(self) -> Outcome {
        Simulation::new(self).run()
    }
}

/// What a peer starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Everything.
    Complete,
    /// Nothing.
    Empty,
    /// These pieces.
    Pieces(Bitfield),
}

/// When a peer leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// Not before everybody is done.
    Never,
    /// So long after it has everything that it wants.
    AfterDone(Duration),
    /// At this time, whatever it has.
    At(Time),
    /// As soon as every piece is with somebody else.
    WhenCopied,
    /// When it has this share of the pieces, in thousandths; it is back after `pause` with what it kept.
    Restarts {
        /// Thousandths of the pieces.
        at: u32,
        /// How long it is away.
        pause: Duration,
    },
}

/// One peer.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    /// What it can send.
    pub up: Rate,
    /// What it can receive.
    pub down: Rate,
    /// From it to the middle of the network: half of the way to anybody else at the same distance.
    pub latency: Duration,
    /// What may be added to the latency of each packet, at random.
    pub jitter: Duration,
    /// What it has.
    pub start: Start,
    /// How much it wants each piece; empty stands for all of them alike.
    pub priorities: Vec<Priority>,
    /// When it comes.
    pub arrives: Time,
    /// When it goes.
    pub leaves: Leaves,
    /// Nobody can connect to it.
    pub behind_nat: bool,
    /// How it treats others.
    pub behaviour: Behaviour,
    /// Its disk.
    pub disk: DiskSpec,
    /// What its user plays, if anything.
    pub reader: Option<ReaderSpec>,
    /// Bounds and time-outs of its brain.
    pub limits: Limits,
    /// What its brain does as a seed.
    pub super_seeding: SuperSeeding,
    /// How it finds others beside the tracker.
    pub discovery: Discovery,
}

impl NodeSpec {
    /// A leech that stays, with these capacities, 25 ms away from the middle of the network.
    pub fn leech(up: Rate, down: Rate) -> Self {
        Self {
            up,
            down,
            latency: Duration::from_millis(25),
            jitter: Duration::from_millis(5),
            start: Start::Empty,
            priorities: Vec::new(),
            arrives: Time::ZERO,
            leaves: Leaves::Never,
            behind_nat: false,
            behaviour: Behaviour::Honest,
            disk: DiskSpec::default(),
            reader: None,
            limits: Limits {
                // What a program's user would have with many torrents; every HAVE goes to all of them.
                max_peers: 50,
                ..Limits::default()
            },
            super_seeding: SuperSeeding::default(),
            // Where everybody is named by the tracker, there is nothing to find, and what is measured is something else.
            discovery: Discovery::NONE,
        }
    }

    /// A seed that stays.
    pub fn seed(up: Rate, down: Rate) -> Self {
        Self {
            start: Start::Complete,
            ..Self::leech(up, down)
        }
    }

    /// Whether it starts with everything.
    pub fn is_seed(&self) -> bool {
        self.start == Start::Complete
    }

    /// Whether it gives to others what it has.
    pub fn contributes(&self) -> bool {
        self.behaviour == Behaviour::Honest
    }

    /// Whether it downloads.
    pub fn takes(&self) -> bool {
        !self.is_seed()
    }

    /// Whether something is wrong if it never has all that it wants.
    pub fn must_finish(&self) -> bool {
        let plays_along = matches!(self.behaviour, Behaviour::Honest | Behaviour::FreeRider);
        self.takes() && plays_along && !matches!(self.leaves, Leaves::At(_))
    }
}

//! What a torrent is started with.

use std::time::Duration;

use bytes::Bytes;
use headwater_metainfo::{Bitfield, InfoHash, PeerId, PieceGeometry, PieceIndex};

use crate::Discovery;

/// How much a piece is wanted: 0 is not at all, higher comes first. There is no upper end to the scale.
///
/// ```
/// use headwater_swarm::Priority;
///
/// assert!(Priority(7) > Priority::NORMAL);
/// assert!(!Priority::SKIP.is_wanted());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u32);

impl Priority {
    /// Not wanted.
    pub const SKIP: Self = Self(0);
    /// What every piece has unless somebody says otherwise.
    pub const NORMAL: Self = Self(1);

    /// Whether it is above 0.
    pub const fn is_wanted(self) -> bool {
        self.0 > 0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::NORMAL
    }
}

/// What a torrent is allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activity {
    /// Everything.
    #[default]
    Active,
    /// Connections are made and accepted, but no request is made or filled.
    Paused,
    /// No connections at all.
    Stopped,
}

/// How many peers are unchoked at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadSlots {
    /// As many as the upload rate feeds: 4 at least, growing with its square root to 64. Only peers that do ask for something count, so
    /// that the rate does not suffer from those that are unchoked and have nothing to ask for: more peers than there are slots may
    /// be unchoked, until all slots are made use of.
    Auto,
    /// This many, and never more, whether or not they ask for anything.
    Fixed(u32),
}

/// When a seed super-seeds (BEP 16): it says that it has nothing, and names each piece to one peer only, so that it sends
/// nothing twice before everything was sent once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SuperSeeding {
    /// As long as no other seed is known and there are pieces that no connected peer has.
    #[default]
    Auto,
    /// Always, with every peer that connects from now on.
    On,
    /// Never.
    Off,
}

/// The info dictionary's raw bytes, which peers give each other (BEP 9).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Metadata {
    /// It is there, but peers do not get it.
    #[default]
    Withheld,
    /// It is there, and peers get it, unless it is larger than 30 MiB.
    Known(Bytes),
    /// It is not there, and is fetched from peers: see [`Config::without_metadata`].
    Missing,
}

/// Bounds and time-outs. [`Default`] suits most swarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at most. Two fifths of them are kept for peers that connect to us, unless nobody has done so half a minute after the
    /// start. When all are taken, a new one takes the place of one that is ten seconds old and over which nothing goes.
    pub max_peers: usize,
    /// Dials at most that are under way at a time.
    pub max_half_open: usize,
    /// Addresses at most that are remembered.
    pub max_known_peers: usize,
    /// Peers that are unchoked at a time.
    pub upload_slots: UploadSlots,
    /// Requests at most that may be outstanding to one peer. Below that, there are as many as it answers in half a second and in the
    /// time of its quickest answer.
    pub max_requests: u32,
    /// Requests outstanding to a peer that has not sent anything yet. Each block that comes adds one until its rate grows no more.
    pub first_requests: u32,
    /// Requests that peers are told to keep to (`reqq`, BEP 10).
    pub offered_requests: u32,
    /// Requests at most that are kept for one peer; past that they are rejected.
    pub max_incoming_requests: usize,
    /// Payload bytes at most that one peer has with the driver, between
    /// [`Action::ServeBlock`](crate::Action::ServeBlock) and its answer.
    pub serve_window: u32,
    /// Time between two rounds of the choker.
    pub choke_interval: Duration,
    /// Rounds of the choker between two choices of an optimistic unchoke.
    pub optimistic_rounds: u32,
    /// Silence after which a peer is dropped.
    pub idle_timeout: Duration,
    /// Silence of ours after which a keepalive is sent.
    pub keepalive: Duration,
    /// Close connections that can never carry a payload: both ends have all they want.
    pub drop_redundant: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_peers: 200,
            max_half_open: 50,
            max_known_peers: 3_000,
            upload_slots: UploadSlots::Auto,
            max_requests: 500,
            first_requests: 4,
            offered_requests: 500,
            max_incoming_requests: 2_000,
            serve_window: 1024 * 1024,
            choke_interval: Duration::from_secs(10),
            optimistic_rounds: 3,
            idle_timeout: Duration::from_mins(3),
            keepalive: Duration::from_secs(100),
            drop_redundant: true,
        }
    }
}

/// What a [`Torrent`](crate::Torrent) is made from.
#[derive(Debug, Clone)]
pub struct Config {
    /// The torrent's name on the wire.
    pub info_hash: InfoHash,
    /// Our name on the wire.
    pub peer_id: PeerId,
    /// How its bytes divide.
    pub geometry: PieceGeometry,
    /// What it stands for, if peers are to get that, or have it.
    pub metadata: Metadata,
    /// Pieces that are verified and on disk. One bit a piece.
    pub have: Bitfield,
    /// For pieces that are not in `have`: which of their blocks are on disk, not yet verified. One bit a block.
    pub partial: Vec<(PieceIndex, Bitfield)>,
    /// For each piece; empty stands for [`Priority::NORMAL`] everywhere.
    pub priorities: Vec<Priority>,
    /// What it starts with.
    pub activity: Activity,
    /// Bounds and time-outs.
    pub limits: Limits,
    /// What it does while it is a seed.
    pub super_seeding: SuperSeeding,
    /// How peers may be found beside trackers. Nothing is allowed that [`Discovery::of_torrent`] forbids.
    pub discovery: Discovery,
    /// TCP port to tell peers about (BEP 10).
    pub listen_port: Option<u16>,
    /// Name and version of the program, told to peers (BEP 10).
    pub client: String,
    /// Seed of all random choices.
    pub seed: u64,
}

impl Config {
    /// A configuration for downloading everything, with default limits.
    pub fn new(info_hash: InfoHash, peer_id: PeerId, geometry: PieceGeometry) -> Self {
        Self {
            info_hash,
            peer_id,
            geometry,
            metadata: Metadata::default(),
            have: Bitfield::new(geometry.piece_count()),
            partial: Vec::new(),
            priorities: Vec::new(),
            activity: Activity::Active,
            limits: Limits::default(),
            super_seeding: SuperSeeding::default(),
            discovery: Discovery::default(),
            listen_port: None,
            client: String::new(),
            seed: 0,
        }
    }

    /// A configuration for a torrent of which nothing but the info-hash is known, as from a magnet link.
    ///
    /// It has no pieces, connects to peers, and asks them for the metadata: see [`Action::CheckMetadata`](crate::Action::CheckMetadata)
    /// and [`Torrent::handle_metadata`](crate::Torrent::handle_metadata).
    pub fn without_metadata(info_hash: InfoHash, peer_id: PeerId) -> Self {
        let nothing = PieceGeometry::new(0, 1).expect("no bytes make no pieces");
        Self {
            metadata: Metadata::Missing,
            ..Self::new(info_hash, peer_id, nothing)
        }
    }

    /// The same with every piece already there.
    pub fn complete(mut self) -> Self {
        self.have = Bitfield::full(self.geometry.piece_count());
        self
    }
}

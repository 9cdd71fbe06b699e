//! Whole swarms in virtual time, inside one process.
//!
//! Around real [`headwater_swarm::Torrent`]s there is a network that is made up: each peer has an uplink and a downlink of some
//! capacity that its connections share, latency and jitter, small send buffers that push back, a disk with a speed and
//! errors of its own, and perhaps a NAT before it. A tracker tells them of each other. Everything follows from one seed: the same
//! [`SwarmSpec`] gives the same [`Outcome`], to the byte.
//!
//! ```
//! use headwater_metainfo::PieceGeometry;
//! use headwater_sim::{NodeSpec, Rate, SwarmSpec};
//!
//! let geometry = PieceGeometry::new(64 * 65_536, 65_536)?;
//! let peer = (Rate::kib(256), Rate::kib(2_048));
//! let mut nodes = vec![NodeSpec::seed(peer.0, peer.1)];
//! nodes.extend((0..10).map(|_| NodeSpec::leech(peer.0, peer.1)));
//!
//! let outcome = SwarmSpec::new(geometry, nodes, 1).run();
//! assert!(outcome.stuck().is_empty());
//! assert!(outcome.ratio() >= 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Memory
//!
//! What a peer takes at the peak of [`scenario`] `equal`, packets on their way included, as `cargo xtask swarm-test --sim` shows it
//! (the uplinks send 1 MiB a second, with 50 connections each):
//!
//! | peers | pieces | KiB of a piece | KiB a peer |
//! |------:|-------:|---------------:|-----------:|
//! |   100 |  1,000 |             64 |        531 |
//! | 1,000 |  1,000 |             64 |        507 |
//! |   100 |  1,000 |             16 |      1,028 |
//! | 1,000 |  1,000 |             16 |        839 |
//! |   100 |  4,000 |             16 |      1,096 |
//! | 1,000 |  4,000 |             16 |        932 |
//! |   100 | 16,000 |             16 |      1,432 |
//!
//! It does not grow with the number of peers. A piece adds about 28 bytes to each peer: a bit for each of its connections, and what the
//! picker knows. A connection adds about 3 KiB (100 instead of 50: from 601 to 742 KiB of resident memory a peer). The largest part are
//! packets on their way: each piece that a peer gets is told to all its connections, so that it goes with the pieces a second.
#![forbid(unsafe_code)]

mod agenda;
mod behaviour;
mod disk;
mod fluid;
mod link;
mod node;
mod outcome;
mod packet;
mod reader;
pub mod scenario;
mod simulation;
mod spec;
mod time;
mod tracker;

pub use behaviour::Behaviour;
pub use disk::DiskSpec;
pub use fluid::fluid_bound;
pub use outcome::{Outcome, PeerOutcome};
pub use reader::{Playback, ReaderSpec, ReadingOrder};
pub use simulation::Simulation;
pub use spec::{Leaves, NodeSpec, Start, SwarmSpec};
pub use time::{Rate, Time};
pub use tracker::TrackerSpec;

//! A node of BitTorrent's distributed hash table (BEP 5), sans-IO.
#![forbid(unsafe_code)]

pub mod bloom;
mod family;
mod id;
pub mod item;
mod keyed;
pub mod krpc;
mod lookup;
mod node;
pub mod security;
mod state;
pub mod storage;
mod table;
pub mod throttle;
pub mod token;

pub use family::{Family, PerFamily};
pub use id::{Contact, Distance, NodeId};
pub use lookup::{Announce, LookupId, LookupStats, SwarmSize};
pub use node::{Config, Dht, Event, FamilyStats, Limits, Stats, TooManyLookups, Transmit};
pub use state::State;

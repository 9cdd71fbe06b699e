//! A node of BitTorrent's distributed hash table (BEP 5), sans-IO.
#![forbid(unsafe_code)]

pub mod bloom;
mod id;
pub mod item;
mod keyed;
pub mod krpc;
pub mod security;
pub mod storage;
pub mod throttle;
pub mod token;

pub use id::{Contact, Distance, NodeId};

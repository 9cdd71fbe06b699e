//! A node of BitTorrent's distributed hash table (BEP 5), sans-IO.
#![forbid(unsafe_code)]

pub mod bloom;
mod id;
pub mod item;
pub mod krpc;

pub use id::{Contact, Distance, NodeId};

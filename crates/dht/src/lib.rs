//! A node of BitTorrent's distributed hash table (BEP 5), sans-IO.
#![forbid(unsafe_code)]

mod id;

pub use id::{Contact, Distance, NodeId};

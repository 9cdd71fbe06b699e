//! What a node keeps for others: peers of torrents (BEP 5, 33), samples of their info-hashes (BEP 51) and items (BEP 44).
//!
//! Everything is bounded and goes away by itself. Whether whoever stores may do so, which is to say whether the token is
//! good, was asked before.

mod items;
mod peers;
mod samples;

pub use items::{ITEM_TIME, ItemStore, PutError};
pub use peers::{PEER_TIME, PeerLimits, PeerStore, Wanted};
pub use samples::{MAX_SAMPLE, SampleOptions, Sampler};

//! The brain of one torrent's swarm, sans-IO: picker, request queues, choker, bans.
#![forbid(unsafe_code)]

mod action;
mod bans;
mod canonical;
mod choker;
mod config;
mod peer;
mod peer_list;
mod peers;
mod picker;
mod pieces;
mod priorities;
mod rate;
mod requests;
mod snapshot;
mod torrent;
mod upload_queue;

pub use action::{
    Action, Connected, Direction, DisconnectReason, Event, PeerSource, PieceCheck, Refused,
};
pub use config::{Activity, Config, Limits, Priority, UploadSlots};
pub use peers::PeerKey;
pub use snapshot::{PeerSnapshot, Stats};
pub use torrent::Torrent;

#[cfg(test)]
mod tests;

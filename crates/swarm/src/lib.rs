//! The brain of one torrent's swarm: whom to connect to, what to ask of whom, whom to serve, whom to ban.
//!
//! Everything happens in [`Torrent`], which does no input or output, reads no clock and takes its randomness from a seed.
//! It is told what happened and says what to do; its documentation lays down the protocol between it and its driver.
//! Here two of them are driven by hand until one has what the other had:
//!
//! ```
//! use std::time::Instant;
//! use headwater_metainfo::{InfoHash, PeerId, PieceGeometry};
//! use headwater_swarm::{Action, Config, Connected, Direction, PeerSource, PieceCheck, Torrent};
//! use headwater_wire::{Handshake, Message};
//!
//! let now = Instant::now();
//! let geometry = PieceGeometry::new(300_000, 65_536)?;
//! let ids = [PeerId(*b"-HW0100-aaaaaaaaaaaa"), PeerId(*b"-HW0100-bbbbbbbbbbbb")];
//! let config = |id| Config::new(InfoHash([1; 20]), id, geometry);
//! let mut torrents = [
//!     Torrent::new(now, config(ids[0]).complete()),
//!     Torrent::new(now, config(ids[1])),
//! ];
//!
//! // Each is told of the other's handshake, and gives the connection a key.
//! let directions = [Direction::Incoming, Direction::Outgoing];
//! let mut keys = Vec::new();
//! for (end, torrent) in torrents.iter_mut().enumerate() {
//!     let handshake = Handshake {
//!         reserved: torrent.reserved(),
//!         info_hash: InfoHash([1; 20]),
//!         peer_id: ids[1 - end],
//!     };
//!     let connected = Connected {
//!         address: ([192, 0, 2, 1 + end as u8], 6881).into(),
//!         direction: directions[end],
//!         handshake,
//!         local_ip: None,
//!         source: PeerSource::User,
//!     };
//!     keys.push(torrent.handle_connected(now, connected)?);
//! }
//!
//! // Whatever one wants to be done is done at once, until neither wants anything.
//! let mut idle = 0;
//! while idle < 2 {
//!     for end in [0, 1] {
//!         let Some(action) = torrents[end].poll_action() else {
//!             idle += 1;
//!             continue;
//!         };
//!         idle = 0;
//!         let (key, other) = (keys[end], keys[1 - end]);
//!         match action {
//!             Action::Send { message, .. } => torrents[1 - end].handle_message(now, other, message),
//!             Action::ServeBlock { block, .. } => {
//!                 let data = vec![0; block.length as usize].into(); // read from disk
//!                 let (piece, offset) = (block.piece, block.offset);
//!                 let message = Message::Piece { piece, offset, data };
//!                 torrents[1 - end].handle_message(now, other, message);
//!                 torrents[end].handle_block_sent(now, key, block);
//!             }
//!             Action::CompletePiece { piece } => {
//!                 torrents[end].handle_piece_checked(now, piece, PieceCheck::Passed);
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! assert!(torrents[1].is_seed());
//! assert_eq!(torrents[0].stats().uploaded, 300_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where things are
//!
//! | module | is |
//! |---|---|
//! | `torrent` | [`Torrent`], one file for each side of it: connections, messages, downloading, deadlines, endgame, relief, uploading, choking, super-seeding, metadata, peer exchange, disk, user, time |
//! | `picker` | which block to ask for next: rarity order, partial pieces, the choice, and for each peer how far it was searched for |
//! | `requests`, `upload_queue` | what one peer was asked for, and what it asked for |
//! | `choker` | who deserves a slot |
//! | `super_seed` | how far the pieces of a lone seed have spread, and what each peer was offered |
//! | `peer_list`, `canonical`, `bans` | addresses, when to dial them, and which to refuse |
//! | `metadata` | the info dictionary: fetching it, giving it, and what peers say before it is there |
//! | `contacts`, `discovery` | whom peers are told of, and how peers may be found |
//! | `smart_ban` | who sent which block of pieces that failed |
//! | `peer`, `peers`, `pieces`, `rate` | one connection's state, all of them, what they have, how fast they are |
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod action;
mod bans;
mod canonical;
mod choker;
mod config;
mod contacts;
mod discovery;
mod metadata;
mod peer;
mod peer_list;
mod peers;
mod picker;
mod pieces;
mod priorities;
mod rate;
mod requests;
mod smart_ban;
mod snapshot;
mod super_seed;
mod torrent;
mod upload_queue;

pub use action::{
    Action, Connected, Content, Direction, DisconnectReason, Event, PeerSource, PieceCheck, Refused,
};
pub use config::{Activity, Config, Limits, Metadata, Priority, SuperSeeding, UploadSlots};
pub use discovery::Discovery;
pub use peers::PeerKey;
pub use snapshot::{PeerSnapshot, Stats};
pub use torrent::Torrent;

#[cfg(test)]
mod tests;

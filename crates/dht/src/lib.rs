//! A node of BitTorrent's distributed hash table (BEP 5), sans-IO.
//!
//! Everything happens in [`Dht`], which does no input or output, reads no clock and takes its randomness from a seed. It is
//! told what time it is and what came over the network, and says what to send; its documentation lays down the protocol
//! between it and its driver. Here three of them are driven by hand: one announces a torrent, another finds it.
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Instant;
//! use headwater_dht::{Announce, Config, Dht, Event};
//! use headwater_metainfo::InfoHash;
//!
//! let now = Instant::now();
//! let addresses: [SocketAddr; 3] = std::array::from_fn(|n| ([127, 0, 0, 1], 7_000 + n as u16).into());
//! let mut nodes: Vec<_> = (0..3)
//!     .map(|n| Dht::new(now, Config { restrict_addresses: false, ..Config::new([n; 32]) }))
//!     .collect();
//!
//! // Datagrams take no time here, and none is lost.
//! fn deliver(now: Instant, addresses: &[SocketAddr], nodes: &mut [Dht]) {
//!     while let Some((from, to, payload)) = nodes.iter_mut().enumerate().find_map(|(n, node)| {
//!         let transmit = node.poll_transmit()?;
//!         Some((addresses[n], transmit.to, transmit.payload.to_vec()))
//!     }) {
//!         let to = addresses.iter().position(|address| *address == to).unwrap();
//!         nodes[to].handle_datagram(now, from, &payload);
//!     }
//! }
//!
//! // Two of them know the third, and find each other through it.
//! nodes[1].add_node(now, addresses[0]);
//! nodes[2].add_node(now, addresses[0]);
//! deliver(now, &addresses, &mut nodes);
//!
//! let torrent = InfoHash([5; 20]);
//! let announce = Announce { port: 6_881, implied_port: false, seed: false };
//! nodes[1].announce(now, torrent, announce)?;
//! deliver(now, &addresses, &mut nodes);
//!
//! let lookup = nodes[2].get_peers(now, torrent)?;
//! deliver(now, &addresses, &mut nodes);
//! let mut found = Vec::new();
//! while let Some(event) = nodes[2].poll_event() {
//!     match event {
//!         Event::Peers { lookup: id, peers, .. } if id == lookup => found.extend(peers),
//!         Event::Done { lookup: id, stats } if id == lookup => assert!(stats.answers > 0),
//!         _ => {}
//!     }
//! }
//! assert_eq!(found, ["127.0.0.1:6881".parse()?]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where things are
//!
//! | module | is |
//! |---|---|
//! | `node` | [`Dht`], one file for each side of it: commands, lookups, replies, answers, upkeep, transactions, votes about our address |
//! | `table` | the routing table of one family |
//! | `lookup` | the walk to a target, what it is for, what it stores at its end |
//! | `state` | what is kept over restarts |
//! | [`krpc`] | the messages |
//! | [`storage`], [`token`], [`throttle`] | what is kept for others, who may store it, and how much is answered |
//! | [`item`], [`bloom`], [`security`] | items and signatures, counting peers, ids that go with addresses |
//!
//! # Several addresses (BEP 45)
//!
//! A [`Dht`] is one node in each family, with an id of its own there: one that goes with the address by which the family sees it.
//! Answers and tokens of a family stay in it. Whoever has several addresses of one family makes a [`Dht`] for each.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "virtual time needs an origin")
)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

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

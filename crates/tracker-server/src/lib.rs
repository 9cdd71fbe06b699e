//! A small BitTorrent tracker: announce and scrape over HTTP and UDP, in memory.
//!
//! For local networks, private swarms and tests. It speaks BEP 3 and 48 over HTTP with compact answers (BEP 23, IPv6 as
//! in BEP 7) or dictionaries, and BEP 15 over UDP. Everything it keeps is bounded ([`Limits`]) and lost when it ends.
//!
//! ```
//! use headwater_tracker_server::{Config, Server};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let any = "127.0.0.1:0".parse()?;
//! let config = Config { http: vec![any], udp: vec![any], ..Config::default() };
//! let server = Server::bind(config).await?;
//!
//! println!("http://{}/announce", server.http_addrs()[0]);
//! println!("udp://{}", server.udp_addrs()[0]);
//! assert_eq!(server.stats().torrents, 0);
//!
//! server.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! - `registry`: [`Registry`], the tracker's mind: torrents, peers, expiry, the choice of peers. No I/O, no clock.
//! - `http`, `udp`: the two protocols, each a pure part (queries, packets, answers) and a thin driver.
//! - `server`: [`Server`], which binds the sockets and owns the tasks.
//!
//! # What it trusts
//!
//! A peer is listed under the address from which it announced, never under one that it names. A peer id that is known at
//! one address can be taken over from another only with the same `key` (BEP 7). Over UDP a connection id proves that a
//! peer receives at its address; nothing is kept for it, and no answer to an unproved address is longer than the request.
#![forbid(unsafe_code)]

mod bind;
mod config;
mod http;
mod registry;
mod server;
mod udp;

pub use config::{Config, Limits};
pub use registry::{
    Announce, Announced, Counts, Event, Families, ListedPeer, Refusal, Registry, Stats,
};
pub use server::{BindError, Server};

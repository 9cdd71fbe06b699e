//! Tracker client: announce and scrape over HTTP(S) and UDP, with tiers.
//!
//! - [`Client`] asks real trackers, over sockets.
//! - [`Announcer`] decides, without I/O and without a clock, which tracker of a torrent is to be told what and when.
//! - [`http`] and [`udp`] encode and decode the protocols without sockets.
//!
//! The three know nothing of each other: an announcer's [`Announce`]s can be made by any client, and the
//! protocols can be driven by a test.
//!
//! # Example
//!
//! The loop of one torrent, in which trackers are asked side by side:
//!
//! ```no_run
//! use std::time::Instant;
//!
//! use headwater_metainfo::{InfoHash, PeerId};
//! use headwater_tracker::{
//!     AnnounceRequest, Announcer, AnnouncerOptions, Client, ClientOptions, TrackerUrl,
//! };
//! use tokio::task::JoinSet;
//!
//! # async fn example(tiers: Vec<Vec<TrackerUrl>>, seed: u64) {
//! let client = Client::new(ClientOptions::default());
//! let mut announcer = Announcer::new(tiers, seed, AnnouncerOptions::default());
//! let mut under_way = JoinSet::new();
//! announcer.start(Instant::now());
//! loop {
//!     while let Some(announce) = announcer.poll_announce(Instant::now()) {
//!         let mut request = AnnounceRequest::new(InfoHash([7; 20]), PeerId(*b"-HW0100-abcdefghijkl"), 6881);
//!         announce.apply_to(&mut request);
//!         let client = client.clone();
//!         under_way.spawn(async move { (announce.id, client.announce(&announce.url, &request).await) });
//!     }
//!     let due = announcer.poll_timeout().unwrap_or_else(|| Instant::now() + std::time::Duration::from_secs(3600));
//!     tokio::select! {
//!         Some(Ok((id, outcome))) = under_way.join_next() => match outcome {
//!             Ok(answer) => {
//!                 announcer.handle_success(Instant::now(), id, &answer);
//!                 println!("{} peers", answer.peers.len());
//!             }
//!             Err(error) => announcer.handle_failure(Instant::now(), id, &error),
//!         },
//!         () = tokio::time::sleep_until(due.into()) => {}
//!     }
//! }
//! # }
//! ```
//!
//! The protocols alone:
//!
//! ```
//! use headwater_tracker::http;
//!
//! let answer = http::decode_announce(b"d8:completei5e8:intervali900e5:peers6:\x01\x02\x03\x04\x1a\xe1e")?;
//! assert_eq!(answer.complete, Some(5));
//! assert_eq!(answer.peers, ["1.2.3.4:6881".parse().unwrap()]);
//! # Ok::<(), headwater_tracker::TrackerError>(())
//! ```
//!
//! # What is specified where
//!
//! BEP 3 (HTTP trackers), 7 (IPv6), 12 (tiers), 15 (UDP), 21 (partial seeds), 23 (compact peers), 24 (external
//! address), 27 (private torrents: [`AnnouncerOptions::all_tiers`]), 31 (`retry in`), 41 (UDP URL data), 48 (scrape).
//!
//! # Strangers
//!
//! Whatever a tracker sends is bounded before it is kept, and a torrent's trackers cannot make this machine
//! attack its neighbours: see [`TrackerUrl`] and [`RedirectError`].
#![forbid(unsafe_code)]

mod announcer;
mod client;
mod error;
pub mod http;
mod peers;
mod text;
mod types;
pub mod udp;
mod url;

pub use announcer::{
    Announce, AnnounceId, Announcer, AnnouncerOptions, TierSnapshot, TrackerSnapshot,
};
pub use client::{Client, ClientOptions};
pub use error::{DecodeError, RedirectError, TrackerError};
pub use types::{
    AnnounceEvent, AnnounceRequest, AnnounceResponse, Failure, RetryIn, ScrapeEntry, ScrapeResponse,
};
pub use url::{Scheme, TrackerUrl, TrackerUrlError};

/// The most peers that are taken from one answer.
pub const MAX_PEERS: usize = 5_000;
/// The longest chain of HTTP redirects that is followed.
pub const MAX_REDIRECTS: usize = 5;
/// The longest HTTP answer that is read, in bytes, before and after decompression.
pub const MAX_ANSWER_LENGTH: usize = 1 << 20;

/// The README's example is compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

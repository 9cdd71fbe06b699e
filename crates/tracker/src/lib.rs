//! Tracker client: announce and scrape over HTTP(S) and UDP, with tiers (BEP 3, 7, 12, 15, 23, 24, 31, 41, 48).
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

//! What is asked, and what becomes of the packets that answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_metainfo::InfoHash;

use super::packet::{Request, Response};
use crate::error::{DecodeError, TrackerError};
use crate::types::{AnnounceRequest, AnnounceResponse, Failure, ScrapeEntry};

/// What is asked of a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// An announce.
    Announce {
        /// What is announced.
        request: AnnounceRequest,
        /// Path and query of the announce URL (BEP 41), or nothing.
        url_data: Vec<u8>,
    },
    /// A scrape of at most [`MAX_SCRAPE`](super::MAX_SCRAPE) torrents.
    Scrape(Vec<InfoHash>),
}

/// What a tracker answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To an announce.
    Announce(AnnounceResponse),
    /// To a scrape, in the order of the query; may be shorter.
    Scrape(Vec<ScrapeEntry>),
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) remote: SocketAddr,
    pub(super) query: Query,
    pub(super) transaction: u32,
    pub(super) retry: u32,
    /// While it was sent and waits for the answer.
    pub(super) timer: Option<Instant>,
    /// The connection id that it was sent with last.
    pub(super) connection: Option<u64>,
    /// That id was there before the request: the tracker may have forgotten it.
    pub(super) on_old_link: bool,
}

impl Pending {
    pub(super) fn packet(&self, connection: u64) -> Request {
        let transaction = self.transaction;
        match &self.query {
            Query::Announce { request, url_data } => Request::Announce {
                connection,
                transaction,
                announce: request.clone(),
                url_data: url_data.clone(),
            },
            Query::Scrape(info_hashes) => Request::Scrape {
                connection,
                transaction,
                info_hashes: info_hashes.clone(),
            },
        }
    }
}

pub(super) fn announced(response: Response) -> AnnounceResponse {
    let mut answer = AnnounceResponse::default();
    if let Response::Announce {
        interval,
        leechers,
        seeders,
        peers,
        ..
    } = response
    {
        answer.interval = Duration::from_secs(interval.into());
        answer.incomplete = Some(leechers);
        answer.complete = Some(seeders);
        answer.peers = peers;
    }
    answer
}

pub(super) fn refusal(message: String) -> TrackerError {
    TrackerError::Failure(Failure {
        reason: message,
        retry_in: None,
    })
}

pub(super) fn unexpected(response: &Response) -> TrackerError {
    DecodeError::Action(response.action()).into()
}

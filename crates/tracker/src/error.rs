//! What can go wrong between this peer and a tracker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::types::{Failure, RetryIn};

/// Why an announce or a scrape brought nothing. Cheap to clone.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TrackerError {
    /// The tracker answered and refused.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The host name could not be resolved.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: Arc<io::Error>,
    },
    /// The host has no address of a family that may be used.
    #[error("{host} has no usable address")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// No connection, or it broke. TLS errors are here too.
    #[error("cannot talk to the tracker: {message}")]
    Connection {
        /// The whole chain of causes.
        message: String,
    },
    /// The local socket failed.
    #[error("socket error: {0}")]
    Socket(Arc<io::Error>),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// An HTTP status other than 200 without a tracker's refusal in it.
    #[error("the tracker answered HTTP status {code}{}", excerpt_suffix(.excerpt))]
    Status {
        /// The status.
        code: u16,
        /// The beginning of the body, if it is text.
        excerpt: String,
        /// The answer's `Retry-After`, if it gave a number.
        retry_in: Option<RetryIn>,
    },
    /// A web page instead of a tracker's answer: a dead tracker's parked domain, or a log-in page of the network.
    #[error("the answer is a web page (HTTP status {code}), not a tracker's")]
    WebPage {
        /// The status.
        code: u16,
    },
    /// The body is longer than is accepted.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes, after decompression.
        limit: usize,
    },
    /// The body's encoding is unknown or broken.
    #[error("the answer's content encoding is broken: {0}")]
    ContentEncoding(String),
    /// A redirect that is not followed.
    #[error("redirect refused: {0}")]
    Redirect(#[from] RedirectError),
    /// The answer cannot be understood.
    #[error("malformed answer: {0}")]
    Malformed(#[from] DecodeError),
    /// The tracker's URL does not allow deriving a scrape URL (BEP 48).
    #[error("this tracker's URL has no scrape counterpart")]
    NoScrape,
    /// Too many requests are under way.
    #[error("too many tracker requests are under way")]
    Overloaded,
    /// TLS cannot be set up on this machine.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

impl TrackerError {
    /// When the tracker wants to be asked again, if it said so (BEP 31).
    pub fn retry_in(&self) -> Option<RetryIn> {
        match self {
            Self::Failure(failure) => failure.retry_in,
            Self::Status { retry_in, .. } => *retry_in,
            _ => None,
        }
    }
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// More than [`MAX_REDIRECTS`](crate::MAX_REDIRECTS).
    #[error("too many redirects")]
    TooMany,
    /// From https to http.
    #[error("it leads from https to http")]
    Downgrade,
    /// From a public address to this machine or its network.
    #[error("it leads from a public address to the local network ({host})")]
    ToLocal {
        /// The host that it leads to.
        host: String,
    },
    /// The target is missing or no http(s) URL.
    #[error("its target is missing or no HTTP URL")]
    Target,
}

fn excerpt_suffix(excerpt: &str) -> String {
    match excerpt {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

/// Why an answer cannot be understood. The tracker is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not bencoded, or out of bounds.
    #[error("not bencoded: {0}")]
    Bencode(String),
    /// Bencoded, but no dictionary.
    #[error("no dictionary")]
    NoDictionary,
    /// A value is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A value is of the wrong type, length or range.
    #[error("`{0}` has a wrong form")]
    Form(&'static str),
    /// A UDP packet that ends too early.
    #[error("the packet is too short")]
    Truncated,
    /// A UDP packet of an unknown kind, or not of the kind that was asked for.
    #[error("the packet is of action {0}, which was not expected")]
    Action(u32),
}

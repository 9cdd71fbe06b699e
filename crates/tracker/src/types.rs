//! What is asked of a tracker and what it answers, whatever the transport.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use headwater_metainfo::{InfoHash, PeerId};

/// Why an announce is made (BEP 3; `Paused` is BEP 21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AnnounceEvent {
    /// A regular announce; nothing is sent for it.
    #[default]
    None,
    /// The first announce to this tracker.
    Started,
    /// The torrent stops; the tracker should forget this peer.
    Stopped,
    /// The download was completed in this run.
    Completed,
    /// This peer is a partial seed: incomplete, but wants nothing more. UDP has no code for it
    /// and sends a regular announce.
    Paused,
}

impl AnnounceEvent {
    /// The word of the HTTP protocol, or nothing for a regular announce.
    ///
    /// ```
    /// use headwater_tracker::AnnounceEvent;
    ///
    /// assert_eq!(AnnounceEvent::Completed.as_str(), Some("completed"));
    /// assert_eq!(AnnounceEvent::None.as_str(), None);
    /// ```
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Started => Some("started"),
            Self::Stopped => Some("stopped"),
            Self::Completed => Some("completed"),
            Self::Paused => Some("paused"),
        }
    }
}

/// One announce.
///
/// ```
/// use headwater_metainfo::{InfoHash, PeerId};
/// use headwater_tracker::{AnnounceEvent, AnnounceRequest};
///
/// let mut request = AnnounceRequest::new(InfoHash([7; 20]), PeerId(*b"-HW0100-abcdefghijkl"), 6881);
/// request.left = 1 << 20;
/// request.event = AnnounceEvent::Started;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnounceRequest {
    /// The torrent.
    pub info_hash: InfoHash,
    /// This peer's name.
    pub peer_id: PeerId,
    /// The port on which this peer listens.
    pub port: u16,
    /// Payload bytes sent since `started`.
    pub uploaded: u64,
    /// Payload bytes received since `started`.
    pub downloaded: u64,
    /// Bytes still to be had.
    pub left: u64,
    /// Why the announce is made.
    pub event: AnnounceEvent,
    /// How many peers are wanted; `None` leaves it to the tracker.
    pub num_want: Option<u32>,
    /// A random number that stays the same for a torrent in a run, so that a tracker knows
    /// this peer again under another address (BEP 7).
    pub key: u32,
    /// What the tracker gave in an earlier answer, to be sent back (BEP 3; HTTP only).
    pub tracker_id: Option<Bytes>,
}

impl AnnounceRequest {
    /// A regular announce with nothing transferred, nothing left and key 0.
    pub fn new(info_hash: InfoHash, peer_id: PeerId, port: u16) -> Self {
        Self {
            info_hash,
            peer_id,
            port,
            uploaded: 0,
            downloaded: 0,
            left: 0,
            event: AnnounceEvent::None,
            num_want: None,
            key: 0,
            tracker_id: None,
        }
    }
}

/// A tracker's answer to an announce.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AnnounceResponse {
    /// When the tracker would like the next regular announce, as it said it; the
    /// [`Announcer`](crate::Announcer) keeps it within sane bounds.
    pub interval: Duration,
    /// How long the tracker wants no announce without an event, if it said so.
    pub min_interval: Option<Duration>,
    /// Seeds in the swarm, if the tracker said so.
    pub complete: Option<u32>,
    /// Peers in the swarm that are not seeds, if the tracker said so.
    pub incomplete: Option<u32>,
    /// How often the torrent was downloaded to completion, if the tracker said so.
    pub downloaded: Option<u32>,
    /// Peers, IPv4 and IPv6, at most [`MAX_PEERS`](crate::MAX_PEERS). Port 0 and addresses to
    /// which nobody can connect were taken out; this peer itself may be among them.
    pub peers: Vec<SocketAddr>,
    /// Something that the tracker wants the user to read.
    pub warning: Option<String>,
    /// To be sent with the next announce to the same tracker.
    pub tracker_id: Option<Bytes>,
    /// This peer's address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
}

/// When a tracker that refused wants to be asked again (BEP 31).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryIn {
    /// Not before this long.
    After(Duration),
    /// Never.
    Never,
}

/// A tracker's refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tracker refused: {reason}")]
pub struct Failure {
    /// The tracker's words, shortened and without control characters.
    pub reason: String,
    /// When it wants to be asked again, if it said so (BEP 31).
    pub retry_in: Option<RetryIn>,
}

/// What a tracker knows about one torrent (BEP 48).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ScrapeEntry {
    /// Seeds.
    pub complete: u32,
    /// Peers that are not seeds.
    pub incomplete: u32,
    /// How often the torrent was downloaded to completion.
    pub downloaded: u32,
    /// Peers that are downloading, partial seeds left out, where the tracker says so (BEP 21).
    pub downloaders: Option<u32>,
}

/// A tracker's answer to a scrape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ScrapeResponse {
    /// The torrents that the tracker knows, of those asked for.
    pub files: HashMap<InfoHash, ScrapeEntry>,
}

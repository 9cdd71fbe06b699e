//! The objects that `--json` prints. Bytes and seconds are integers. Fields are only ever added.

use std::net::SocketAddr;

use serde::Serialize;

use super::Sources;

/// One line of JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// A listener is bound.
    Listening {
        port: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<SocketAddr>,
        #[serde(skip_serializing_if = "Option::is_none")]
        protocol: Option<&'a str>,
    },
    /// Peers have sent what a magnet link stands for.
    Metadata {
        torrent: &'a str,
        name: &'a str,
        size: u64,
        piece_count: u32,
        files: usize,
    },
    /// A torrent's data was checked.
    Checked {
        pass: u64,
        fail: u64,
        torrent: &'a str,
    },
    /// A piece does not match its hash.
    BadPiece { piece: u32, files: Vec<String> },
    /// A file could not be read, so that nothing is known of some pieces.
    Unreadable { message: &'a str, pieces: Vec<u32> },
    /// Where a transfer stands; once a second.
    Progress {
        done: u64,
        total: u64,
        down_bps: u64,
        up_bps: u64,
        peers: u64,
        /// How the peers were found.
        sources: Sources,
    },
    /// How far a check of data on disk is; once a second.
    Checking { done: u64, total: u64 },
    /// How far the making of a torrent is; once a second.
    Hashing { done: u64, total: u64 },
    /// A tracker answered, for the first time or after a failure.
    Tracker { tracker: &'a str, peers: u64 },
    /// All that is wanted of one torrent is on disk and verified.
    Completed { torrent: &'a str, name: &'a str },
    /// Everything that was asked for is done.
    Finished { elapsed_ms: u64 },
    /// The run was asked to end and says goodbye.
    Stopping,
    /// A torrent was made.
    Created {
        path: String,
        info_hash_v1: String,
        size: u64,
        piece_length: u32,
        piece_count: u32,
        files: usize,
    },
    /// A magnet link.
    Magnet { magnet: String },
    /// What a magnet link stands for was written as a .torrent file.
    Fetched { path: String, torrent: &'a str },
    /// What a tracker says of a torrent.
    Scraped {
        tracker: &'a str,
        complete: u32,
        incomplete: u32,
        downloaded: u32,
    },
    /// A tracker did not answer, or not well.
    TrackerError { tracker: &'a str, message: String },
    /// A node of the DHT answered.
    Pong {
        address: SocketAddr,
        id: String,
        elapsed_ms: u64,
    },
    /// A peer of a torrent, found in the DHT.
    Peer { address: SocketAddr },
    /// The search for peers is over.
    Found { peers: usize, nodes: u32 },
    /// An item of the DHT.
    Item {
        target: String,
        /// As text, if it is a string and that is text.
        text: Option<&'a str>,
        /// Hexadecimal, as it is stored.
        bencoded: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<i64>,
    },
    /// An item was stored with some nodes.
    Stored {
        target: String,
        nodes: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<i64>,
    },
    /// Something failed.
    Error { message: &'a str },
}

//! What can be seen of a torrent at one moment.

use std::net::SocketAddr;
use std::path::PathBuf;

use headwater_metainfo::{FileIndex, PeerId};
use headwater_swarm::{Direction, PeerSnapshot, PeerSource};

use crate::{Detail, State};

/// A torrent's figures at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stats {
    /// What it is told to do.
    pub state: State,
    /// What it is doing.
    pub detail: Detail,
    /// Bytes of the whole torrent.
    pub size: u64,
    /// Bytes of all pieces that are had.
    pub have: u64,
    /// Bytes of the pieces that are wanted, had or not.
    pub wanted: u64,
    /// Of these, bytes that are not had yet.
    pub left: u64,
    /// Payload bytes sent, over restarts.
    pub uploaded: u64,
    /// Payload bytes received, over restarts.
    pub downloaded: u64,
    /// Payload bytes sent in this run.
    pub session_uploaded: u64,
    /// Payload bytes received in this run.
    pub session_downloaded: u64,
    /// Of the bytes received in this run: in pieces that failed, received twice, or never asked for.
    pub wasted: u64,
    /// Payload bytes a second, now.
    pub upload_rate: u64,
    /// Payload bytes a second, now.
    pub download_rate: u64,
    /// Connected peers.
    pub peers: usize,
    /// Connected peers that have everything.
    pub seeds: usize,
    /// Addresses known.
    pub known_peers: usize,
    /// Whether it super-seeds at the moment (BEP 16): some peers are not told all that it has.
    pub super_seeding: bool,
}

impl Stats {
    /// Bytes of wanted pieces that are had.
    pub const fn done(&self) -> u64 {
        self.wanted - self.left
    }

    /// Bytes sent for each byte of the torrent that is had; 0 if there is none.
    pub fn ratio(&self) -> f64 {
        if self.have == 0 {
            0.0
        } else {
            self.uploaded as f64 / self.have as f64
        }
    }
}

/// One file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// Its position in the torrent.
    pub index: FileIndex,
    /// Where it is or will be; absolute.
    pub path: PathBuf,
    /// Bytes.
    pub length: u64,
    /// 0: skipped. 1 unless somebody says otherwise. Higher comes first.
    pub priority: u32,
    /// Bytes that are on disk and verified. Those of a skipped file may be in the part file.
    pub done: u64,
    /// Whether it only fills up a piece and is not on disk (BEP 47).
    pub is_pad: bool,
}

/// One connected peer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Its address.
    pub address: SocketAddr,
    /// Its name on the wire.
    pub peer_id: PeerId,
    /// The program that it runs, as it says or as its peer id tells.
    pub client: String,
    /// How much of the torrent it has, from 0 to 1.
    pub progress: f64,
    /// Who opened the connection.
    pub direction: Direction,
    /// Where its address came from.
    pub source: PeerSource,
    /// Whether it has everything.
    pub is_seed: bool,
    /// We want something that it has.
    pub am_interested: bool,
    /// It wants something that we have.
    pub is_interested: bool,
    /// We do not serve it.
    pub am_choking: bool,
    /// It does not serve us.
    pub is_choking: bool,
    /// It has kept us waiting for too long.
    pub is_snubbed: bool,
    /// Payload bytes a second that it sends us.
    pub download_rate: u64,
    /// Payload bytes a second that we send it.
    pub upload_rate: u64,
    /// Payload bytes that it sent us.
    pub downloaded: u64,
    /// Payload bytes that we sent it.
    pub uploaded: u64,
}

impl PeerInfo {
    pub(super) fn new(peer: &PeerSnapshot, piece_count: u32) -> Self {
        let client = peer.client.clone();
        Self {
            address: peer.address,
            peer_id: peer.peer_id,
            client: client
                .or_else(|| headwater_wire::client_name(&peer.peer_id))
                .unwrap_or_else(|| "unknown".to_owned()),
            progress: f64::from(peer.pieces) / f64::from(piece_count.max(1)),
            direction: peer.direction,
            source: peer.source,
            is_seed: peer.is_seed,
            am_interested: peer.am_interested,
            is_interested: peer.is_interested,
            am_choking: peer.am_choking,
            is_choking: peer.is_choking,
            is_snubbed: peer.is_snubbed,
            download_rate: peer.download_rate,
            upload_rate: peer.upload_rate,
            downloaded: peer.downloaded,
            uploaded: peer.uploaded,
        }
    }

    /// The flags in letters, as clients show them: `D`/`d` we want data and get it / are choked, `U`/`u` it wants data and gets
    /// it / is choked, `S` snubbed, `I` it connected to us, `X` it is a seed.
    pub fn flags(&self) -> String {
        let flags = [
            (self.am_interested, if self.is_choking { 'd' } else { 'D' }),
            (self.is_interested, if self.am_choking { 'u' } else { 'U' }),
            (self.is_snubbed, 'S'),
            (self.direction == Direction::Incoming, 'I'),
            (self.is_seed, 'X'),
        ];
        flags
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, flag)| flag)
            .collect()
    }
}

//! What can be seen of a torrent and its peers.

use std::net::SocketAddr;

use headwater_metainfo::PeerId;
use headwater_wire::client_name;

use crate::peer::Peer;
use crate::{Direction, PeerKey, PeerSource};

/// One peer at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// Its key.
    pub key: PeerKey,
    /// Its address.
    pub address: SocketAddr,
    /// Who opened the connection.
    pub direction: Direction,
    /// Where its address came from.
    pub source: PeerSource,
    /// Its name on the wire.
    pub peer_id: PeerId,
    /// What it says it is (BEP 10), or what its peer id says (BEP 20).
    pub client: Option<String>,
    /// Pieces that it says it has.
    pub pieces: u32,
    /// Whether these are all.
    pub is_seed: bool,
    /// Whether it says that it wants nothing more (BEP 21).
    pub upload_only: bool,
    /// Whether both ends speak the fast extension (BEP 6).
    pub fast_extension: bool,
    /// Whether we want something that it has.
    pub am_interested: bool,
    /// Whether it wants something that we have.
    pub is_interested: bool,
    /// Whether we do not serve it.
    pub am_choking: bool,
    /// Whether it does not serve us.
    pub is_choking: bool,
    /// Whether it has kept us waiting for too long.
    pub is_snubbed: bool,
    /// Payload bytes a second that it sends us.
    pub download_rate: u64,
    /// Payload bytes a second that we send it.
    pub upload_rate: u64,
    /// Payload bytes that it sent us.
    pub downloaded: u64,
    /// Payload bytes that we sent it.
    pub uploaded: u64,
    /// Our requests that it has not answered.
    pub requests: usize,
    /// Our requests that there should be.
    pub request_target: u32,
    /// Its requests that we have not answered.
    pub incoming_requests: usize,
}

impl From<&Peer> for PeerSnapshot {
    fn from(peer: &Peer) -> Self {
        Self {
            key: peer.key,
            address: peer.address,
            direction: peer.direction,
            source: peer.source,
            peer_id: peer.peer_id,
            client: peer
                .extensions
                .client
                .clone()
                .or_else(|| client_name(&peer.peer_id)),
            pieces: peer.pieces.count(),
            is_seed: peer.is_seed(),
            upload_only: peer.extensions.upload_only,
            fast_extension: peer.is_fast(),
            am_interested: peer.am_interested,
            is_interested: peer.is_interested,
            am_choking: peer.am_choking,
            is_choking: peer.is_choking,
            is_snubbed: peer.requests.is_snubbed(),
            download_rate: peer.download.bytes_per_second(),
            upload_rate: peer.upload.bytes_per_second(),
            downloaded: peer.downloaded,
            uploaded: peer.uploaded,
            requests: peer.requests.len(),
            request_target: peer.requests.target(),
            incoming_requests: peer.uploads.len(),
        }
    }
}

/// A torrent's counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Payload bytes received, whatever became of them.
    pub downloaded: u64,
    /// Payload bytes that reached a socket.
    pub uploaded: u64,
    /// Of the received bytes: in pieces whose hash was wrong, or of peers under suspicion that did not finish a piece.
    pub wasted_failed: u64,
    /// Of the received bytes: had already, or no longer wanted.
    pub wasted_duplicate: u64,
    /// Of the received bytes: never asked for.
    pub wasted_unrequested: u64,
    /// Payload bytes a second.
    pub download_rate: u64,
    /// Payload bytes a second.
    pub upload_rate: u64,
    /// Bytes of pieces that are wanted and not had.
    pub left: u64,
    /// Connected peers.
    pub peers: usize,
    /// Connected peers that have everything.
    pub seeds: usize,
    /// Dials under way.
    pub half_open: usize,
    /// Addresses known.
    pub known_peers: usize,
    /// Peers that take up an upload slot.
    pub unchoked: usize,
    /// Upload slots.
    pub upload_slots: usize,
    /// Whether some of what we have is hidden from a connected peer (BEP 16).
    pub super_seeding: bool,
}

//! What tests need to make up peers.

use std::time::Instant;

use headwater_metainfo::{InfoHash, PeerId, PieceGeometry};
use headwater_swarm::{Config, Connected, Direction, PeerKey, PeerSource};
use headwater_wire::{Handshake, Reserved};

/// A peer's key: only a swarm gives them.
pub(crate) fn key() -> PeerKey {
    let geometry = PieceGeometry::new(1, 1).unwrap();
    let (info_hash, us, peer_id) = (InfoHash([1; 20]), PeerId([2; 20]), PeerId([3; 20]));
    let now = Instant::now();
    let config = Config::new(info_hash, us, geometry);
    let mut swarm = headwater_swarm::Torrent::new(now, config);
    let handshake = Handshake {
        reserved: Reserved::default(),
        info_hash,
        peer_id,
    };
    let connected = Connected {
        address: ([127, 0, 0, 1], 1).into(),
        direction: Direction::Incoming,
        handshake,
        local_ip: None,
        source: PeerSource::Incoming,
    };
    swarm.handle_connected(now, connected).unwrap()
}

//! Giving the metadata to others.

use std::time::Instant;

use headwater_wire::MetadataMessage;

use super::super::Torrent;
use crate::PeerKey;
use crate::metadata::State;

impl Torrent {
    /// A peer asks for a piece. It gets it now, within a second or two, or is told that it does not.
    pub(super) fn receive_metadata_request(&mut self, now: Instant, key: PeerKey, piece: u32) {
        let count = MetadataMessage::piece_count(self.metadata_size().unwrap_or(0));
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if peer.metadata.grant(piece, count) {
            self.serve_metadata(now, key);
        } else if let Some(id) = peer.extensions.ids.get(MetadataMessage::NAME) {
            let reject = MetadataMessage::Reject { piece };
            self.out.send(now, peer, reject.message(id));
        }
    }

    /// Sends a peer what it waits for, as much as it gets at a time.
    pub(super) fn serve_metadata(&mut self, now: Instant, key: PeerKey) {
        let (Some(peer), State::Known(bytes)) = (self.peers.get_mut(key), &self.metadata) else {
            return;
        };
        let Some(id) = peer.extensions.ids.get(MetadataMessage::NAME) else {
            return;
        };
        let size = bytes.len() as u32;
        while let Some(piece) = peer.metadata.next_served() {
            let start = piece as usize * MetadataMessage::PIECE_LENGTH;
            let length = MetadataMessage::piece_size(size, piece);
            let data = MetadataMessage::Data {
                piece,
                total_size: Some(size),
                data: bytes.slice(start..start + length),
            };
            self.out.send(now, peer, data.message(id));
        }
    }
}

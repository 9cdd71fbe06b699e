//! How the torrent finds peers beside its trackers.

use std::net::SocketAddr;
use std::time::Instant;

use headwater_swarm::{Activity, Discovery, PeerSource};

use super::Driver;

impl Driver {
    /// What session, user and torrent allow, all three.
    pub(super) fn allowed_discovery(&self) -> Discovery {
        let of_torrent = Discovery::of_torrent(self.shared.info().is_private());
        self.core.discovery & self.control.discovery & of_torrent
    }

    /// A peer was found.
    pub(super) fn found(&mut self, now: Instant, address: SocketAddr, source: PeerSource) {
        self.swarm.add_peers(now, [address], source);
        self.publisher.changed();
    }

    /// Tells local discovery to show the torrent, or to do so no longer.
    pub(super) fn show_locally(&mut self) {
        let is_open = self.swarm.activity() != Activity::Stopped;
        let is_wanted = is_open && self.swarm.discovery().lsd;
        if std::mem::replace(&mut self.is_local, is_wanted) == is_wanted {
            return;
        }
        let info_hash = self.shared.info_hash;
        if is_wanted {
            self.core.lsd.join(info_hash, self.inputs.clone());
        } else {
            self.core.lsd.leave(info_hash);
        }
    }
}

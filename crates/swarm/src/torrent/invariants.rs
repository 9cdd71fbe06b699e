//! What must hold at all times.

use std::collections::BTreeMap;

use headwater_metainfo::PieceIndex;

use super::{Metadata, Torrent};
use crate::picker::{BlockState, Picker};
use crate::super_seed::View;
use crate::{Activity, PeerKey, UploadSlots};

impl Torrent {
    /// Panics when the bookkeeping contradicts itself. For tests and fuzzers: it looks at everything.
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        assert_eq!(self.left, self.count_left());
        assert_eq!(self.picker.is_none(), self.have.is_full());
        self.list.check_invariants();
        self.check_super_seeding();
        self.check_metadata();
        self.smart_ban.check_invariants();
        let listeners = self.peers.iter().map(|peer| &peer.exchange.listener);
        let listeners: Vec<_> = listeners.collect();
        let contact_of = |key| self.peers.get(key)?.exchange.contact;
        self.contacts.check_invariants(&listeners, contact_of);
        if let Some(picker) = &self.picker {
            picker.check_invariants();
            self.check_requests(picker);
            self.check_availability(picker);
        }
        for peer in self.peers.iter() {
            peer.uploads.check_invariants();
            let window = u64::from(self.limits.serve_window) + 128 * 1024;
            assert!(peer.uploads.serving_bytes() <= window);
            assert!(peer.uploads.len() <= self.limits.max_incoming_requests);
            let active = self.activity == Activity::Active;
            assert!(active || peer.am_choking && peer.uploads.len() == 0);
            assert!(active || peer.requests.is_empty() && !peer.am_interested);
            assert_eq!(peer.am_interested, active && peer.interesting > 0);
        }
        let is_auto = self.limits.upload_slots == UploadSlots::Auto;
        assert!(is_auto || self.occupied_slots() + self.open_slots <= self.slots);
        let stopped = self.activity == Activity::Stopped;
        assert!(!stopped || self.peers.is_empty() && self.list.dialling() == 0);
    }

    /// Without metadata there are no pieces; and every piece of metadata is asked of as many peers as is noted.
    fn check_metadata(&self) {
        let Metadata::Fetching(fetch) = &self.metadata else {
            return assert!(self.peers.iter().all(|peer| peer.early.is_none()));
        };
        assert_eq!(self.geometry.piece_count(), 0);
        let Some(attempt) = fetch.attempt().filter(|_| !fetch.is_checking()) else {
            return;
        };
        let mut asked = vec![0; attempt.piece_count() as usize];
        let outstanding = self.peers.iter().map(|peer| peer.metadata.outstanding());
        for piece in outstanding.flatten() {
            asked[piece as usize] += 1;
        }
        assert!(attempt.asked().eq(asked));
    }

    /// Something is hidden from somebody exactly if it is known how far the pieces have spread.
    fn check_super_seeding(&self) {
        let mut views = self.peers.iter().map(|peer| &peer.view);
        let Some(spread) = &self.seeding.spread else {
            return assert!(views.all(|view| !view.is_hidden()));
        };
        assert!(self.have.is_full() && views.any(View::is_hidden));
        let peers = self.peers.iter();
        spread.check_invariants(peers.map(|peer| (&peer.pieces, &peer.view)));
    }

    /// Every block is asked for by as many peers as the picker thinks, and by each of them once.
    fn check_requests(&self, picker: &Picker) {
        let mut asked: BTreeMap<_, Vec<PeerKey>> = BTreeMap::new();
        for peer in self.peers.iter() {
            for block in peer.requests.blocks() {
                assert!(picker.wants(block.piece), "{block:?} is not wanted");
                asked.entry(block).or_default().push(peer.key);
            }
        }
        for (block, peers) in &asked {
            let expected = BlockState::Requested(peers.len() as u8);
            assert_eq!(picker.state(*block), expected, "{block:?}");
            let mut once = peers.clone();
            once.dedup();
            assert_eq!(&once, peers, "{block:?} asked for twice");
            assert!(peers.iter().all(|&peer| picker.is_asked(*block, peer)));
        }
        assert_eq!(picker.requested_blocks(), asked.len());
    }

    fn check_availability(&self, picker: &Picker) {
        for piece in (0..self.geometry.piece_count()).map(PieceIndex) {
            let having = self.peers.iter().filter(|peer| peer.pieces.has(piece));
            assert_eq!(picker.availability(piece) as usize, having.count());
            let wanted = !self.have.has(piece) && self.priorities.of(piece).is_wanted();
            assert_eq!(picker.wants(piece), wanted, "{piece:?}");
        }
        for peer in self.peers.iter() {
            let wanted = peer.pieces.iter().filter(|&piece| picker.wants(piece));
            assert_eq!(peer.interesting as usize, wanted.count());
        }
    }
}

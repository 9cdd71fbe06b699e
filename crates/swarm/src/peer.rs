//! One connected peer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_metainfo::{PeerId, PieceIndex};
use headwater_wire::Reserved;
use headwater_wire::extension::ExtensionIds;
use smallvec::SmallVec;

use crate::bans::Bans;
use crate::metadata::{Early, Link as MetadataLink};
use crate::picker::Contributor;
use crate::pieces::PeerPieces;
use crate::rate::Rate;
use crate::requests::RequestQueue;
use crate::super_seed::View;
use crate::torrent::Exchange;
use crate::upload_queue::UploadQueue;
use crate::{Connected, Direction, Limits, PeerKey, PeerSource};

/// Pieces at most that a peer may allow or suggest.
const MAX_HINTS: usize = 64;

/// Time without anything to send after which an upload slot is idle.
const IDLE_SLOT: Duration = Duration::from_millis(500);

/// What a peer told with the extension protocol (BEP 10).
#[derive(Debug, Clone, Default)]
pub(crate) struct Extensions {
    pub(crate) client: Option<String>,
    pub(crate) upload_only: bool,
    pub(crate) prefers_encryption: bool,
    pub(crate) ids: ExtensionIds,
}

/// The circumstances under which there was not enough to ask of a peer. As long as they last there will not be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Starved {
    /// The picker's version.
    pub(crate) version: u64,
    /// Nothing was outstanding to the peer: what is given to idle peers only would have been given to it.
    pub(crate) idle: bool,
}

/// Both directions of one connection.
///
/// What every HAVE needs, from it or to it, comes first and lies side by side: in a large swarm there are more HAVEs than anything
/// else, and what one costs is the memory that has to be fetched for it.
#[derive(Debug)]
#[repr(C, align(64))]
#[expect(clippy::struct_field_names, reason = "a peer id is called that")]
pub(crate) struct Peer {
    pub(crate) key: PeerKey,
    pub(crate) last_received: Instant,
    pub(crate) last_sent: Instant,
    /// Its pieces that we want and lack.
    pub(crate) interesting: u32,
    pub(crate) am_interested: bool,
    pub(crate) is_choking: bool,
    pub(crate) is_interested: bool,
    pub(crate) am_choking: bool,
    /// What it knows of what we have.
    pub(crate) view: View,
    /// What it has said of its pieces, as long as nobody knows how many there are.
    pub(crate) early: Option<Box<Early>>,
    pub(crate) pieces: PeerPieces,
    /// Pieces that it serves even while it chokes us.
    pub(crate) allowed: SmallVec<[PieceIndex; 4]>,

    // What is needed to ask for blocks, and to take them.
    /// When the picker last had not enough for this peer.
    pub(crate) starved_at: Option<Starved>,
    /// Requests that it rejected lately, without sending a block in between.
    pub(crate) rejected: u32,
    /// The piece of which it was asked last.
    pub(crate) current: Option<PieceIndex>,
    pub(crate) requests: RequestQueue,
    /// When it was last looked for something that others are slow with.
    pub(crate) relieved_at: Option<Instant>,
    pub(crate) suggested: SmallVec<[PieceIndex; 4]>,
    pub(crate) download: Rate,
    pub(crate) downloaded: u64,
    /// Blocks that it sent without having been asked for them.
    pub(crate) unrequested: u32,
    /// It had part in a piece that failed.
    pub(crate) parole: bool,
    /// It has sent a bitfield, or one of the messages that stand for one.
    pub(crate) told_pieces: bool,

    // What is needed to serve it.
    /// It was told that we want nothing more (BEP 21).
    pub(crate) told_upload_only: bool,
    /// When it was last choked or unchoked.
    pub(crate) choke_changed: Instant,
    /// When it was last sent a block.
    pub(crate) served_at: Option<Instant>,
    pub(crate) uploads: UploadQueue,
    pub(crate) upload: Rate,
    pub(crate) uploaded: u64,
    /// Pieces that we serve even while we choke it.
    pub(crate) granted: SmallVec<[PieceIndex; 4]>,
    /// When it was last given the optimistic slot.
    pub(crate) optimistic_at: Option<Instant>,

    // Who it is.
    pub(crate) address: SocketAddr,
    pub(crate) direction: Direction,
    pub(crate) source: PeerSource,
    pub(crate) peer_id: PeerId,
    /// The extensions that both ends speak.
    pub(crate) reserved: Reserved,
    pub(crate) connected_at: Instant,
    /// Addresses in the peer list that stand for this peer.
    pub(crate) listed: SmallVec<[SocketAddr; 1]>,
    pub(crate) extensions: Extensions,
    pub(crate) exchange: Exchange,
    /// It has told where its node of the DHT is.
    pub(crate) told_dht_port: bool,
    /// What goes between it and us of the metadata.
    pub(crate) metadata: Box<MetadataLink>,
}

impl Peer {
    pub(crate) fn new(
        key: PeerKey,
        now: Instant,
        connected: &Connected,
        ours: Reserved,
        pieces: u32,
        limits: &Limits,
    ) -> Self {
        Self {
            key,
            address: connected.address,
            direction: connected.direction,
            source: connected.source,
            peer_id: connected.handshake.peer_id,
            reserved: connected.handshake.reserved.common(ours),
            extensions: Extensions::default(),
            exchange: Exchange::default(),
            told_dht_port: false,
            listed: SmallVec::new(),
            connected_at: now,
            last_received: now,
            last_sent: now,
            pieces: PeerPieces::None { len: pieces },
            told_pieces: false,
            interesting: 0,
            am_interested: false,
            is_choking: true,
            requests: RequestQueue::new(now, limits),
            allowed: SmallVec::new(),
            suggested: SmallVec::new(),
            current: None,
            starved_at: None,
            relieved_at: None,
            parole: false,
            unrequested: 0,
            rejected: 0,
            download: Rate::default(),
            downloaded: 0,
            early: None,
            metadata: Box::default(),
            is_interested: false,
            am_choking: true,
            told_upload_only: false,
            view: View::Open,
            uploads: UploadQueue::default(),
            granted: SmallVec::new(),
            upload: Rate::default(),
            uploaded: 0,
            choke_changed: now,
            served_at: None,
            optimistic_at: None,
        }
    }

    pub(crate) fn is_fast(&self) -> bool {
        self.reserved.fast_extension()
    }

    pub(crate) fn is_seed(&self) -> bool {
        match &self.early {
            Some(early) => early.is_seed(),
            None => self.pieces.is_all(),
        }
    }

    /// Whether it answers requests, or at least some.
    pub(crate) fn may_serve(&self) -> bool {
        !self.is_choking || !self.allowed.is_empty()
    }

    /// Whether it occupies an upload slot.
    pub(crate) fn takes_slot(&self) -> bool {
        self.is_interested && !self.am_choking
    }

    /// Whether it makes use of its upload slot: something of what it asked for is to be sent, or was just now.
    pub(crate) fn uses_slot(&self, now: Instant) -> bool {
        let recent = |then: Instant| now.saturating_duration_since(then) < IDLE_SLOT;
        self.takes_slot() && (self.uploads.len() > 0 || self.served_at.is_some_and(recent))
    }

    /// Whether it leaves its upload slot unused although it has had time to ask.
    pub(crate) fn wastes_slot(&self, now: Instant) -> bool {
        let had_time = now.saturating_duration_since(self.choke_changed) >= IDLE_SLOT;
        self.takes_slot() && !self.uses_slot(now) && had_time
    }

    /// Whether it will ever take anything.
    pub(crate) fn is_upload_only(&self) -> bool {
        self.extensions.upload_only || self.is_seed()
    }

    pub(crate) fn contributor(&self) -> Contributor {
        Contributor {
            key: self.key,
            address: self.address,
            peer_id: self.peer_id,
        }
    }

    pub(crate) fn is_one_of(&self, bans: &Bans) -> bool {
        bans.has(self.address, self.peer_id)
    }

    /// Notes a piece that it serves even while it chokes us.
    pub(crate) fn allow(&mut self, piece: PieceIndex) {
        if !self.allowed.contains(&piece) && self.allowed.len() < MAX_HINTS {
            self.allowed.push(piece);
        }
    }

    /// Notes a piece that it would like us to fetch; old ones make room.
    pub(crate) fn suggest(&mut self, piece: PieceIndex) {
        if self.suggested.contains(&piece) {
            return;
        }
        if self.suggested.len() == MAX_HINTS {
            self.suggested.remove(0);
        }
        self.suggested.push(piece);
    }
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn what_a_have_needs_is_in_two_lines_of_the_cache() {
        assert_eq!(offset_of!(Peer, key), 0);
        let end = offset_of!(Peer, allowed) + size_of::<SmallVec<[PieceIndex; 4]>>();
        assert!(end <= 128, "{end}");
    }
}

//! The metadata is there, or what came is not it.

use std::time::Instant;

use headwater_wire::Message;

use super::super::Torrent;
use crate::metadata::State;
use crate::peer::Peer;
use crate::pieces::PeerPieces;
use crate::priorities::Priorities;
use crate::{Action, Content, DisconnectReason, Discovery, Event, PeerKey};

impl Torrent {
    /// The metadata is there: the answer to [`Action::CheckMetadata`] if its hash is right, or from
    /// elsewhere. Does nothing if it was there before.
    ///
    /// Peers stay connected, unless the torrent is private and they were found in a way that does not befit one, and what they told
    /// of their pieces counts from now on; those that told what cannot be are dropped. Those that sent something else as metadata
    /// are banned. Blocks are asked for at once if the torrent is active: a driver that has to make files ready
    /// [pauses](Self::set_activity) it before.
    pub fn handle_metadata(&mut self, now: Instant, content: Content) {
        let now = self.advance(now);
        let pieces = content.geometry.piece_count();
        let State::Fetching(fetch) = &self.metadata else {
            return;
        };
        let liars = fetch.judge(&content.metadata);
        if content.is_private {
            self.become_private(now);
        }
        self.metadata = if content.is_private {
            State::Withheld
        } else {
            State::known(content.metadata)
        };
        self.geometry = content.geometry;
        self.have = content.have;
        self.priorities = Priorities::new(content.priorities, pieces);
        self.left = self.count_left();
        for peer in self.peers.iter_mut() {
            peer.pieces = PeerPieces::None { len: pieces };
            peer.metadata.forget_asked();
        }
        self.ensure_picker();
        self.load_partial(content.partial);
        for liar in liars {
            self.ban(now, liar);
        }
        for key in self.peers.keys() {
            self.introduce_content(now, key);
        }
        self.out.all_hungry = true;
        if self.left == 0 {
            self.completed(now);
        }
    }

    /// Keeps to the trackers and those whom they name from now on (BEP 27), and forgets who was found elsewhere.
    fn become_private(&mut self, now: Instant) {
        let discovery = self.discovery() & Discovery::of_torrent(true);
        self.set_discovery(now, discovery);
        let is_stranger = |peer: &&Peer| !discovery.allows(peer.source);
        let strangers = self.peers.iter().filter(is_stranger);
        let strangers: Vec<_> = strangers.map(|peer| peer.key).collect();
        for key in strangers {
            self.disconnect(now, key, DisconnectReason::Private);
        }
        self.list.forbid(|source| discovery.allows(source));
    }

    /// Tells a peer what we have, and takes up what it has said.
    fn introduce_content(&mut self, now: Instant, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key) {
            // It was told that we have nothing.
            for piece in self.have.ones() {
                self.out.send(now, peer, Message::Have(piece));
            }
        }
        self.send_extended_handshake(now, key);
        if let Err(reason) = self.apply_early(now, key) {
            self.disconnect(now, key, reason);
        }
    }

    /// The metadata of [`Action::CheckMetadata`] has another hash. It is fetched again; a peer that
    /// sent all of it is banned.
    pub fn handle_metadata_failed(&mut self, now: Instant) {
        let now = self.advance(now);
        let State::Fetching(fetch) = &mut self.metadata else {
            return;
        };
        if !fetch.is_checking() {
            return;
        }
        let culprit = fetch.copy_failed();
        self.out.events.push_back(Event::MetadataFailed);
        if let Some(culprit) = culprit {
            self.ban(now, culprit);
        }
        self.out.ask_metadata = true;
    }

    /// A complete copy goes to the driver, to be hashed.
    pub(super) fn check_complete_metadata(&mut self) {
        let State::Fetching(fetch) = &mut self.metadata else {
            return;
        };
        if let Some(metadata) = fetch.take_complete() {
            self.forget_asked_metadata();
            let check = Action::CheckMetadata { metadata };
            self.out.actions.push_back(check);
        }
    }

    /// What others were asked for is not needed any more.
    pub(super) fn forget_asked_metadata(&mut self) {
        for peer in self.peers.iter_mut() {
            peer.metadata.forget_asked();
        }
    }
}

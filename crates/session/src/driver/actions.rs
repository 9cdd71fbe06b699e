//! What the swarm says is to be done, and what peers report.

use std::net::SocketAddr;
use std::time::Instant;

use headwater_swarm::{Action, Connected, Direction, Event as SwarmEvent, PeerKey, PeerSource};

use super::{Driver, Input};
use crate::disk::Op;
use crate::limit::Limiter;
use crate::peer::{
    self, CloseReason, Connection, HandshakeFailure, Hello, Outbox, PeerContext, Report,
};

impl Driver {
    /// Does everything that the swarm wants done, and hands it over.
    pub(super) fn drain(&mut self, now: Instant) {
        while let Some(action) = self.swarm.poll_action() {
            self.perform(now, action);
        }
        while let Some(event) = self.swarm.poll_event() {
            self.note(&event);
        }
        self.flush(now);
    }

    fn perform(&mut self, now: Instant, action: Action) {
        match action {
            Action::Dial { address, source } => self.dial(address, source),
            Action::Send { peer, message } => {
                if let Some(outbox) = self.touch(peer) {
                    outbox.send(message);
                }
            }
            Action::ServeBlock { peer, block } => {
                if let Some(outbox) = self.touch(peer) {
                    outbox.serve(block);
                }
            }
            Action::CancelServe { peer, block } => {
                if self.touch(peer).is_some_and(|outbox| outbox.cancel(block)) {
                    self.swarm.handle_block_dropped(now, peer, block);
                }
            }
            Action::StoreBlock { block, data } => self.ops.push(Op::Store(block, data)),
            Action::CompletePiece { piece } => {
                self.completing += 1;
                self.gather(now, piece);
            }
            Action::DigestBlocks { piece } => self.lane.digest(piece),
            Action::DiscardPiece { piece } => self.ops.push(Op::Discard(piece)),
            Action::CheckMetadata { metadata } => self.check_metadata(metadata),
            Action::Disconnect { peer, reason } => {
                tracing::debug!(?peer, %reason, "disconnected");
                self.publisher.peers_changed();
                if let Some(mut outbox) = self.outboxes.remove(&peer) {
                    outbox.close();
                }
            }
        }
    }

    fn note(&mut self, event: &SwarmEvent) {
        match event {
            // It may have come into doubt before anybody heard of it.
            SwarmEvent::PieceVerified(piece) if !self.swarm.have().has(*piece) => {}
            SwarmEvent::PieceVerified(piece) => {
                self.trackers.downloaded_something();
                self.saving.schedule(super::now());
                self.piece_checked(*piece, true);
            }
            SwarmEvent::PieceFailed(piece) => self.piece_checked(*piece, false),
            SwarmEvent::PeerConnected { .. }
            | SwarmEvent::PeerDisconnected { .. }
            | SwarmEvent::PeerIdentified(_) => self.publisher.peers_changed(),
            SwarmEvent::PeerBanned {
                address, peer_id, ..
            } => tracing::warn!(%address, %peer_id, "banned: it sent corrupt data"),
            SwarmEvent::DhtNode(address) => self.heard_of_dht_node(*address),
            SwarmEvent::Complete | SwarmEvent::MetadataFailed => {}
        }
    }

    /// A peer's outbox, which will be flushed.
    fn touch(&mut self, peer: PeerKey) -> Option<&mut Outbox> {
        let outbox = self.outboxes.get_mut(&peer)?;
        if outbox.is_empty() {
            self.touched.push(peer);
        }
        Some(outbox)
    }

    /// Hands over what has gathered for disks and peers.
    fn flush(&mut self, now: Instant) {
        self.release_gathered(now);
        if !self.ops.is_empty() {
            self.saving.dirty();
            self.lane.submit(self.ops.drain(..));
        }
        self.watch_the_disk(now);
        for peer in self.touched.drain(..) {
            let Some(outbox) = self.outboxes.get_mut(&peer) else {
                continue;
            };
            // What is in memory needs no disk thread.
            let store = &self.store;
            if let Some((target, blocks)) = outbox.flush(|block| store.read_block_cached(block)) {
                self.lane.serve(target, blocks);
            }
        }
    }

    fn dial(&mut self, address: SocketAddr, source: PeerSource) {
        while self.dials.try_join_next().is_some() {}
        let hello = Hello {
            reserved: self.swarm.reserved(),
            info_hash: self.shared.info_hash,
            peer_id: self.shared.peer_id,
        };
        let dialling = self.core.dialler.clone().dial(address, hello);
        let inputs = self.inputs.clone();
        self.dials.spawn(async move {
            let outcome = dialling.await;
            let _ = inputs.send(Input::Dialled {
                address,
                source,
                outcome,
            });
        });
    }

    pub(super) fn dialled(
        &mut self,
        now: Instant,
        address: SocketAddr,
        source: PeerSource,
        outcome: Result<Connection, HandshakeFailure>,
    ) {
        match outcome {
            Ok(connection) => self.connected(now, connection, Direction::Outgoing, source),
            Err(error) => {
                tracing::debug!(%address, %error, "cannot connect");
                self.swarm.handle_dial_failed(now, address);
            }
        }
    }

    /// Takes a connection up, unless the swarm refuses it.
    pub(super) fn connected(
        &mut self,
        now: Instant,
        connection: Connection,
        direction: Direction,
        source: PeerSource,
    ) {
        let connected = Connected {
            address: connection.address,
            direction,
            handshake: connection.handshake,
            local_ip: connection.local_ip(),
            source,
        };
        match self.swarm.handle_connected(now, connected) {
            Ok(key) => {
                tracing::debug!(address = %connection.address, %source, "connected");
                self.start_peer(key, connection);
            }
            Err(reason) => {
                tracing::debug!(address = %connection.address, %reason, "connection refused");
            }
        }
    }

    fn start_peer(&mut self, key: PeerKey, connection: Connection) {
        let (outbox, receiver) = Outbox::new(key);
        self.outboxes.insert(key, outbox);
        let shared = &self.shared;
        let context = PeerContext {
            key,
            outbox: receiver,
            reports: self.reports.clone(),
            download: Limiter::new(
                shared.download_limit.clone(),
                self.core.download_limit.clone(),
            ),
            upload: Limiter::new(shared.upload_limit.clone(), self.core.upload_limit.clone()),
            buffers: self.core.buffers.clone(),
        };
        tokio::spawn(peer::run(connection, context));
    }

    pub(super) fn handle_report(&mut self, now: Instant, report: Report) {
        self.publisher.changed();
        match report {
            Report::Received(peer, messages) => {
                for message in messages {
                    self.swarm.handle_message(now, peer, message);
                }
            }
            Report::Sent {
                peer,
                sent,
                dropped,
            } => {
                for block in sent {
                    self.swarm.handle_block_sent(now, peer, block);
                }
                for block in dropped {
                    self.swarm.handle_block_dropped(now, peer, block);
                }
            }
            Report::Closed(peer, reason) => self.closed(now, peer, reason),
        }
    }

    fn closed(&mut self, now: Instant, peer: PeerKey, reason: CloseReason) {
        tracing::debug!(?peer, %reason, "connection closed");
        self.publisher.peers_changed();
        self.outboxes.remove(&peer);
        self.swarm.handle_disconnected(now, peer);
        if let CloseReason::Vanished(blocks) = reason {
            self.suspect(blocks.iter().map(|block| block.piece));
        }
    }
}

//! Connections that others open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use headwater_metainfo::InfoHash;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{Core, Registry};
use crate::State;
use crate::driver::Input;
use crate::peer::{self, Hello, accept_handshake};

/// How long to wait when the system has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections of one listener and brings them to their torrents.
#[derive(Clone)]
pub(super) struct Acceptor {
    core: Arc<Core>,
    torrents: Registry,
}

impl Acceptor {
    pub(super) fn new(core: Arc<Core>, torrents: Registry) -> Self {
        Self { core, torrents }
    }

    /// Accepts until the session is over.
    pub(super) async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.core.closing.cancelled() => return,
            };
            match accepted {
                Ok((stream, address)) => self.take(stream, address),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Shakes hands in the background, if there is room for one more.
    fn take(&self, stream: TcpStream, address: SocketAddr) {
        let Ok(permit) = self.core.dialler.connections.clone().try_acquire_owned() else {
            tracing::debug!(%address, "refused: there are enough connections");
            return;
        };
        let _ = peer::tune(&stream);
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        tokio::spawn(self.clone().shake_hands(stream, address, permit));
    }

    async fn shake_hands(
        self,
        stream: TcpStream,
        address: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) {
        let find = |info_hash| self.find(info_hash);
        let handshake = accept_handshake(stream, address, permit, find);
        let outcome = tokio::select! {
            outcome = handshake => outcome,
            () = self.core.closing.cancelled() => return,
        };
        match outcome {
            Ok((connection, inputs)) => {
                let _ = inputs.send(Input::Incoming(connection));
            }
            Err(error) => tracing::debug!(%address, %error, "incoming connection refused"),
        }
    }

    /// What to answer for a torrent, unless it is stopped.
    fn find(&self, info_hash: InfoHash) -> Option<(Hello, mpsc::UnboundedSender<Input>)> {
        let torrent = self.torrents.find(info_hash)?;
        let hello = Hello {
            reserved: headwater_swarm::Torrent::reserved_with(torrent.uses_dht()),
            info_hash,
            peer_id: torrent.peer_id(),
        };
        (torrent.state() != State::Stopped).then(|| (hello, torrent.inputs().clone()))
    }
}

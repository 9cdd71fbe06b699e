//! The task of one connection: both directions at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use headwater_metainfo::BlockSpan;
use headwater_swarm::PeerKey;
use headwater_wire::{CodecError, Message, MessageCodec, ReadBuffers};
use tokio::sync::{Notify, mpsc};

use super::handshake::Connection;
use super::outbox::Outbound;
use super::reader::Reader;
use super::writer::Writer;
use crate::limit::Limiter;

/// What a connection has to say to its torrent's loop.
#[derive(Debug)]
pub(crate) enum Report {
    /// Messages that came, in order.
    Received(PeerKey, Vec<Message>),
    /// Blocks that reached the socket, and blocks that were dropped on a cancel.
    Sent {
        peer: PeerKey,
        sent: Vec<BlockSpan>,
        dropped: Vec<BlockSpan>,
    },
    /// The connection is closed; nothing more comes.
    Closed(PeerKey, CloseReason),
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloseReason {
    #[error("closed by us")]
    Ours,
    #[error("closed by the peer")]
    Theirs,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Protocol(#[from] headwater_wire::ProtocolError),
    #[error("the peer does not read what it is sent")]
    Stalled,
    #[error("data to be sent has vanished from the disk")]
    Vanished(Vec<BlockSpan>),
}

impl From<CodecError> for CloseReason {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Io(error) => error.into(),
            CodecError::Protocol(error) => error.into(),
        }
    }
}

/// What a connection's task needs beside the connection.
#[derive(Debug)]
pub(crate) struct PeerContext {
    pub(crate) key: PeerKey,
    pub(crate) outbox: mpsc::UnboundedReceiver<Vec<Outbound>>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) download: Limiter,
    pub(crate) upload: Limiter,
    pub(crate) buffers: ReadBuffers,
}

/// Bytes of answers that the peer has not taken; while there are too many, nothing more is read from it.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    pub(super) bytes: AtomicUsize,
    pub(super) shrunk: Notify,
}

/// Moves messages between a connection and its torrent's loop until either is gone.
pub(crate) async fn run(connection: Connection, context: PeerContext) {
    let Connection {
        stream,
        buffer,
        permit,
        ..
    } = connection;
    let PeerContext {
        key,
        outbox,
        reports,
        ..
    } = context;
    let backlog = Arc::new(Backlog::default());
    let reader = Reader {
        key,
        stream: &stream,
        buffer,
        codec: MessageCodec::default().read_buffers(context.buffers),
        limiter: context.download,
        reports: reports.clone(),
        backlog: &backlog,
    };
    let writer = Writer::new(
        key,
        &stream,
        outbox,
        context.upload,
        reports.clone(),
        &backlog,
    );
    let reason = tokio::select! {
        reason = reader.run() => reason,
        reason = writer.run() => reason,
    };
    drop(stream);
    drop(permit);
    let _ = reports.send(Report::Closed(key, reason)).await;
}

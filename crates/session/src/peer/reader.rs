//! From the socket to the torrent's loop.

use std::convert::Infallible;
use std::io;
use std::mem;
use std::sync::atomic::Ordering;

use bytes::{BufMut, BytesMut};
use headwater_swarm::PeerKey;
use headwater_wire::{Message, MessageCodec};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::codec::Decoder;

use super::task::{Backlog, CloseReason, Report};
use crate::limit::Limiter;

/// Messages after which the loop is told, even if more could be read at once.
const BATCH: usize = 32;
/// Bytes of unread answers past which nothing more is read: whoever asks must also listen.
const MAX_BACKLOG: usize = 256 * 1024;

pub(super) struct Reader<'a> {
    pub(super) key: PeerKey,
    pub(super) stream: &'a TcpStream,
    pub(super) buffer: BytesMut,
    pub(super) codec: MessageCodec,
    pub(super) limiter: Limiter,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) backlog: &'a Backlog,
}

impl Reader<'_> {
    pub(super) async fn run(mut self) -> CloseReason {
        match self.receive().await {
            Ok(never) => match never {},
            Err(reason) => reason,
        }
    }

    /// Reads for as long as there is something to read, then tells; many messages at a time, so that a fast peer wakes the
    /// loop once for many blocks.
    async fn receive(&mut self) -> Result<Infallible, CloseReason> {
        let mut messages = Vec::new();
        // What came with the handshake.
        self.decode(&mut messages)?;
        loop {
            if !messages.is_empty() {
                self.tell(mem::take(&mut messages)).await?;
            }
            self.wait_for_the_peer_to_listen().await;
            self.stream.readable().await?;
            while messages.len() < BATCH {
                match self.read().await {
                    Ok(()) => self.decode(&mut messages)?,
                    Err(CloseReason::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                        break;
                    }
                    Err(reason) if messages.is_empty() => return Err(reason),
                    Err(reason) => {
                        self.tell(messages).await?;
                        return Err(reason);
                    }
                }
            }
        }
    }

    /// One read of what is there.
    async fn read(&mut self) -> Result<(), CloseReason> {
        let room = self.buffer.capacity() - self.buffer.len();
        let granted = self.limiter.acquire(room.max(1)).await;
        let outcome = self
            .stream
            .try_read_buf(&mut (&mut self.buffer).limit(granted));
        let bytes = *outcome.as_ref().unwrap_or(&0);
        self.limiter.refund(granted.saturating_sub(bytes));
        match outcome? {
            0 => Err(CloseReason::Theirs),
            _ => Ok(()),
        }
    }

    fn decode(&mut self, messages: &mut Vec<Message>) -> Result<(), CloseReason> {
        while let Some(message) = self.codec.decode(&mut self.buffer)? {
            messages.push(message);
        }
        Ok(())
    }

    async fn tell(&self, messages: Vec<Message>) -> Result<(), CloseReason> {
        let report = Report::Received(self.key, messages);
        self.reports
            .send(report)
            .await
            .map_err(|_| CloseReason::Ours)
    }

    async fn wait_for_the_peer_to_listen(&self) {
        loop {
            let shrunk = self.backlog.shrunk.notified();
            if self.backlog.bytes.load(Ordering::Relaxed) <= MAX_BACKLOG {
                return;
            }
            shrunk.await;
        }
    }
}

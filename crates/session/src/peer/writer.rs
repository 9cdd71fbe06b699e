//! From the torrent's loop and the disk threads to the socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Buf;
use headwater_metainfo::{BLOCK_LENGTH, BlockSpan};
use headwater_swarm::PeerKey;
use headwater_wire::{Message, SendQueue};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::outbox::Outbound;
use super::task::{Backlog, CloseReason, Report};
use crate::limit::Limiter;

/// Parts of one write.
const SLICES: usize = 64;
/// How long a peer may take nothing of what there is for it.
const STALL: Duration = Duration::from_mins(2);
/// Bytes of messages that may be written before it is our turn under the limits.
const MAX_AHEAD: usize = 4096;
/// Bytes, blocks left out, that may wait for a peer.
const MAX_WAITING: usize = 8 << 20;

pub(super) struct Writer<'a> {
    key: PeerKey,
    stream: &'a TcpStream,
    outbox: mpsc::UnboundedReceiver<Vec<Outbound>>,
    limiter: Limiter,
    reports: mpsc::Sender<Report>,
    backlog: &'a Backlog,
    queue: SendQueue,
    /// Blocks in the queue, for the case that their data vanishes.
    blocks: VecDeque<BlockSpan>,
    dropped: Vec<BlockSpan>,
    progress: Instant,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        key: PeerKey,
        stream: &'a TcpStream,
        outbox: mpsc::UnboundedReceiver<Vec<Outbound>>,
        limiter: Limiter,
        reports: mpsc::Sender<Report>,
        backlog: &'a Backlog,
    ) -> Self {
        Self {
            key,
            stream,
            outbox,
            limiter,
            reports,
            backlog,
            queue: SendQueue::new(),
            blocks: VecDeque::new(),
            dropped: Vec::new(),
            progress: Instant::now(),
        }
    }

    pub(super) async fn run(mut self) -> CloseReason {
        match self.send().await {
            Ok(()) => CloseReason::Ours,
            Err(CloseReason::Io(error)) if is_fault(&error) => {
                CloseReason::Vanished(self.blocks.into())
            }
            Err(reason) => reason,
        }
    }

    /// Sends what comes until the other end of the outbox is gone.
    async fn send(&mut self) -> Result<(), CloseReason> {
        loop {
            if self.queue.is_empty() {
                let Some(batch) = self.outbox.recv().await else {
                    return Ok(());
                };
                self.progress = Instant::now();
                self.take(batch);
            }
            if !self.take_what_waits()? {
                // Closed by us: what is queued gets one chance.
                let _ = self.write(usize::MAX);
                return Ok(());
            }
            if !self.queue.is_empty() {
                self.write_some().await?;
            }
            self.tell().await?;
        }
    }

    /// Writes what the limits allow, or waits until the socket takes something or more is to be sent.
    async fn write_some(&mut self) -> Result<(), CloseReason> {
        self.write_ahead()?;
        if self.queue.is_empty() {
            return Ok(());
        }
        let granted = self.granted().await?;
        let outcome = self.write(granted);
        self.limiter
            .refund(granted - *outcome.as_ref().unwrap_or(&0));
        match outcome {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait().await,
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for its turn under the limits. What comes meanwhile still counts: a block that is cancelled is not sent, and
    /// messages that go ahead of blocks do not wait.
    async fn granted(&mut self) -> Result<usize, CloseReason> {
        if self.limiter.is_unlimited() {
            return Ok(self.queue.remaining());
        }
        let limiter = self.limiter.clone();
        let mut grant = pin!(limiter.acquire(self.queue.remaining()));
        let mut is_open = true;
        loop {
            self.tell().await?;
            tokio::select! {
                bytes = &mut grant => return Ok(self.rounded(bytes)),
                batch = self.outbox.recv(), if is_open => {
                    self.take(batch.unwrap_or_default());
                    is_open = self.take_what_waits()?;
                }
            }
            self.write_ahead()?;
        }
    }

    /// A grant that is worth a block or more ends where a block does, so that nothing waits behind half of one.
    fn rounded(&self, granted: usize) -> usize {
        if granted < BLOCK_LENGTH as usize {
            return granted;
        }
        let rounded = self.queue.up_to_end_of_block(granted).max(granted);
        self.limiter.extend(rounded - granted);
        rounded
    }

    /// Writes the messages in front of all blocks, if they are few beside the rate.
    fn write_ahead(&mut self) -> Result<(), CloseReason> {
        if self.limiter.is_unlimited() {
            return Ok(());
        }
        let ahead = self.queue.ahead_of_blocks();
        if ahead == 0 || ahead > MAX_AHEAD || !self.limiter.pass_unasked(ahead) {
            return Ok(());
        }
        let outcome = self.write(ahead);
        self.limiter.refund(ahead - *outcome.as_ref().unwrap_or(&0));
        match outcome {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn wait(&mut self) -> Result<(), CloseReason> {
        let deadline = self.progress + STALL;
        tokio::select! {
            writable = self.stream.writable() => Ok(writable?),
            batch = self.outbox.recv() => {
                self.take(batch.unwrap_or_default());
                Ok(())
            }
            () = tokio::time::sleep_until(deadline) => Err(CloseReason::Stalled),
        }
    }

    /// One write of at most `limit` bytes.
    fn write(&mut self, limit: usize) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let written = if limit < self.queue.remaining() {
            let part = Buf::take(&mut self.queue, limit);
            let count = part.chunks_vectored(&mut slices);
            self.stream.try_write_vectored(&slices[..count])?
        } else {
            let count = self.queue.chunks_vectored(&mut slices);
            self.stream.try_write_vectored(&slices[..count])?
        };
        self.queue.advance(written);
        self.progress = Instant::now();
        Ok(written)
    }

    fn take(&mut self, batch: Vec<Outbound>) {
        for each in batch {
            match each {
                Outbound::Message(message) => {
                    if let Message::Piece { .. } = message {
                        self.blocks.extend(message.block());
                    }
                    self.queue.push(message);
                }
                Outbound::Cancel(block) => {
                    if self.queue.cancel(block) {
                        self.blocks.retain(|each| *each != block);
                        self.dropped.push(block);
                    }
                }
            }
        }
    }

    /// Queues everything that is there; false when nothing more comes, ever.
    fn take_what_waits(&mut self) -> Result<bool, CloseReason> {
        let is_open = loop {
            match self.outbox.try_recv() {
                Ok(batch) => self.take(batch),
                Err(mpsc::error::TryRecvError::Empty) => break true,
                Err(mpsc::error::TryRecvError::Disconnected) => break false,
            }
        };
        // A block that has begun counts in full among the blocks, and in part among what remains.
        let waiting = self
            .queue
            .remaining()
            .saturating_sub(self.queue.block_bytes());
        let before = self.backlog.bytes.swap(waiting, Ordering::Relaxed);
        if waiting < before {
            self.backlog.shrunk.notify_waiters();
        }
        if waiting > MAX_WAITING {
            return Err(CloseReason::Stalled);
        }
        Ok(is_open)
    }

    /// Tells which blocks are through.
    async fn tell(&mut self) -> Result<(), CloseReason> {
        let mut sent = Vec::new();
        while let Some(block) = self.queue.pop_sent() {
            self.blocks.pop_front();
            sent.push(block);
        }
        let dropped = mem::take(&mut self.dropped);
        if sent.is_empty() && dropped.is_empty() {
            return Ok(());
        }
        let peer = self.key;
        let report = Report::Sent {
            peer,
            sent,
            dropped,
        };
        self.reports
            .send(report)
            .await
            .map_err(|_| CloseReason::Ours)
    }
}

/// The system could not read what was to be sent: the file behind a mapping was cut.
fn is_fault(error: &io::Error) -> bool {
    const EFAULT: i32 = 14;
    cfg!(unix) && error.raw_os_error() == Some(EFAULT)
}

#[cfg(test)]
mod tests;

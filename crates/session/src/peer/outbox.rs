//! What is on its way from a torrent's loop and the disk threads to a peer's socket.

use std::sync::Arc;

use bytes::Bytes;
use headwater_metainfo::BlockSpan;
use headwater_swarm::PeerKey;
use headwater_wire::Message;
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Something for a peer's writer.
#[derive(Debug)]
pub(crate) enum Outbound {
    /// Send it.
    Message(Message),
    /// Drop this block if it has not begun.
    Cancel(BlockSpan),
}

/// The near end of a peer's way out. Dropping it closes the connection, once what was queued has had its chance.
#[derive(Debug)]
pub(crate) struct Outbox {
    key: PeerKey,
    sender: mpsc::UnboundedSender<Vec<Outbound>>,
    /// Gathers until the loop is through with what it handles.
    pending: Vec<Outbound>,
    to_serve: Vec<BlockSpan>,
    /// Blocks that are being read for the peer.
    tickets: Arc<Mutex<Vec<BlockSpan>>>,
}

impl Outbox {
    /// An outbox, and its far end.
    pub(crate) fn new(key: PeerKey) -> (Self, mpsc::UnboundedReceiver<Vec<Outbound>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let outbox = Self {
            key,
            sender,
            pending: Vec::new(),
            to_serve: Vec::new(),
            tickets: Arc::default(),
        };
        (outbox, receiver)
    }

    /// Whether nothing has gathered.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.to_serve.is_empty()
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.pending.push(Outbound::Message(message));
    }

    /// Notes that a block is to be read and sent.
    pub(crate) fn serve(&mut self, block: BlockSpan) {
        self.to_serve.push(block);
    }

    /// Takes back [`serve`](Self::serve); true if the block was dropped here and now. If not, the writer says so
    /// if it can still drop it.
    pub(crate) fn cancel(&mut self, block: BlockSpan) -> bool {
        if remove(&mut self.to_serve, block) || remove(&mut self.tickets.lock(), block) {
            return true;
        }
        self.pending.push(Outbound::Cancel(block));
        false
    }

    /// Hands over what was gathered, blocks left out, for the last time.
    pub(crate) fn close(&mut self) {
        self.to_serve.clear();
        self.flush(|_| None);
    }

    /// Hands over what was gathered, with those blocks that are `at_hand`; gives the blocks that are to be read from disk.
    pub(crate) fn flush(
        &mut self,
        at_hand: impl Fn(BlockSpan) -> Option<Bytes>,
    ) -> Option<(ServeTarget, Vec<BlockSpan>)> {
        let pending = &mut self.pending;
        self.to_serve.retain(|&block| match at_hand(block) {
            Some(data) => {
                pending.push(Outbound::Message(piece(block, data)));
                false
            }
            None => true,
        });
        if !self.pending.is_empty() {
            let _ = self.sender.send(std::mem::take(&mut self.pending));
        }
        if self.to_serve.is_empty() {
            return None;
        }
        let blocks = std::mem::take(&mut self.to_serve);
        self.tickets.lock().extend(&blocks);
        let target = ServeTarget {
            key: self.key,
            sender: self.sender.downgrade(),
            tickets: self.tickets.clone(),
        };
        Some((target, blocks))
    }
}

fn piece(BlockSpan { piece, offset, .. }: BlockSpan, data: Bytes) -> Message {
    Message::Piece {
        piece,
        offset,
        data,
    }
}

fn remove(blocks: &mut Vec<BlockSpan>, block: BlockSpan) -> bool {
    let position = blocks.iter().position(|each| *each == block);
    position
        .map(|position| blocks.swap_remove(position))
        .is_some()
}

/// Where a disk thread puts the blocks that it has read for a peer.
#[derive(Debug)]
pub(crate) struct ServeTarget {
    key: PeerKey,
    /// Weak, so that a slow disk does not keep a closed connection open.
    sender: mpsc::WeakUnboundedSender<Vec<Outbound>>,
    tickets: Arc<Mutex<Vec<BlockSpan>>>,
}

impl ServeTarget {
    pub(crate) const fn key(&self) -> PeerKey {
        self.key
    }

    /// Queues those blocks that have not been cancelled meanwhile.
    pub(crate) fn deliver(&self, blocks: Vec<(BlockSpan, Bytes)>) {
        let Some(sender) = self.sender.upgrade() else {
            return;
        };
        // Held while sending, so that a cancel that finds no ticket comes after the block in the queue.
        let mut tickets = self.tickets.lock();
        let wanted = blocks
            .into_iter()
            .filter(|(block, _)| remove(&mut tickets, *block));
        let messages: Vec<_> = wanted
            .map(|(block, data)| piece(block, data))
            .map(Outbound::Message)
            .collect();
        if !messages.is_empty() {
            let _ = sender.send(messages);
        }
    }

    /// Drops the tickets of blocks that cannot be read.
    pub(crate) fn forget(&self, blocks: &[BlockSpan]) {
        self.tickets.lock().retain(|block| !blocks.contains(block));
    }
}

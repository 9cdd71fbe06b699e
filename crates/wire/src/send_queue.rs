//! Messages on their way out, in as few system calls as possible and without a copy of any block.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use headwater_metainfo::BlockSpan;

use crate::Message;
use crate::message::{PIECE_HEADER_LENGTH, piece_header};

/// Messages that wait to be written to one peer.
///
/// It is a [`Buf`], so `AsyncWriteExt::write_buf` takes it, small messages and blocks alike in one `writev`. Small messages are
/// gathered in one buffer. A block's `Bytes` is handed to the system as it is: never copied, never read.
/// That makes it safe to send mappings: if the file was cut meanwhile, the write fails instead of the process.
///
/// Messages about what we download (`Request`, `Cancel`, `Interested`, `NotInterested`, `Have`) and keep-alives go out before
/// blocks that have not begun, so that a full queue of uploads never delays a download. The messages of each of these two lanes
/// keep their order among themselves.
///
/// ```
/// use bytes::{Buf, Bytes};
/// use headwater_metainfo::{BlockSpan, PieceIndex};
/// use headwater_wire::{Message, SendQueue};
///
/// let mut queue = SendQueue::new();
/// queue.push(Message::Unchoke);
/// queue.push(Message::Piece { piece: PieceIndex(3), offset: 0, data: Bytes::from_static(b"data") });
/// assert_eq!(queue.remaining(), 5 + 13 + 4);
///
/// queue.advance(22); // what a write took
/// assert_eq!(queue.pop_sent(), Some(BlockSpan { piece: PieceIndex(3), offset: 0, length: 4 }));
/// assert!(queue.is_empty());
/// ```
#[derive(Debug, Default)]
pub struct SendQueue {
    segments: VecDeque<Segment>,
    remaining: usize,
    block_bytes: usize,
    sent: VecDeque<BlockSpan>,
    spare: Vec<u8>,
}

#[derive(Debug)]
enum Segment {
    /// Whole messages, of which `start` bytes are gone.
    Messages { bytes: Vec<u8>, start: usize },
    /// A `piece` message, of which `start` bytes are gone.
    Block {
        header: [u8; PIECE_HEADER_LENGTH],
        span: BlockSpan,
        data: Bytes,
        start: usize,
    },
}

impl Segment {
    /// Bytes of the segment that are still to be written.
    fn remaining(&self) -> usize {
        match self {
            Self::Messages { bytes, start } => bytes.len() - start,
            Self::Block { data, start, .. } => PIECE_HEADER_LENGTH + data.len() - start,
        }
    }

    /// The same bytes, in order; the second part may be empty.
    fn parts(&self) -> [&[u8]; 2] {
        match self {
            Self::Messages { bytes, start } => [&bytes[*start..], &[]],
            Self::Block {
                header,
                data,
                start,
                ..
            } => match header.get(*start..) {
                Some(rest) if !rest.is_empty() => [rest, data],
                _ => [&data[start - PIECE_HEADER_LENGTH..], &[]],
            },
        }
    }

    fn skip(&mut self, bytes: usize) {
        let (Self::Messages { start, .. } | Self::Block { start, .. }) = self;
        *start += bytes;
    }

    fn is_waiting_block(&self) -> bool {
        matches!(self, Self::Block { start: 0, .. })
    }

    fn waiting_span(&self) -> Option<BlockSpan> {
        match self {
            Self::Block { span, start: 0, .. } => Some(*span),
            _ => None,
        }
    }
}

impl SendQueue {
    /// Capacity of a drained buffer that is worth keeping for the next messages.
    const KEPT_CAPACITY: usize = 4096;

    /// An empty queue. It allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `message`; see the type's documentation for what may overtake what.
    pub fn push(&mut self, message: Message) {
        self.remaining += message.encoded_length();
        match message {
            Message::Piece {
                piece,
                offset,
                data,
            } => self.push_block(
                BlockSpan {
                    piece,
                    offset,
                    length: data.len() as u32,
                },
                data,
            ),
            message if overtakes_blocks(&message) => self.push_ahead(&message),
            message => self.push_behind(&message),
        }
    }

    /// Whether everything has been written.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Bytes of payload in blocks that are not wholly written.
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Bytes that can be written before a block has to begin or go on.
    pub fn ahead_of_blocks(&self) -> usize {
        let messages = self
            .segments
            .iter()
            .take_while(|segment| matches!(segment, Segment::Messages { .. }));
        messages.map(Segment::remaining).sum()
    }

    /// The least number of bytes, `bytes` at least, after which no block is half written: what comes next can go ahead of those
    /// that wait. No more than there are.
    pub fn up_to_end_of_block(&self, bytes: usize) -> usize {
        let mut end = 0;
        for segment in &self.segments {
            if bytes <= end {
                break;
            }
            end += match segment {
                Segment::Messages { .. } => segment.remaining().min(bytes - end),
                Segment::Block { .. } => segment.remaining(),
            };
        }
        end
    }

    /// The next block that has been wholly written, in the order in which that happened.
    pub fn pop_sent(&mut self) -> Option<BlockSpan> {
        self.sent.pop_front()
    }

    /// Drops a block unless it has begun; says whether it was dropped.
    pub fn cancel(&mut self, block: BlockSpan) -> bool {
        let position = self
            .segments
            .iter()
            .position(|segment| segment.waiting_span() == Some(block));
        let removed = position.and_then(|position| self.segments.remove(position));
        if let Some(segment) = &removed {
            self.forget(segment.remaining());
        }
        removed.is_some()
    }

    /// Drops every block that has not begun and that `keep` does not want kept; gives those that it dropped.
    ///
    /// For a choke (BEP 6): keep what is in the allowed-fast set, reject the rest.
    pub fn retain_blocks(&mut self, mut keep: impl FnMut(BlockSpan) -> bool) -> Vec<BlockSpan> {
        let mut dropped = Vec::new();
        self.segments
            .retain(|segment| match segment.waiting_span() {
                Some(span) if !keep(span) => {
                    dropped.push(span);
                    false
                }
                _ => true,
            });
        for span in &dropped {
            self.forget(PIECE_HEADER_LENGTH + span.length as usize);
        }
        dropped
    }

    fn push_block(&mut self, span: BlockSpan, data: Bytes) {
        self.block_bytes += data.len();
        self.segments.push_back(Segment::Block {
            header: piece_header(span),
            span,
            data,
            start: 0,
        });
    }

    /// At the very end.
    fn push_behind(&mut self, message: &Message) {
        let end = self.segments.len();
        self.push_at(end, message);
    }

    /// In front of the first block that has not begun.
    fn push_ahead(&mut self, message: &Message) {
        let waiting = self.segments.iter().position(Segment::is_waiting_block);
        self.push_at(waiting.unwrap_or(self.segments.len()), message);
    }

    /// Writes to the buffer in front of `position`, or to a new one there.
    fn push_at(&mut self, position: usize, message: &Message) {
        let before = position
            .checked_sub(1)
            .map(|before| &mut self.segments[before]);
        if let Some(Segment::Messages { bytes, start }) = before {
            compact(bytes, start);
            message.encode(bytes);
            return;
        }
        let mut bytes = std::mem::take(&mut self.spare);
        message.encode(&mut bytes);
        self.segments
            .insert(position, Segment::Messages { bytes, start: 0 });
    }

    /// Takes a dropped block's bytes, header included, off the counts.
    fn forget(&mut self, bytes: usize) {
        self.remaining -= bytes;
        self.block_bytes -= bytes - PIECE_HEADER_LENGTH;
    }

    fn finish_front(&mut self) {
        match self.segments.pop_front() {
            Some(Segment::Block { span, data, .. }) => {
                self.block_bytes -= data.len();
                self.sent.push_back(span);
            }
            Some(Segment::Messages { mut bytes, .. })
                if bytes.capacity() <= Self::KEPT_CAPACITY =>
            {
                bytes.clear();
                self.spare = bytes;
            }
            _ => {}
        }
    }
}

impl Buf for SendQueue {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.segments.front().map_or(&[], |front| front.parts()[0])
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let parts = self.segments.iter().flat_map(Segment::parts);
        let filled = dst.iter_mut().zip(parts.filter(|part| !part.is_empty()));
        filled
            .map(|(slot, part)| *slot = IoSlice::new(part))
            .count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "{count} of {}", self.remaining);
        self.remaining -= count;
        while let Some(front) = self.segments.front_mut() {
            let left = front.remaining();
            if count < left {
                front.skip(count);
                return;
            }
            count -= left;
            self.finish_front();
        }
    }
}

/// Whether `message` is about what its sender downloads, so that it need not wait behind uploads.
fn overtakes_blocks(message: &Message) -> bool {
    matches!(
        message,
        Message::KeepAlive
            | Message::Interested
            | Message::NotInterested
            | Message::Have(_)
            | Message::Request(_)
            | Message::Cancel(_)
    )
}

/// Gives back the room of what is written, once that is most of the buffer.
fn compact(bytes: &mut Vec<u8>, start: &mut usize) {
    if *start > SendQueue::KEPT_CAPACITY && *start > bytes.len() / 2 {
        bytes.drain(..*start);
        *start = 0;
    }
}

#[cfg(test)]
mod tests;

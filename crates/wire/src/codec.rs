//! The codec that turns a byte stream into messages and back.

use std::io;

use bytes::{Buf, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::room::Room;
use crate::{Message, ReadBuffers, decode};

/// Bytes of the length prefix.
const PREFIX: usize = 4;

/// What no well-behaved peer sends. The other side is at fault, and the stream can't be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A frame longer than the limit was announced.
    #[error("message of {length} bytes is longer than the limit of {limit}")]
    FrameTooLong {
        /// Bytes announced.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A `piece` message with more payload than the limit was announced.
    #[error("block of {length} bytes is longer than the limit of {limit}")]
    BlockTooLong {
        /// Bytes of payload announced.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A message has a length that its kind can't have.
    #[error("message with id {id} can't be {length} bytes long")]
    Length {
        /// Which message.
        id: u8,
        /// Bytes announced, the id among them.
        length: usize,
    },
}

/// A message that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The connection failed, or ended inside a message; nobody's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

/// Peer messages for [`Framed`](tokio_util::codec::Framed), and for loops of one's own over a [`BytesMut`].
///
/// # Buffers
/// Payloads are slices of the read buffer; nothing that has been received is copied, but for a message that is cut by
/// the end of a buffer. Whenever a message is not all there, `decode` makes sure that `src` has room for the rest of it:
/// - A peer that sends little gets room for just that message, once its length has been checked against the limits and
///   the kind of message; for more than 32 KiB, only as fast as the message really comes.
/// - Once a single read of 8 KiB or more has filled the buffer to the brim, the peer is streaming: `src` is then replaced by a
///   buffer of [`ReadBuffers::BUFFER_LENGTH`], eight blocks, from [`ReadBuffers`] if there are any. A buffer that
///   takes more than 64 reads to fill ends that.
///
/// So a fast peer costs about one read for every two to eight blocks, and a quiet one a few KiB. A slice keeps its
/// whole buffer alive: whoever keeps a payload for long should copy it.
///
/// In a loop of one's own: `read_buf` into the buffer, `decode` until it gives `None`, and again; reserve
/// something only if the capacity is used up.
///
/// ```
/// use bytes::BytesMut;
/// use headwater_metainfo::PieceIndex;
/// use headwater_wire::{Message, MessageCodec};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = MessageCodec::default();
/// let mut stream = BytesMut::new();
/// codec.encode(Message::Have(PieceIndex(7)), &mut stream)?;
/// stream.extend_from_slice(&[0, 0, 0]); // the start of another message
///
/// assert_eq!(codec.decode(&mut stream)?, Some(Message::Have(PieceIndex(7))));
/// assert_eq!(codec.decode(&mut stream)?, None);
/// stream.extend_from_slice(&[0]);
/// assert_eq!(codec.decode(&mut stream)?, Some(Message::KeepAlive));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MessageCodec {
    max_frame: usize,
    max_block: usize,
    room: Room,
}

impl MessageCodec {
    /// Longest message that is read unless told otherwise, length prefix excluded: 1 MiB.
    pub const DEFAULT_MAX_FRAME: usize = 1024 * 1024;
    /// Longest payload of a `piece` message that is read unless told otherwise: 128 KiB.
    pub const DEFAULT_MAX_BLOCK: usize = 128 * 1024;

    /// Reads messages of at most `bytes`, length prefix excluded.
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Reads blocks of at most `bytes`.
    pub fn max_block(mut self, bytes: usize) -> Self {
        self.max_block = bytes;
        self
    }

    /// Takes the buffers for streams of blocks from `buffers`, and gives them back.
    pub fn read_buffers(mut self, buffers: ReadBuffers) -> Self {
        self.room = Room::new(Some(buffers));
        self
    }

    /// Length of the frame at the start of `src`, prefix excluded, if the prefix is there and allowed.
    fn frame_length(&self, src: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(&prefix) = src.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(prefix) as usize;
        let limit = self.max_frame;
        if length > limit {
            return Err(ProtocolError::FrameTooLong { length, limit });
        }
        if length > 0
            && let Some(&id) = src.get(PREFIX)
        {
            decode::check_length(id, length, self.max_block)?;
        }
        Ok(Some(length))
    }
}

impl Default for MessageCodec {
    fn default() -> Self {
        Self {
            max_frame: Self::DEFAULT_MAX_FRAME,
            max_block: Self::DEFAULT_MAX_BLOCK,
            room: Room::new(None),
        }
    }
}

impl Decoder for MessageCodec {
    type Item = Message;
    type Error = CodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Message>, CodecError> {
        let length = self.frame_length(src)?;
        match length {
            Some(length) if src.len() >= PREFIX + length => {
                self.room.taken(PREFIX + length);
                src.advance(PREFIX);
                Ok(Some(decode::message(src.split_to(length))?))
            }
            // The length alone, before the kind that must agree with it, earns no room.
            Some(length) if src.len() > PREFIX => {
                self.room.make(src, PREFIX + length);
                Ok(None)
            }
            _ => {
                self.room.make(src, PREFIX + 1);
                Ok(None)
            }
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Message>, CodecError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            message => Ok(message),
        }
    }
}

impl Encoder<Message> for MessageCodec {
    type Error = io::Error;

    fn encode(&mut self, message: Message, dst: &mut BytesMut) -> io::Result<()> {
        dst.reserve(message.encoded_length());
        message.encode(dst);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

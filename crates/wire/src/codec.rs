//! The codec that turns a byte stream into messages and back.

use std::io;

use bytes::{Buf, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{Message, decode};

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
#[derive(Debug, Clone)]
pub struct MessageCodec {
    max_frame: usize,
    max_block: usize,
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
}

impl Default for MessageCodec {
    fn default() -> Self {
        Self {
            max_frame: Self::DEFAULT_MAX_FRAME,
            max_block: Self::DEFAULT_MAX_BLOCK,
        }
    }
}

impl Decoder for MessageCodec {
    type Item = Message;
    type Error = CodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Message>, CodecError> {
        let Some(&prefix) = src.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(prefix) as usize;
        if length == 0 {
            src.advance(PREFIX);
            return Ok(Some(Message::KeepAlive));
        }
        if length > self.max_frame {
            let limit = self.max_frame;
            return Err(ProtocolError::FrameTooLong { length, limit }.into());
        }
        if let Some(&id) = src.get(PREFIX) {
            decode::check_length(id, length, self.max_block)?;
        }
        if src.len() < PREFIX + length {
            src.reserve(PREFIX + length - src.len());
            return Ok(None);
        }
        src.advance(PREFIX);
        Ok(Some(decode::message(src.split_to(length))?))
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

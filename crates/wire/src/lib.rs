//! The BitTorrent peer wire protocol: handshake, messages and a tokio-util codec (BEP 3, 6, 10, 52).
#![forbid(unsafe_code)]

mod allowed_fast;
mod client;
mod codec;
mod decode;
mod handshake;
mod message;
mod read_buffers;
mod room;
mod send_queue;
#[cfg(test)]
mod testing;

pub use allowed_fast::allowed_fast_set;
pub use client::client_name;
pub use codec::{CodecError, MessageCodec, ProtocolError};
pub use handshake::{
    HANDSHAKE_LENGTH, Handshake, HandshakeCodec, HandshakeCodecError, HandshakeError, Reserved,
    Target,
};
pub use message::{HashRequest, Message, PIECE_HEADER_LENGTH};
pub use read_buffers::ReadBuffers;
pub use send_queue::SendQueue;

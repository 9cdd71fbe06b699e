//! The BitTorrent peer wire protocol: handshake, messages and a tokio-util codec (BEP 3, 6, 10, 52).
#![forbid(unsafe_code)]

mod codec;
mod decode;
mod handshake;
mod message;
mod send_queue;

pub use codec::{CodecError, MessageCodec, ProtocolError};
pub use handshake::{
    HANDSHAKE_LENGTH, Handshake, HandshakeCodec, HandshakeCodecError, HandshakeError, Reserved,
    Target,
};
pub use message::{HashRequest, Message, PIECE_HEADER_LENGTH};
pub use send_queue::SendQueue;

//! The BitTorrent peer wire protocol: handshake, messages and a tokio-util codec (BEP 3, 6, 9, 10, 11, 52).
//!
//! [`Handshake`] opens a connection, [`Message`]s follow. [`HandshakeCodec`] and [`MessageCodec`] read and write them over
//! anything that tokio reads and writes; [`SendQueue`] writes blocks without copying them. Payloads that were
//! received are slices of the read buffer. Nothing here knows who wants which piece.
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use headwater_metainfo::{InfoHash, PeerId, PieceIndex};
//! use headwater_wire::{Handshake, HandshakeCodec, Message, MessageCodec, Reserved};
//! use tokio_util::codec::Framed;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (us, them) = tokio::io::duplex(1024); // a TcpStream, say
//! let mut us = Framed::new(us, HandshakeCodec);
//! us.send(Handshake {
//!     reserved: Reserved::default().with_fast_extension(),
//!     info_hash: InfoHash([7; 20]),
//!     peer_id: PeerId(*b"-HW0100-abcdefghijkl"),
//! })
//! .await?;
//! let mut us = us.map_codec(|_| MessageCodec::default());
//! us.send(Message::Have(PieceIndex(3))).await?;
//!
//! let mut them = Framed::new(them, HandshakeCodec);
//! let hello = them.next().await.expect("a handshake")?;
//! assert!(hello.reserved.fast_extension());
//! let mut them = them.map_codec(|_| MessageCodec::default());
//! let message = them.next().await.expect("a message")?;
//! assert_eq!(message, Message::Have(PieceIndex(3)));
//! # Ok(())
//! # }
//! ```
//!
//! - [`extension`]: the extension protocol's handshake and message ids.
//! - [`MetadataMessage`]: how peers give each other the info dictionary (BEP 9).
//! - [`pex`]: peers tell each other of peers.
//! - [`allowed_fast_set`]: which pieces a choked peer may ask for.
//! - [`client_name`]: which program a peer id belongs to.
//! - [`ReadBuffers`]: memory for received blocks, shared by many connections and used again.
#![forbid(unsafe_code)]

mod allowed_fast;
mod client;
mod codec;
mod decode;
pub mod extension;
mod handshake;
mod message;
mod metadata;
pub mod pex;
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
pub use metadata::{MetadataMessage, MetadataMessageError};
pub use read_buffers::ReadBuffers;
pub use send_queue::SendQueue;

/// Keeps the README's example true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

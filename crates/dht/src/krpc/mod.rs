//! The messages between nodes, KRPC (BEP 5, 32, 33, 42, 43, 44, 51), encoded and decoded without sockets.
//!
//! ```
//! use headwater_dht::NodeId;
//! use headwater_dht::krpc::{Body, Message, Query, QueryKind, Want};
//!
//! let query = Query { id: NodeId([1; 20]), want: Want::default(), kind: QueryKind::Ping };
//! let message = Message::new(7.into(), Body::Query(query));
//! let mut datagram = Vec::new();
//! message.encode(&mut datagram);
//! assert_eq!(Message::decode(&datagram)?, message);
//! # Ok::<(), headwater_dht::krpc::DecodeError>(())
//! ```

pub(crate) mod compact;
mod decode;
mod encode;
mod error;
mod query;
mod response;
#[cfg(test)]
mod tests;
mod words;

use std::net::SocketAddr;

pub use error::{DecodeError, DecodeErrorKind, ErrorCode, KrpcError};
pub use query::{PutArgs, Query, QueryKind, Want};
pub use response::{Response, Samples, Scrape};
pub use words::{Method, Salt, Token, Transaction};

/// The longest datagram that is read. BEP 32 asks for 1,024 bytes; answers of other clients with a hundred IPv6 peers
/// come near 2,500.
pub const MAX_DECODED: usize = 4096;

/// How far a response is filled (BEP 32).
pub const MAX_ENCODED: usize = 1024;

/// How far a response with the value of an item is filled: what a packet of Ethernet carries over IPv6.
pub const MAX_WITH_VALUE: usize = 1452;

/// Nodes of one family in a response; what is beyond is ignored. A response is to have 8.
pub const MAX_NODES: usize = 32;

/// Peers in a response; what is beyond is ignored.
pub const MAX_VALUES: usize = 128;

/// Info-hashes in a response to [`QueryKind::SampleInfohashes`]; what is beyond is ignored.
pub const MAX_SAMPLES: usize = 128;

/// A message between two nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What a response has in common with its query.
    pub transaction: Transaction,
    /// The sender's program (`v`): two letters, two bytes for its version.
    pub version: Option<[u8; 4]>,
    /// In a response: the address from which the query came (`ip`, BEP 42). Some nodes leave out the port; then it is 0.
    pub external: Option<SocketAddr>,
    /// In a query: the sender answers none itself (`ro`, BEP 43).
    pub read_only: bool,
    /// What it says.
    pub body: Body,
}

/// What a [`Message`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A question.
    Query(Query),
    /// An answer.
    Response(Box<Response>),
    /// A refusal.
    Error(KrpcError),
}

impl Message {
    /// A message without anything that could be left out.
    pub fn new(transaction: Transaction, body: Body) -> Self {
        Self {
            transaction,
            version: None,
            external: None,
            read_only: false,
            body,
        }
    }

    /// Reads a datagram. What real nodes get wrong without harm is put up with: keys out of order, unknown keys, bytes
    /// behind the message, and fields of a wrong form that can be done without.
    pub fn decode(datagram: &[u8]) -> Result<Self, DecodeError> {
        decode::message(datagram)
    }

    /// Writes the datagram behind what `out` holds. Of a response's nodes and peers it takes those that fit into
    /// [`MAX_ENCODED`] bytes, or [`MAX_WITH_VALUE`]; nodes come first.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode::message(self, out);
    }
}

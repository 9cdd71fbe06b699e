//! What is answered.

use std::net::SocketAddr;

use headwater_metainfo::InfoHash;

use super::Token;
use crate::bloom::Filter;
use crate::item::{PublicKey, Signature, Value};
use crate::{Contact, NodeId};

/// An answer. It does not say to what: whoever asked knows which fields to look at. Nodes and peers for which there is no
/// room in the datagram are not encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The id of the node that answers.
    pub id: NodeId,
    /// Nodes with IPv4 addresses, at most [`MAX_NODES`](super::MAX_NODES).
    pub nodes: Vec<Contact>,
    /// Nodes with IPv6 addresses, at most [`MAX_NODES`](super::MAX_NODES).
    pub nodes6: Vec<Contact>,
    /// What is to be sent along with an announce or a put.
    pub token: Option<Token>,
    /// Peers, at most [`MAX_VALUES`](super::MAX_VALUES).
    pub values: Vec<SocketAddr>,
    /// The value of an item (BEP 44).
    pub value: Option<Value>,
    /// The public key of a mutable item (BEP 44).
    pub key: Option<PublicKey>,
    /// The version of a mutable item (BEP 44).
    pub seq: Option<i64>,
    /// The signature of a mutable item (BEP 44).
    pub signature: Option<Signature>,
    /// Info-hashes (BEP 51).
    pub samples: Option<Samples>,
    /// Seeds and peers of a torrent (BEP 33).
    pub scrape: Option<Box<Scrape>>,
}

/// A sample of the info-hashes that a node stores (BEP 51).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Samples {
    /// The hashes, at most [`MAX_SAMPLES`](super::MAX_SAMPLES).
    pub hashes: Vec<InfoHash>,
    /// How many the node stores.
    pub total: u64,
    /// Seconds until another sample may be asked for, at most 21,600.
    pub interval: u32,
}

/// Who is in a swarm (BEP 33).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scrape {
    /// The addresses of seeds (`BFsd`).
    pub seeds: Filter,
    /// The addresses of other peers (`BFpe`).
    pub peers: Filter,
}

impl Response {
    /// An answer that says no more than who gives it.
    pub fn new(id: NodeId) -> Self {
        Self {
            id,
            nodes: Vec::new(),
            nodes6: Vec::new(),
            token: None,
            values: Vec::new(),
            value: None,
            key: None,
            seq: None,
            signature: None,
            samples: None,
            scrape: None,
        }
    }
}

//! Nodes that lie about others, and about peers.

use std::net::SocketAddr;

use headwater_dht::krpc::{Body, Message, QueryKind, Response, Token};
use headwater_dht::{Contact, Dht, Family, NodeId};
use headwater_metainfo::InfoHash;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::world::address_of;

/// How a node lies. It joins the network as an honest one would, and answers pings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liar {
    /// It tells of nodes that are there, under ids that are not theirs.
    WrongNodes,
    /// It tells of nodes next to the target that are not there.
    NearTarget,
    /// It gives peers that are none.
    FakePeers,
    /// It sends bytes that mean nothing.
    Garbage,
    /// It tells of as many nodes as fit, far from the target, none of which is there.
    GiantLists,
    /// It tells of its fellows only, which all say of themselves that they are next to whatever is looked for.
    Conspirator,
}

pub(crate) const LIARS: [Liar; 5] = [
    Liar::WrongNodes,
    Liar::NearTarget,
    Liar::FakePeers,
    Liar::Garbage,
    Liar::GiantLists,
];

/// Where nobody's peer is.
pub(crate) fn is_fake(peer: SocketAddr) -> bool {
    peer.port() == 666
}

impl Liar {
    /// What it answers, unless it answers as everybody does.
    pub(crate) fn answer(
        self,
        dht: &Dht,
        datagram: &[u8],
        from: SocketAddr,
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<u8>> {
        let message = Message::decode(datagram).ok()?;
        let Body::Query(query) = &message.body else {
            return None;
        };
        let target = match &query.kind {
            QueryKind::FindNode { target } | QueryKind::Get { target, .. } => *target,
            QueryKind::GetPeers { info_hash, .. } => NodeId(info_hash.0),
            _ => return None,
        };
        let mut response = Response::new(dht.id(Family::V4)?);
        response.token = Token::new(b"come in");
        match self {
            Self::Garbage => {
                let length = rng.random_range(0..500);
                return Some((0..length).map(|_| rng.random()).collect());
            }
            Self::Conspirator => {
                response.id = claim(target, from_of(dht));
                response.nodes = (0..8).map(|_| fellow(target, rng)).collect();
            }
            Self::FakePeers => {
                response.values = (0..50).map(|_| fake_peer(rng)).collect();
                response.nodes = (0..8).map(|_| nobody(near(target, rng), rng)).collect();
            }
            Self::WrongNodes => {
                let somebody = |rng: &mut ChaCha8Rng| Contact {
                    id: near(target, rng),
                    address: address_of(rng.random_range(0..1000)),
                };
                response.nodes = (0..8).map(|_| somebody(rng)).collect();
            }
            Self::NearTarget => {
                response.nodes = (0..8).map(|_| nobody(near(target, rng), rng)).collect();
            }
            Self::GiantLists => {
                let far = |rng: &mut ChaCha8Rng| NodeId(rng.random());
                response.nodes = (0..32).map(|_| nobody(far(rng), rng)).collect();
            }
        }
        let mut lie = Message::new(message.transaction, Body::Response(Box::new(response)));
        lie.external = Some(from);
        let mut out = Vec::new();
        lie.encode(&mut out);
        Some(out)
    }
}

/// The conspirators are those whose number ends in 7.
pub(crate) fn is_conspirator(index: usize) -> bool {
    index % 10 == 7
}

fn fellow(target: NodeId, rng: &mut ChaCha8Rng) -> Contact {
    let index = 10 * rng.random_range(0..25) + 7;
    let address = address_of(index);
    Contact {
        id: claim(target, address),
        address,
    }
}

/// The id that the conspirator at an address claims to have: always the same for a target.
fn claim(target: NodeId, address: SocketAddr) -> NodeId {
    let mut id = target;
    if let SocketAddr::V4(address) = address {
        id.0[16..].copy_from_slice(&address.ip().octets());
    }
    id
}

/// Its own address, which a conspirator knows from its fellows.
fn from_of(dht: &Dht) -> SocketAddr {
    let id = dht.id(Family::V4).unwrap_or(NodeId([0; 20]));
    let conspirators = (0..50).map(|n| address_of(10 * n + 7));
    let mut own =
        conspirators.filter(|address| headwater_dht::security::is_valid(&id, address.ip()));
    own.next().unwrap_or(address_of(7))
}

/// Nobody is there.
fn nobody(id: NodeId, rng: &mut ChaCha8Rng) -> Contact {
    let address = ([101, rng.random(), rng.random(), rng.random()], 6881).into();
    Contact { id, address }
}

fn near(target: NodeId, rng: &mut ChaCha8Rng) -> NodeId {
    let mut id = target;
    let from = rng.random_range(3..20);
    rng.fill(&mut id.0[from..]);
    id
}

fn fake_peer(rng: &mut ChaCha8Rng) -> SocketAddr {
    ([203, rng.random(), rng.random(), rng.random()], 666).into()
}

/// A torrent for each number.
pub(crate) fn torrent(number: u32) -> InfoHash {
    let mut rng = <ChaCha8Rng as rand::SeedableRng>::seed_from_u64(0x7 + u64::from(number));
    InfoHash(rng.random())
}

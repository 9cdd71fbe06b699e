//! What a node keeps over restarts.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use headwater_bencode::{DecodeError, Encoder, Node};

use crate::{Contact, NodeId, PerFamily};

/// Nodes that are kept of each family.
const MAX_NODES: usize = 400;

/// Our ids, and nodes that were good.
///
/// ```
/// use headwater_dht::{Contact, NodeId, State};
///
/// let mut state = State::default();
/// state.ids.v4 = Some(NodeId([7; 20]));
/// state.nodes.push(Contact { id: NodeId([1; 20]), address: "192.0.2.1:6881".parse()? });
/// assert_eq!(State::decode(&state.encode())?, state);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Our ids.
    pub ids: PerFamily<Option<NodeId>>,
    /// Nodes of both families, those with IPv4 addresses first.
    pub nodes: Vec<Contact>,
}

impl State {
    /// A bencoded dictionary: `id`, `id6`, `nodes`, `nodes6`, in the forms of BEP 5 and 32.
    pub fn encode(&self) -> Vec<u8> {
        Encoder::dict_to_vec(|dict| {
            if let Some(id) = self.ids.v4 {
                dict.key("id").bytes(id.0);
            }
            if let Some(id) = self.ids.v6 {
                dict.key("id6").bytes(id.0);
            }
            dict.key("nodes").bytes(self.compact(true));
            dict.key("nodes6").bytes(self.compact(false));
        })
    }

    /// Reads what [`encode`](Self::encode) wrote. What is missing, malformed or too much is left out.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let document = headwater_bencode::decode(bytes)?;
        let root = document.root();
        let mut nodes = compact_nodes(root, "nodes", v4);
        nodes.extend(compact_nodes(root, "nodes6", v6));
        Ok(Self {
            ids: PerFamily {
                v4: id(root, "id"),
                v6: id(root, "id6"),
            },
            nodes,
        })
    }

    fn compact(&self, v4: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let nodes = self
            .nodes
            .iter()
            .filter(|node| node.address.is_ipv4() == v4);
        for node in nodes.take(MAX_NODES) {
            bytes.extend(node.id.0);
            match node.address {
                SocketAddr::V4(address) => bytes.extend(address.ip().octets()),
                SocketAddr::V6(address) => bytes.extend(address.ip().octets()),
            }
            bytes.extend(node.address.port().to_be_bytes());
        }
        bytes
    }
}

fn id(root: Node<'_, '_>, key: &str) -> Option<NodeId> {
    root.get(key)?.as_bytes()?.try_into().ok().map(NodeId)
}

fn compact_nodes<const N: usize>(
    root: Node<'_, '_>,
    key: &str,
    address: fn(&[u8; N]) -> SocketAddr,
) -> Vec<Contact> {
    let bytes = root.get(key).and_then(|node| node.as_bytes());
    let mut rest = bytes.unwrap_or_default();
    let mut nodes = Vec::new();
    while let Some((id, after)) = rest.split_first_chunk::<20>()
        && let Some((at, after)) = after.split_first_chunk::<N>()
        && nodes.len() < MAX_NODES
    {
        nodes.push(Contact {
            id: NodeId(*id),
            address: address(at),
        });
        rest = after;
    }
    nodes
}

fn v4(&[a, b, c, d, high, low]: &[u8; 6]) -> SocketAddr {
    let port = u16::from_be_bytes([high, low]);
    (Ipv4Addr::new(a, b, c, d), port).into()
}

fn v6(bytes: &[u8; 18]) -> SocketAddr {
    let (ip, port) = bytes.split_at(16);
    let ip: [u8; 16] = ip.try_into().unwrap_or_default();
    (Ipv6Addr::from(ip), u16::from_be_bytes([port[0], port[1]])).into()
}

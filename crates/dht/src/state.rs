//! What a node keeps over restarts.

use headwater_bencode::{DecodeError, Encoder, Node};
use headwater_metainfo::compact::{pack_v4, pack_v6, unpack_v4, unpack_v6};

use crate::krpc::compact::{pack_contact, unpack_contacts};
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
            let (v4, v6) = (
                pack_contact::<6, 26>(pack_v4),
                pack_contact::<18, 38>(pack_v6),
            );
            dict.key("nodes").bytes(self.packed(v4));
            dict.key("nodes6").bytes(self.packed(v6));
        })
    }

    /// Reads what [`encode`](Self::encode) wrote. What is missing, malformed or too much is left out.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let document = headwater_bencode::decode(bytes)?;
        let root = document.root();
        let v4 = unpack_contacts::<6, 26>(nodes(root, "nodes"), unpack_v4);
        let v6 = unpack_contacts::<18, 38>(nodes(root, "nodes6"), unpack_v6);
        Ok(Self {
            ids: PerFamily {
                v4: id(root, "id"),
                v6: id(root, "id6"),
            },
            nodes: v4.take(MAX_NODES).chain(v6.take(MAX_NODES)).collect(),
        })
    }

    fn packed<const M: usize>(&self, pack: impl Fn(&Contact) -> Option<[u8; M]>) -> Vec<u8> {
        let packed = self.nodes.iter().filter_map(pack).take(MAX_NODES);
        packed.flatten().collect()
    }
}

fn id(root: Node<'_, '_>, key: &str) -> Option<NodeId> {
    root.get(key)?.as_bytes()?.try_into().ok().map(NodeId)
}

fn nodes<'d>(root: Node<'d, '_>, key: &str) -> &'d [u8] {
    let nodes = root.get(key).and_then(|nodes| nodes.as_bytes());
    nodes.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_or_malformed_is_left_out() {
        let mut bytes = b"d2:id3:abc5:nodes".to_vec();
        let nodes = [0x55; 26].repeat(MAX_NODES + 5);
        bytes.extend(format!("{}:", nodes.len() + 3).bytes());
        bytes.extend(nodes);
        bytes.extend(b"xyz6:nodes6i5ee");
        let state = State::decode(&bytes).unwrap();
        assert_eq!(state.ids, PerFamily::default());
        assert_eq!(state.nodes.len(), MAX_NODES);
        assert!(State::decode(b"d2:id").is_err());
    }
}

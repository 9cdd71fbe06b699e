//! Values that own their content.

use std::collections::BTreeMap;

use crate::{DictEncoder, Encoder, Kind, ListEncoder, Node, Slot};

/// A value that owns its content, for building documents and for keeping parts of one.
///
/// ```
/// use headwater_bencode::{Value, decode};
///
/// let value = Value::dict([("spam", Value::list([Value::from("a"), Value::from(-3)]))]);
/// assert_eq!(value.encode(), b"d4:spaml1:ai-3eee");
/// assert_eq!(Value::from(decode(&value.encode())?.root()), value);
/// # Ok::<(), headwater_bencode::DecodeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// An integer.
    Int(i64),
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A dictionary; the map keeps its keys in canonical order.
    Dict(BTreeMap<Vec<u8>, Value>),
}

impl Value {
    /// A list of `items`.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// A dictionary of `entries`; the last of several under one key counts.
    pub fn dict<K: AsRef<[u8]>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key.as_ref().to_vec(), value));
        Self::Dict(entries.collect())
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        Encoder::to_vec(|slot| self.write(slot))
    }

    /// Writes the canonical bytes where an [`Encoder`] has a place for them.
    pub fn write(&self, slot: Slot<'_>) {
        match self {
            Self::Int(value) => slot.int(*value),
            Self::Bytes(value) => slot.bytes(value),
            Self::List(items) => slot.list(|list: &mut ListEncoder<'_>| {
                for item in items {
                    item.write(list.item());
                }
            }),
            Self::Dict(entries) => slot.dict(|dict: &mut DictEncoder<'_>| {
                for (key, value) in entries {
                    value.write(dict.key(key));
                }
            }),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Bytes(value.into())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Bytes(value.into())
    }
}

impl From<Node<'_, '_>> for Value {
    /// Copies the node; the decoder's depth limit bounds the recursion. Of several entries under one key the first
    /// counts, as in [`Node::get`].
    fn from(node: Node<'_, '_>) -> Self {
        match node.kind() {
            Kind::Int => Self::Int(node.as_int().unwrap_or_default()),
            Kind::Bytes => Self::Bytes(node.as_bytes().unwrap_or_default().to_vec()),
            Kind::List => Self::List(
                node.as_list()
                    .into_iter()
                    .flatten()
                    .map(Self::from)
                    .collect(),
            ),
            Kind::Dict => {
                let mut entries = BTreeMap::new();
                for (key, value) in node.as_dict().into_iter().flatten() {
                    entries
                        .entry(key.to_vec())
                        .or_insert_with(|| Self::from(value));
                }
                Self::Dict(entries)
            }
        }
    }
}

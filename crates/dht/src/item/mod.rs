//! Items that anybody may store and fetch (BEP 44).

mod keys;
mod mutable;
#[cfg(test)]
mod tests;
mod value;

pub use keys::{KeyPair, PublicKey, Signature};
pub use mutable::{MutableItem, mutable_target};
pub use value::{MAX_VALUE, Value, ValueError};

use crate::NodeId;
use crate::krpc::{Response, Salt};

/// What is stored under a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A value under its own hash.
    Immutable(Value),
    /// A value that its owner can replace.
    Mutable(MutableItem),
}

impl Item {
    /// Where it is stored.
    pub fn target(&self) -> NodeId {
        match self {
            Self::Immutable(value) => value.target(),
            Self::Mutable(item) => item.target(),
        }
    }

    /// What it says.
    pub fn value(&self) -> &Value {
        match self {
            Self::Immutable(value) => value,
            Self::Mutable(item) => &item.value,
        }
    }

    /// The item in a response to a query for `target`, if there is one and it is what it claims to be: the value hashes
    /// to `target`, or key and `salt` do and the signature is the key's.
    pub fn from_response(response: &Response, target: NodeId, salt: &Salt) -> Option<Self> {
        let value = response.value.clone()?;
        let (Some(key), Some(seq), Some(signature)) =
            (response.key, response.seq, response.signature)
        else {
            return (value.target() == target).then_some(Self::Immutable(value));
        };
        let item = MutableItem {
            key,
            salt: salt.clone(),
            seq,
            value,
            signature,
        };
        // The cheap test first: anybody can make us do the other.
        (item.target() == target && item.is_genuine()).then_some(Self::Mutable(item))
    }
}

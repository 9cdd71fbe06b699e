//! Items that their owner can replace.

use super::{KeyPair, PublicKey, Signature, Value};
use crate::NodeId;
use crate::krpc::Salt;

/// An item that whoever holds a key can replace by a newer version (BEP 44).
///
/// ```
/// use headwater_dht::item::{KeyPair, MutableItem, Value};
/// use headwater_dht::krpc::Salt;
///
/// let keys = KeyPair::from_seed(&[7; 32]);
/// let item = MutableItem::sign(&keys, Salt::default(), 1, Value::text("first")?);
/// assert!(item.is_genuine());
///
/// let forged = MutableItem { value: Value::text("second")?, seq: 2, ..item };
/// assert!(!forged.is_genuine());
/// # Ok::<(), headwater_dht::item::ValueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutableItem {
    /// Whose it is.
    pub key: PublicKey,
    /// Tells the items of one key apart; empty is the same as none.
    pub salt: Salt,
    /// The version; higher is newer.
    pub seq: i64,
    /// What it says.
    pub value: Value,
    /// Of salt, version and value.
    pub signature: Signature,
}

impl MutableItem {
    /// A new version of the owner's item.
    pub fn sign(keys: &KeyPair, salt: Salt, seq: i64, value: Value) -> Self {
        let signature = keys.sign(&signed_bytes(&salt, seq, &value));
        Self {
            key: keys.public(),
            salt,
            seq,
            value,
            signature,
        }
    }

    /// Whether the owner of the key signed it.
    pub fn is_genuine(&self) -> bool {
        let signed = signed_bytes(&self.salt, self.seq, &self.value);
        self.key.verifies(&signed, &self.signature)
    }

    /// Where it is stored.
    pub fn target(&self) -> NodeId {
        mutable_target(&self.key, &self.salt)
    }
}

/// Where the items of a key and a salt are stored: under the SHA-1 of one behind the other.
pub fn mutable_target(key: &PublicKey, salt: &Salt) -> NodeId {
    NodeId(headwater_hash::sha1(&[&key.0, salt.as_bytes()].concat()))
}

/// What is signed: bencode without what would hold it together, and without an empty salt.
pub(super) fn signed_bytes(salt: &Salt, seq: i64, value: &Value) -> Vec<u8> {
    let mut signed = Vec::with_capacity(128 + value.as_bytes().len());
    if !salt.as_bytes().is_empty() {
        signed.extend(format!("4:salt{}:", salt.as_bytes().len()).bytes());
        signed.extend(salt.as_bytes());
    }
    signed.extend(format!("3:seqi{seq}e1:v").bytes());
    signed.extend(value.as_bytes());
    signed
}

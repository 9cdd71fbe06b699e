//! Keys and signatures of mutable items.

use std::fmt;

use ed25519_dalek::{Signature as Parsed, Signer, SigningKey, VerifyingKey};

/// Whose a mutable item is: an ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

/// An ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

/// What signs mutable items. Wiped from memory when it is dropped.
///
/// ```
/// use headwater_dht::item::KeyPair;
///
/// let keys = KeyPair::from_seed(&[7; 32]);
/// let signature = keys.sign(b"words");
/// assert!(keys.public().verifies(b"words", &signature));
/// assert!(!keys.public().verifies(b"other words", &signature));
/// ```
pub struct KeyPair(SigningKey);

impl KeyPair {
    /// The keys that belong to a seed: 32 bytes of good randomness, which are kept as secret as the key itself.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Who others know the signer as.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl PublicKey {
    /// Whether whoever has the other half signed `message`. Of keys that are no points of the curve, or weak ones, nothing
    /// is taken.
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else {
            return false;
        };
        let signature = Parsed::from_bytes(&signature.0);
        key.verify_strict(message, &signature).is_ok()
    }
}

/// Shows whose it is, not the secret.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyPair").field(&self.public()).finish()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        hexadecimal(&self.0, f)?;
        f.write_str(")")
    }
}

fn hexadecimal(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

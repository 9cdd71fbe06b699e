//! The value of an item, as it is hashed and signed.

use bytes::Bytes;
use headwater_bencode::{DecodeErrorKind, Encoder, Limits, Options, Slot};

use crate::NodeId;

/// Bytes that a value may have in its bencoded form (BEP 44).
pub const MAX_VALUE: usize = 1000;

/// Levels of lists and dictionaries in a value.
const MAX_DEPTH: usize = 32;

/// One canonical bencoded value of at most [`MAX_VALUE`] bytes. Cheap to clone.
///
/// ```
/// use headwater_dht::item::Value;
///
/// let value = Value::text("Hello World!")?;
/// assert_eq!(value.as_bytes(), b"12:Hello World!");
/// assert_eq!(Value::new(b"12:Hello World!")?, value);
/// assert!(Value::new(b"d1:bi1e1:ai1ee").is_err()); // keys out of order
/// # Ok::<(), headwater_dht::item::ValueError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value(Bytes);

/// Why bytes are no value of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Longer than [`MAX_VALUE`].
    #[error("the value has {0} bytes, more than {MAX_VALUE}")]
    TooLong(usize),
    /// Not bencode, or not in its canonical form, or nested beyond what is read.
    #[error("the value is not canonical bencode: {0}")]
    Malformed(DecodeErrorKind),
}

impl Value {
    /// Takes bytes that are bencoded already.
    pub fn new(bencoded: &[u8]) -> Result<Self, ValueError> {
        if bencoded.len() > MAX_VALUE {
            return Err(ValueError::TooLong(bencoded.len()));
        }
        let limits = Limits {
            max_depth: MAX_DEPTH,
            ..Limits::default()
        };
        match Options::strict().limits(limits).decode(bencoded) {
            Ok(_) => Ok(Self(Bytes::copy_from_slice(bencoded))),
            Err(error) => Err(ValueError::Malformed(error.kind)),
        }
    }

    /// A string of bytes.
    pub fn text(text: impl AsRef<[u8]>) -> Result<Self, ValueError> {
        Self::build(|slot| slot.bytes(text))
    }

    /// What `write` makes of it.
    pub fn build(write: impl FnOnce(Slot<'_>)) -> Result<Self, ValueError> {
        Self::new(&Encoder::to_vec(write))
    }

    /// Where it is stored if nothing but its content says so: under its SHA-1.
    pub fn target(&self) -> NodeId {
        NodeId(headwater_hash::sha1(&self.0))
    }

    /// The bencoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({})", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_at_the_limit() {
        let longest = vec![b'x'; MAX_VALUE - 4];
        assert_eq!(Value::text(&longest).unwrap().as_bytes().len(), MAX_VALUE);
        let error = Value::text(vec![b'x'; MAX_VALUE - 3]).unwrap_err();
        assert_eq!(error, ValueError::TooLong(MAX_VALUE + 1));
    }

    #[test]
    fn values_are_canonical_and_alone() {
        let refused: [&[u8]; 6] = [b"", b"i01e", b"i1ei2e", b"d1:ai1e1:ai2ee", b"4:abc", b"x"];
        for bytes in refused {
            assert!(Value::new(bytes).is_err(), "{}", bytes.escape_ascii());
        }
        let nested = [vec![b'l'; MAX_DEPTH], vec![b'e'; MAX_DEPTH]].concat();
        assert!(Value::new(&nested).is_ok());
        let deeper = [b"l", &nested[..], b"e"].concat();
        assert!(Value::new(&deeper).is_err());
    }
}

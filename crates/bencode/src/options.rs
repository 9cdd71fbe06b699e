//! How to decode.

use crate::{DecodeError, Document, decode};

/// What a decoder will not go beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Levels of lists and dictionaries. Default 100.
    pub max_depth: usize,
    /// Values of any kind, keys included; a list or dictionary counts as two. Default 3,000,000.
    pub max_items: usize,
    /// Bytes in one string. Default 4 GiB less one: as long as the input may be.
    pub max_string: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_depth: 100,
            max_items: 3_000_000,
            max_string: u32::MAX as usize,
        }
    }
}

/// How to decode: strictly or leniently, and within which limits.
///
/// ```
/// use headwater_bencode::{Options, decode};
///
/// let unsorted = b"d1:bi1e1:ai2eerest";
/// assert!(decode(unsorted).is_err());
/// let document = Options::lenient().decode(unsorted)?;
/// assert_eq!(document.root().get("a").and_then(|node| node.as_int()), Some(2));
/// assert_eq!(document.trailing(), b"rest");
/// # Ok::<(), headwater_bencode::DecodeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    pub(crate) lenient: bool,
    pub(crate) limits: Limits,
}

impl Options {
    /// Canonical bencode only: keys sorted and unique, no leading zeros, nothing behind the value.
    pub fn strict() -> Self {
        Self {
            lenient: false,
            limits: Limits::default(),
        }
    }

    /// What the wild contains too: keys in any order or twice (the first counts), leading zeros, trailing bytes.
    pub fn lenient() -> Self {
        Self {
            lenient: true,
            limits: Limits::default(),
        }
    }

    /// Replaces the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Decodes the value at the start of `input`.
    pub fn decode<'a>(&self, input: &'a [u8]) -> Result<Document<'a>, DecodeError> {
        decode::document(*self, input)
    }
}

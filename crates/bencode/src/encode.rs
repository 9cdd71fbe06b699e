//! The canonical encoder.

use std::io::Write as _;
use std::ops::Range;

/// Writes bencode to a vector, piece by piece.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    /// The bytes of one value, which `write` fills in.
    pub fn to_vec(write: impl FnOnce(Slot<'_>)) -> Vec<u8> {
        let mut encoder = Self::default();
        write(Slot(&mut encoder.out));
        encoder.out
    }

    /// Writes one value behind what `out` holds already, for those who use their memory again.
    ///
    /// ```
    /// let mut out = b"stale".to_vec();
    /// out.clear();
    /// headwater_bencode::Encoder::append(&mut out, |slot| slot.int(42));
    /// assert_eq!(out, b"i42e");
    /// ```
    pub fn append(out: &mut Vec<u8>, write: impl FnOnce(Slot<'_>)) {
        write(Slot(out));
    }

    /// The bytes of one dictionary, whose entries `write` fills in.
    pub fn dict_to_vec(write: impl FnOnce(&mut DictEncoder<'_>)) -> Vec<u8> {
        Self::to_vec(|slot| slot.dict(write))
    }
}

/// A place for exactly one value.
#[derive(Debug)]
#[must_use = "a key without a value is not bencode"]
pub struct Slot<'o>(&'o mut Vec<u8>);

impl Slot<'_> {
    /// Writes an integer.
    pub fn int(self, value: impl Into<i128>) {
        // A vector takes whatever is written to it.
        let _ = write!(self.0, "i{}e", value.into());
    }

    /// Writes a string.
    pub fn bytes(self, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        let _ = write!(self.0, "{}:", value.len());
        self.0.extend_from_slice(value);
    }

    /// Writes a list, whose items `write` fills in.
    pub fn list(self, write: impl FnOnce(&mut ListEncoder<'_>)) {
        self.0.push(b'l');
        write(&mut ListEncoder(self.0));
        self.0.push(b'e');
    }

    /// Writes a dictionary, whose entries `write` fills in.
    pub fn dict(self, write: impl FnOnce(&mut DictEncoder<'_>)) {
        self.0.push(b'd');
        write(&mut DictEncoder {
            out: self.0,
            last: None,
        });
        self.0.push(b'e');
    }

    /// Writes bytes that are one bencoded value already.
    pub fn raw(self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }
}

/// The items of a list that is being written.
#[derive(Debug)]
pub struct ListEncoder<'o>(&'o mut Vec<u8>);

impl ListEncoder<'_> {
    /// The place of the next item.
    pub fn item(&mut self) -> Slot<'_> {
        Slot(self.0)
    }
}

/// The entries of a dictionary that is being written.
#[derive(Debug)]
pub struct DictEncoder<'o> {
    out: &'o mut Vec<u8>,
    /// Where in `out` the last key stands.
    last: Option<Range<usize>>,
}

impl DictEncoder<'_> {
    /// Bytes that the whole output has so far, with what it held before.
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// The place of the value under `key`.
    ///
    /// # Panics
    /// When `key` does not sort after the one before it: what came out would not be canonical.
    pub fn key(&mut self, key: impl AsRef<[u8]>) -> Slot<'_> {
        let key = key.as_ref();
        let last = self.last.take().map(|last| &self.out[last]);
        let sorted = last.is_none_or(|last| last < key);
        assert!(
            sorted,
            "key {:?} is out of order",
            key.escape_ascii().to_string()
        );
        Slot(self.out).bytes(key);
        self.last = Some(self.out.len() - key.len()..self.out.len());
        Slot(self.out)
    }
}

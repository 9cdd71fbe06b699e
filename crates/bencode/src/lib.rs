//! Bencode (BEP 3): a zero-copy decoder with raw spans and limits, and a canonical encoder.
//!
//! [`decode`] turns bytes into a [`Document`], a flat list of tokens over the input. Nothing is copied and nothing
//! recurses; a [`Node`] is a cursor into it that knows the exact bytes it was read from, which is what an info-hash is
//! made of.
//!
//! ```
//! let document = headwater_bencode::decode(b"d4:infod6:lengthi42e4:name3:abcee")?;
//! let info = document.root().get("info").expect("a torrent has one");
//! assert_eq!(info.raw(), b"d6:lengthi42e4:name3:abce");
//! assert_eq!(info.get("length").and_then(|node| node.as_int()), Some(42));
//! # Ok::<(), headwater_bencode::DecodeError>(())
//! ```
//!
//! To write, either build a [`Value`] or stream with an [`Encoder`]:
//!
//! ```
//! use headwater_bencode::Encoder;
//!
//! let bytes = Encoder::dict_to_vec(|dict| {
//!     dict.key("length").int(42);
//!     dict.key("name").bytes("abc");
//! });
//! assert_eq!(bytes, b"d6:lengthi42e4:name3:abce");
//! ```
#![forbid(unsafe_code)]

mod convert;
mod decode;
mod document;
mod encode;
mod error;
mod options;
mod token;
mod value;

pub use convert::{FieldError, TypeError};
pub use document::{DictIter, Document, Kind, ListIter, Node};
pub use encode::{DictEncoder, Encoder, ListEncoder, Slot};
pub use error::{DecodeError, DecodeErrorKind};
pub use options::{Limits, Options};
pub use value::Value;

/// Decodes `input` strictly, with the default limits: canonical bencode and nothing behind it.
///
/// [`Options::lenient`] takes what the wild contains.
pub fn decode(input: &[u8]) -> Result<Document<'_>, DecodeError> {
    Options::strict().decode(input)
}

#[cfg(test)]
mod tests;

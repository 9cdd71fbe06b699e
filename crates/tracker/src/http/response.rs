//! Understanding answers.

/// Why an answer cannot be understood. The tracker is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not bencoded, or out of bounds.
    #[error("not bencoded: {0}")]
    Bencode(String),
    /// The answer is bencoded but no dictionary.
    #[error("no dictionary")]
    NoDictionary,
    /// A key that must be there is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A value is of the wrong type or length.
    #[error("`{0}` is of the wrong form")]
    Form(&'static str),
    /// A UDP packet that is too short, or of another kind than was asked for.
    #[error("bad UDP packet: {0}")]
    Packet(&'static str),
}

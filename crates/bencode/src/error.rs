//! Why bytes are not bencode.

/// Bytes that are not bencode, or more of it than is allowed, and where that was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Position in the input.
    pub offset: usize,
}

/// What is wrong with bytes that are not bencode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input ends inside a value.
    #[error("unexpected end of input")]
    UnexpectedEnd,
    /// No value begins with this byte.
    #[error("unexpected byte 0x{0:02x}")]
    UnexpectedByte(u8),
    /// An integer that is no number, has leading zeros, is minus zero or does not fit in 64 bits.
    #[error("invalid integer")]
    InvalidInteger,
    /// A string's length that is no number or has leading zeros.
    #[error("invalid string length")]
    InvalidLength,
    /// A dictionary key that is not a string.
    #[error("dictionary key is not a string")]
    KeyNotString,
    /// A key without a value.
    #[error("dictionary key without a value")]
    MissingValue,
    /// Keys out of order, which strict decoding refuses.
    #[error("dictionary keys are not sorted")]
    UnsortedKeys,
    /// A key twice, which strict decoding refuses.
    #[error("duplicate dictionary key")]
    DuplicateKey,
    /// Bytes behind the value, which strict decoding refuses.
    #[error("trailing bytes after the value")]
    TrailingBytes,
    /// Lists and dictionaries nested deeper than the limit.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// More values than the limit.
    #[error("more than {0} items")]
    TooManyItems(usize),
    /// A string longer than the limit.
    #[error("string longer than {0} bytes")]
    StringTooLong(usize),
    /// Input longer than 4 GiB.
    #[error("input longer than 4 GiB")]
    InputTooLong,
}

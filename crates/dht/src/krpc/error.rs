//! Refusals, and messages that cannot be read.

use std::borrow::Cow;

use headwater_bencode::DecodeErrorKind as Bencode;

use super::{Body, MAX_DECODED, Message, Salt, Transaction};
use crate::item::ValueError;

/// A refusal (BEP 5, 44).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error {}: {message}", .code.0)]
pub struct KrpcError {
    /// What kind of refusal it is.
    pub code: ErrorCode,
    /// In words; cut after 128 bytes in decoding.
    pub message: Cow<'static, str>,
}

/// The kind of a refusal. Codes that are not listed here occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i64);

impl ErrorCode {
    /// Anything.
    pub const GENERIC: Self = Self(201);
    /// The node that was asked cannot do its work.
    pub const SERVER: Self = Self(202);
    /// A malformed message, invalid arguments or a bad token.
    pub const PROTOCOL: Self = Self(203);
    /// A query that the node does not know.
    pub const METHOD_UNKNOWN: Self = Self(204);
    /// A value that is too big (BEP 44).
    pub const VALUE_TOO_BIG: Self = Self(205);
    /// A signature that does not fit (BEP 44).
    pub const INVALID_SIGNATURE: Self = Self(206);
    /// A salt that is too big (BEP 44).
    pub const SALT_TOO_BIG: Self = Self(207);
    /// The version that was to be replaced is not the one that is stored (BEP 44).
    pub const CAS_MISMATCH: Self = Self(301);
    /// A newer version is stored (BEP 44).
    pub const SEQ_TOO_OLD: Self = Self(302);
}

impl KrpcError {
    /// A refusal in words that are part of the program.
    pub const fn new(code: ErrorCode, message: &'static str) -> Self {
        Self {
            code,
            message: Cow::Borrowed(message),
        }
    }
}

/// A datagram that is no message. Its sender is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct DecodeError {
    /// What is wrong.
    #[source]
    pub kind: DecodeErrorKind,
    /// If it is a query all the same: what an answer would have to refer to.
    pub query: Option<Transaction>,
}

/// What is wrong with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeErrorKind {
    /// Longer than [`MAX_DECODED`].
    #[error("{0} bytes are more than {MAX_DECODED}")]
    TooLong(usize),
    /// Not bencode, or beyond the limits.
    #[error("not bencode: {0}")]
    Bencode(Bencode),
    /// A field is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field is of the wrong type, length or range.
    #[error("`{0}` has a wrong form")]
    Form(&'static str),
    /// A query of an unknown kind that names no point.
    #[error("the query is unknown")]
    UnknownMethod,
    /// The value of an item cannot be stored.
    #[error(transparent)]
    Value(ValueError),
    /// A salt longer than [`Salt::MAX`].
    #[error("the salt has {0} bytes, more than {max}", max = Salt::MAX)]
    SaltTooLong(usize),
}

impl DecodeErrorKind {
    /// What its sender is told.
    pub fn refusal(&self) -> KrpcError {
        match self {
            Self::UnknownMethod => KrpcError::new(ErrorCode::METHOD_UNKNOWN, "Method Unknown"),
            Self::Value(ValueError::TooLong(_)) => {
                KrpcError::new(ErrorCode::VALUE_TOO_BIG, "message (v field) too big")
            }
            Self::SaltTooLong(_) => KrpcError::new(ErrorCode::SALT_TOO_BIG, "salt too big"),
            other => KrpcError {
                code: ErrorCode::PROTOCOL,
                message: other.to_string().into(),
            },
        }
    }
}

impl DecodeError {
    /// The answer that its sender gets, if it was a query.
    pub fn reply(&self) -> Option<Message> {
        let transaction = self.query.clone()?;
        Some(Message::new(transaction, Body::Error(self.kind.refusal())))
    }
}

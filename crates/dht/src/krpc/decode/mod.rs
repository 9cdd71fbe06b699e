//! Reading datagrams.

mod query;
mod response;

use std::borrow::Cow;

use headwater_bencode::{Limits, Node, Options, TypeError};

use super::{Body, DecodeError, ErrorCode, KrpcError, MAX_DECODED, Message, Transaction, compact};
use crate::NodeId;
use crate::krpc::DecodeErrorKind as Kind;

/// Room for a value of a thousand empty strings; the deepest value that is stored is 32 levels deep, two below the top.
const LIMITS: Limits = Limits {
    max_depth: 34,
    max_items: 2048,
    max_string: MAX_DECODED,
};

/// Bytes of a refusal's words that are kept.
const MAX_WORDS: usize = 128;

pub(super) fn message(datagram: &[u8]) -> Result<Message, DecodeError> {
    if datagram.len() > MAX_DECODED {
        return Err(nobodys(Kind::TooLong(datagram.len())));
    }
    let options = Options::lenient().limits(LIMITS);
    let document = options.decode(datagram);
    let document = document.map_err(|error| nobodys(Kind::Bencode(error.kind)))?;
    let root = document.root();
    let transaction = transaction(root).map_err(nobodys)?;
    let kind: &[u8] = required(root, "y").map_err(nobodys)?;
    let body = body(root, kind).map_err(|error| DecodeError {
        kind: error,
        query: (kind == b"q").then(|| transaction.clone()),
    })?;
    Ok(Message {
        transaction,
        version: optional::<&[u8; 4]>(root, "v").copied(),
        external: optional(root, "ip").and_then(compact::unpack_any),
        read_only: flag(root, "ro"),
        body,
    })
}

/// An error that nobody is told of.
fn nobodys(kind: Kind) -> DecodeError {
    DecodeError { kind, query: None }
}

fn transaction(root: Node<'_, '_>) -> Result<Transaction, Kind> {
    Transaction::new(required(root, "t")?).ok_or(Kind::Form("t"))
}

fn body(root: Node<'_, '_>, kind: &[u8]) -> Result<Body, Kind> {
    match kind {
        b"q" => Ok(Body::Query(query::query(root)?)),
        b"r" => Ok(Body::Response(Box::new(response::response(root)?))),
        b"e" => Ok(Body::Error(refusal(root))),
        _ => Err(Kind::Form("y")),
    }
}

/// Whatever its form, a refusal is one: the query has come to an end.
fn refusal(root: Node<'_, '_>) -> KrpcError {
    let mut parts = root
        .get("e")
        .and_then(|list| list.as_list())
        .into_iter()
        .flatten();
    let code = parts.next().and_then(|code| code.as_int());
    let words = parts
        .next()
        .and_then(|words| words.as_bytes())
        .unwrap_or_default();
    KrpcError {
        code: code.map_or(ErrorCode::GENERIC, ErrorCode),
        message: Cow::Owned(shortened(words)),
    }
}

/// What is no text takes more room once it has been made text.
fn shortened(words: &[u8]) -> String {
    let words = &words[..words.len().min(MAX_WORDS)];
    let mut text = String::from_utf8_lossy(words).into_owned();
    text.truncate(text.floor_char_boundary(MAX_WORDS));
    text
}

fn id(dictionary: Node<'_, '_>) -> Result<NodeId, Kind> {
    point(dictionary, "id")
}

fn point(dictionary: Node<'_, '_>, key: &'static str) -> Result<NodeId, Kind> {
    required::<&[u8; 20]>(dictionary, key).copied().map(NodeId)
}

fn required<'d, 'a, T>(dictionary: Node<'d, 'a>, key: &'static str) -> Result<T, Kind>
where
    T: TryFrom<Node<'d, 'a>, Error = TypeError>,
{
    let node = dictionary.get(key).ok_or(Kind::Missing(key))?;
    T::try_from(node).map_err(|_| Kind::Form(key))
}

/// A field that can be done without; one of a wrong form is not there.
fn optional<'d, 'a, T>(dictionary: Node<'d, 'a>, key: &str) -> Option<T>
where
    T: TryFrom<Node<'d, 'a>, Error = TypeError>,
{
    T::try_from(dictionary.get(key)?).ok()
}

fn flag(dictionary: Node<'_, '_>, key: &str) -> bool {
    optional::<i64>(dictionary, key) == Some(1)
}

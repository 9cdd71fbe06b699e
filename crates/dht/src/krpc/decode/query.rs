//! Reading queries.

use headwater_bencode::Node;
use headwater_metainfo::InfoHash;

use super::{Kind, flag, id, optional, point, required};
use crate::item::{Item, MutableItem, PublicKey, Signature, Value};
use crate::krpc::{Method, PutArgs, Query, QueryKind, Salt, Token, Want};

pub(super) fn query(root: Node<'_, '_>) -> Result<Query, Kind> {
    let method: &[u8] = required(root, "q")?;
    let arguments = root.get("a").ok_or(Kind::Missing("a"))?;
    Ok(Query {
        id: id(arguments)?,
        want: want(arguments),
        kind: kind(method, arguments)?,
    })
}

fn want(arguments: Node<'_, '_>) -> Want {
    let mut want = Want::default();
    let list = arguments.get("want").and_then(|want| want.as_list());
    for family in list.into_iter().flatten() {
        match family.as_bytes() {
            Some(b"n4") => want.v4 = true,
            Some(b"n6") => want.v6 = true,
            _ => {}
        }
    }
    want
}

fn kind(method: &[u8], arguments: Node<'_, '_>) -> Result<QueryKind, Kind> {
    Ok(match method {
        b"ping" => QueryKind::Ping,
        b"find_node" => QueryKind::FindNode {
            target: point(arguments, "target")?,
        },
        b"get_peers" => QueryKind::GetPeers {
            info_hash: info_hash(arguments)?,
            noseed: flag(arguments, "noseed"),
            scrape: flag(arguments, "scrape"),
        },
        b"announce_peer" => announce(arguments)?,
        b"get" => QueryKind::Get {
            target: point(arguments, "target")?,
            seq: optional(arguments, "seq"),
        },
        b"put" => QueryKind::Put(Box::new(put(arguments)?)),
        b"sample_infohashes" => QueryKind::SampleInfohashes {
            target: point(arguments, "target")?,
        },
        other => unknown(other, arguments)?,
    })
}

fn info_hash(arguments: Node<'_, '_>) -> Result<InfoHash, Kind> {
    required::<&[u8; 20]>(arguments, "info_hash")
        .copied()
        .map(InfoHash)
}

fn token(arguments: Node<'_, '_>) -> Result<Token, Kind> {
    Token::new(required(arguments, "token")?).ok_or(Kind::Form("token"))
}

fn announce(arguments: Node<'_, '_>) -> Result<QueryKind, Kind> {
    let implied_port = optional::<i64>(arguments, "implied_port").is_some_and(|flag| flag != 0);
    // Whoever implies the port may write nonsense here.
    let port = if implied_port {
        optional(arguments, "port").unwrap_or_default()
    } else {
        required(arguments, "port")?
    };
    if port == 0 && !implied_port {
        return Err(Kind::Form("port"));
    }
    Ok(QueryKind::AnnouncePeer {
        info_hash: info_hash(arguments)?,
        port,
        implied_port,
        token: token(arguments)?,
        seed: flag(arguments, "seed"),
    })
}

fn put(arguments: Node<'_, '_>) -> Result<PutArgs, Kind> {
    let item = item(arguments)?;
    let replaces = matches!(item, Item::Mutable(_));
    Ok(PutArgs {
        token: token(arguments)?,
        item,
        cas: optional(arguments, "cas").filter(|_| replaces),
    })
}

/// An item with a key is mutable, and then needs what belongs to it.
fn item(arguments: Node<'_, '_>) -> Result<Item, Kind> {
    let value = arguments.get("v").ok_or(Kind::Missing("v"))?;
    let value = Value::new(value.raw()).map_err(Kind::Value)?;
    if arguments.get("k").is_none() {
        return Ok(Item::Immutable(value));
    }
    let salt = optional(arguments, "salt").unwrap_or_default();
    Ok(Item::Mutable(MutableItem {
        key: PublicKey(*required::<&[u8; 32]>(arguments, "k")?),
        salt: Salt::new(salt).ok_or(Kind::SaltTooLong(salt.len()))?,
        seq: seq(arguments)?,
        value,
        signature: Signature(*required::<&[u8; 64]>(arguments, "sig")?),
    }))
}

/// Versions below zero are refused, as BEP 44 allows and others do.
fn seq(arguments: Node<'_, '_>) -> Result<i64, Kind> {
    let seq = required(arguments, "seq")?;
    if seq < 0 {
        Err(Kind::Form("seq"))
    } else {
        Ok(seq)
    }
}

fn unknown(method: &[u8], arguments: Node<'_, '_>) -> Result<QueryKind, Kind> {
    let target = point(arguments, "target").or_else(|_| point(arguments, "info_hash"));
    match (Method::new(method), target) {
        (Some(method), Ok(target)) => Ok(QueryKind::Unknown { method, target }),
        _ => Err(Kind::UnknownMethod),
    }
}

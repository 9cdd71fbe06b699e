//! Reading responses.

use std::net::SocketAddr;

use headwater_bencode::Node;
use headwater_metainfo::InfoHash;
use headwater_metainfo::compact::{unpack_all_v4, unpack_v4, unpack_v6, usable};

use super::{Kind, id, optional};
use crate::Contact;
use crate::bloom::Filter;
use crate::item::{PublicKey, Signature, Value};
use crate::krpc::compact::unpack_contacts;
use crate::krpc::{MAX_NODES, MAX_SAMPLES, MAX_VALUES, Response, Samples, Scrape, Token};

/// The longest interval that BEP 51 allows, in seconds.
const MAX_INTERVAL: u32 = 21_600;

pub(super) fn response(root: Node<'_, '_>) -> Result<Response, Kind> {
    let answer = root.get("r").ok_or(Kind::Missing("r"))?;
    let value = answer
        .get("v")
        .and_then(|value| Value::new(value.raw()).ok());
    Ok(Response {
        id: id(answer)?,
        nodes: nodes(answer),
        nodes6: nodes6(answer),
        token: optional(answer, "token").and_then(Token::new),
        values: values(answer),
        value,
        key: optional::<&[u8; 32]>(answer, "k").copied().map(PublicKey),
        seq: optional(answer, "seq").filter(|seq| *seq >= 0),
        signature: optional::<&[u8; 64]>(answer, "sig").copied().map(Signature),
        samples: samples(answer),
        scrape: scrape(answer).map(Box::new),
    })
}

fn nodes(answer: Node<'_, '_>) -> Vec<Contact> {
    let packed = optional(answer, "nodes").unwrap_or_default();
    unpack_contacts::<6, 26>(packed, unpack_v4)
        .take(MAX_NODES)
        .collect()
}

/// An IPv4 address in IPv6 clothes is none of an IPv6 node.
fn nodes6(answer: Node<'_, '_>) -> Vec<Contact> {
    let packed = optional(answer, "nodes6").unwrap_or_default();
    let contacts = unpack_contacts::<18, 38>(packed, unpack_v6);
    contacts
        .filter(|contact| contact.address.is_ipv6())
        .take(MAX_NODES)
        .collect()
}

fn values(answer: Node<'_, '_>) -> Vec<SocketAddr> {
    let list = answer.get("values").and_then(|values| values.as_list());
    let strings = list
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_bytes());
    strings
        .flat_map(peers)
        .filter_map(usable)
        .take(MAX_VALUES)
        .collect()
}

/// The peer in one string, or the peers: some old nodes put all into one.
fn peers(packed: &[u8]) -> impl Iterator<Item = SocketAddr> {
    let v6 = <[u8; 18]>::try_from(packed).ok().map(unpack_v6);
    let v4 = if v6.is_none() && packed.len().is_multiple_of(6) {
        packed
    } else {
        &[]
    };
    v6.into_iter().chain(unpack_all_v4(v4))
}

fn samples(answer: Node<'_, '_>) -> Option<Samples> {
    let packed: &[u8] = optional(answer, "samples")?;
    let chunks = packed.as_chunks::<20>().0.iter().take(MAX_SAMPLES);
    Some(Samples {
        hashes: chunks.copied().map(InfoHash).collect(),
        total: optional(answer, "num").unwrap_or_default(),
        interval: optional::<u32>(answer, "interval")
            .map_or(0, |seconds| seconds.min(MAX_INTERVAL)),
    })
}

fn scrape(answer: Node<'_, '_>) -> Option<Scrape> {
    Some(Scrape {
        seeds: Filter(*optional::<&[u8; 256]>(answer, "BFsd")?),
        peers: Filter(*optional::<&[u8; 256]>(answer, "BFpe")?),
    })
}

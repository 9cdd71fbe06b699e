//! The packets of BEP 15.

use std::net::{IpAddr, SocketAddr};

use headwater_metainfo::{InfoHash, PeerId, compact};

use crate::http::MAX_SCRAPED;
use crate::registry::{Announce, Announced, Counts, Event, Families};

/// What a connect request begins with.
const PROTOCOL_ID: u64 = 0x0417_2710_1980;
/// Answers stay below this, so that no network on the way has to cut them up.
pub(super) const MAX_ANSWER: usize = 1400;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// A request that is long enough and of a known kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) connection_id: u64,
    pub(super) transaction_id: u32,
    pub(super) body: Body,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    Connect,
    Announce(Announce),
    Scrape(Vec<InfoHash>),
}

/// Reads a packet that came from `source`. Extra bytes, BEP 41's options among them, change nothing.
pub(super) fn parse(packet: &[u8], source: IpAddr) -> Option<Request> {
    let mut fields = Fields(packet);
    let connection_id = fields.u64()?;
    let action = fields.u32()?;
    let transaction_id = fields.u32()?;
    let body = match action {
        CONNECT if connection_id == PROTOCOL_ID => Body::Connect,
        ANNOUNCE => Body::Announce(announce(fields, source)?),
        SCRAPE => Body::Scrape(scrape(fields)?),
        _ => return None,
    };
    Some(Request {
        connection_id,
        transaction_id,
        body,
    })
}

fn announce(mut fields: Fields<'_>, source: IpAddr) -> Option<Announce> {
    let info_hash = InfoHash(fields.take()?);
    let peer_id = PeerId(fields.take()?);
    let _downloaded = fields.u64()?;
    let left = fields.u64()?;
    let _uploaded = fields.u64()?;
    let event = match fields.u32()? {
        1 => Event::Completed,
        2 => Event::Started,
        3 => Event::Stopped,
        _ => Event::None,
    };
    // The address field is ignored: it would let anybody point a swarm at a victim.
    let _address = fields.u32()?;
    let key = fields.u32()?;
    let num_want = i32::from_be_bytes(fields.take()?);
    let port = u16::from_be_bytes(fields.take()?);
    Some(Announce {
        info_hash,
        peer_id,
        address: SocketAddr::new(source, port),
        // Zero is what clients without a key send.
        key: Some(key).filter(|key| *key != 0),
        is_seed: left == 0,
        event,
        num_want: u32::try_from(num_want).ok(),
        families: Families::Own,
    })
}

fn scrape(mut fields: Fields<'_>) -> Option<Vec<InfoHash>> {
    let hashes = std::iter::from_fn(|| fields.take().map(InfoHash));
    let hashes: Vec<_> = hashes.take(MAX_SCRAPED).collect();
    (!hashes.is_empty()).then_some(hashes)
}

/// The answer to a connect request: as long as the request.
pub(super) fn connected(transaction_id: u32, connection_id: u64) -> Vec<u8> {
    let mut out = head(CONNECT, transaction_id);
    out.extend(connection_id.to_be_bytes());
    out
}

/// The answer to an announce; peers that do not fit are left out.
pub(super) fn announced(transaction_id: u32, answer: &Announced) -> Vec<u8> {
    let mut out = head(ANNOUNCE, transaction_id);
    let interval = u32::try_from(answer.interval.as_secs()).unwrap_or(u32::MAX);
    for number in [interval, answer.counts.incomplete, answer.counts.complete] {
        out.extend(number.to_be_bytes());
    }
    for peer in &answer.peers {
        let end = out.len();
        compact::append(&mut out, peer.address);
        if out.len() > MAX_ANSWER {
            out.truncate(end);
            break;
        }
    }
    out
}

/// The answer to a scrape, in the order of the request; zeros for a torrent that is not known.
pub(super) fn scraped(
    transaction_id: u32,
    asked: &[InfoHash],
    known: &[(InfoHash, Counts)],
) -> Vec<u8> {
    let mut out = head(SCRAPE, transaction_id);
    for hash in asked {
        let found = known.iter().find(|(it, _)| it == hash);
        let counts = found.map(|(_, counts)| *counts).unwrap_or_default();
        for number in [counts.complete, counts.downloaded, counts.incomplete] {
            out.extend(number.to_be_bytes());
        }
    }
    out
}

/// A refusal.
pub(super) fn error(transaction_id: u32, message: &str) -> Vec<u8> {
    let mut out = head(ERROR, transaction_id);
    out.extend(message.as_bytes());
    out
}

fn head(action: u32, transaction_id: u32) -> Vec<u8> {
    let mut out = action.to_be_bytes().to_vec();
    out.extend(transaction_id.to_be_bytes());
    out
}

/// What is left of a packet.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}

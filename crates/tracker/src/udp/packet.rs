//! Packets of BEP 15, both directions.

use std::net::SocketAddr;

use headwater_metainfo::{InfoHash, PeerId};
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u16, be_u32, be_u64};

use super::MAX_SCRAPE;
use crate::error::DecodeError;
use crate::types::{AnnounceEvent, AnnounceRequest, ScrapeEntry};
use crate::{peers, text};

/// What a connect request begins with.
const PROTOCOL_ID: u64 = 0x0417_2710_1980;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// BEP 41.
const END_OF_OPTIONS: u8 = 0;
const NOP: u8 = 1;
const URL_DATA: u8 = 2;

/// The address family of the packets: it decides how long a peer's address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Packets over IPv4; 6 bytes a peer.
    V4,
    /// Packets over IPv6; 18 bytes a peer.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }
}

/// A packet from a client to a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Asks for a connection id.
    Connect {
        /// Chosen at random; the answer has it again.
        transaction: u32,
    },
    /// An announce.
    Announce {
        /// From the tracker's connect response.
        connection: u64,
        /// Chosen at random; the answer has it again.
        transaction: u32,
        /// What is announced; its tracker id is not sent, `Paused` is sent as a regular announce.
        announce: AnnounceRequest,
        /// Path and query of the announce URL (BEP 41); empty: no option is sent.
        url_data: Vec<u8>,
    },
    /// A scrape.
    Scrape {
        /// From the tracker's connect response.
        connection: u64,
        /// Chosen at random; the answer has it again.
        transaction: u32,
        /// The torrents, at most [`MAX_SCRAPE`]; what is beyond is not sent.
        info_hashes: Vec<InfoHash>,
    },
}

/// A packet from a tracker to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// A connection id.
    Connect {
        /// The request's.
        transaction: u32,
        /// To be used for a minute.
        connection: u64,
    },
    /// The answer to an announce.
    Announce {
        /// The request's.
        transaction: u32,
        /// Seconds until the next regular announce.
        interval: u32,
        /// Peers that are not seeds.
        leechers: u32,
        /// Seeds.
        seeders: u32,
        /// Peers, all of the packet's family, those taken out to which nobody can connect.
        peers: Vec<SocketAddr>,
    },
    /// The answer to a scrape, in the order of the request.
    Scrape {
        /// The request's.
        transaction: u32,
        /// One for each torrent.
        entries: Vec<ScrapeEntry>,
    },
    /// A refusal.
    Error {
        /// The request's.
        transaction: u32,
        /// The tracker's words.
        message: String,
    },
}

impl Request {
    /// The packet's bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Connect { transaction } => head(PROTOCOL_ID, CONNECT, *transaction),
            Self::Announce {
                connection,
                transaction,
                announce,
                url_data,
            } => {
                let mut packet = head(*connection, ANNOUNCE, *transaction);
                push_announce(&mut packet, announce);
                push_url_data(&mut packet, url_data);
                packet
            }
            Self::Scrape {
                connection,
                transaction,
                info_hashes,
            } => {
                let mut packet = head(*connection, SCRAPE, *transaction);
                for hash in info_hashes.iter().take(MAX_SCRAPE) {
                    packet.extend(hash.as_bytes());
                }
                packet
            }
        }
    }
}

impl Response {
    /// The transaction that is answered.
    pub fn transaction(&self) -> u32 {
        match self {
            Self::Connect { transaction, .. }
            | Self::Announce { transaction, .. }
            | Self::Scrape { transaction, .. }
            | Self::Error { transaction, .. } => *transaction,
        }
    }

    pub(super) fn action(&self) -> u32 {
        match self {
            Self::Connect { .. } => CONNECT,
            Self::Announce { .. } => ANNOUNCE,
            Self::Scrape { .. } => SCRAPE,
            Self::Error { .. } => ERROR,
        }
    }

    /// The packet's bytes, as a tracker sends them.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Connect {
                transaction,
                connection,
            } => [
                &answer(CONNECT, *transaction)[..],
                &connection.to_be_bytes(),
            ]
            .concat(),
            Self::Announce {
                transaction,
                interval,
                leechers,
                seeders,
                peers,
            } => {
                let mut packet = answer(ANNOUNCE, *transaction);
                push_words(&mut packet, &[*interval, *leechers, *seeders]);
                for peer in peers {
                    peers::push_compact(&mut packet, *peer);
                }
                packet
            }
            Self::Scrape {
                transaction,
                entries,
            } => {
                let mut packet = answer(SCRAPE, *transaction);
                for entry in entries {
                    let words = [entry.complete, entry.downloaded, entry.incomplete];
                    push_words(&mut packet, &words);
                }
                packet
            }
            Self::Error {
                transaction,
                message,
            } => [&answer(ERROR, *transaction)[..], message.as_bytes()].concat(),
        }
    }
}

/// Decodes a tracker's packet. Bytes beyond what is known are ignored, as BEP 15 asks.
///
/// ```
/// use headwater_tracker::udp::{Family, Response, decode};
///
/// let packet = Response::Connect { transaction: 7, connection: 99 }.encode();
/// assert_eq!(decode(&packet, Family::V4)?, Response::Connect { transaction: 7, connection: 99 });
/// assert!(decode(&packet[..15], Family::V4).is_err());
/// # Ok::<(), headwater_tracker::DecodeError>(())
/// ```
pub fn decode(packet: &[u8], family: Family) -> Result<Response, DecodeError> {
    let (rest, (action, transaction)) = (be_u32, be_u32).parse(packet).map_err(truncated)?;
    match action {
        CONNECT => {
            let (_, connection) = be_u64.parse(rest).map_err(truncated)?;
            Ok(Response::Connect {
                transaction,
                connection,
            })
        }
        ANNOUNCE => decode_announce(transaction, rest, family),
        SCRAPE => Ok(Response::Scrape {
            transaction,
            entries: decode_entries(rest),
        }),
        ERROR => Ok(Response::Error {
            transaction,
            message: text::shown(rest),
        }),
        other => Err(DecodeError::Action(other)),
    }
}

/// The transaction in a tracker's packet, whatever else is in it.
pub(super) fn transaction_of(packet: &[u8]) -> Option<u32> {
    let bytes = packet.get(4..8)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn decode_announce(
    transaction: u32,
    packet: &[u8],
    family: Family,
) -> Result<Response, DecodeError> {
    let (rest, (interval, leechers, seeders)) =
        (be_u32, be_u32, be_u32).parse(packet).map_err(truncated)?;
    let mut peers = Vec::new();
    match family {
        Family::V4 => peers::extend(&mut peers, peers::compact_v4(rest)),
        Family::V6 => peers::extend(&mut peers, peers::compact_v6(rest)),
    }
    Ok(Response::Announce {
        transaction,
        interval,
        leechers,
        seeders,
        peers,
    })
}

fn decode_entries(packet: &[u8]) -> Vec<ScrapeEntry> {
    let word = |chunk: &[u8; 12], at: usize| {
        u32::from_be_bytes([chunk[at], chunk[at + 1], chunk[at + 2], chunk[at + 3]])
    };
    let chunks = packet.as_chunks::<12>().0.iter().take(MAX_SCRAPE);
    chunks
        .map(|chunk| ScrapeEntry {
            complete: word(chunk, 0),
            downloaded: word(chunk, 4),
            incomplete: word(chunk, 8),
            downloaders: None,
        })
        .collect()
}

/// Decodes a client's packet, as a tracker would. Unknown options are skipped (BEP 41).
pub fn decode_request(packet: &[u8]) -> Result<Request, DecodeError> {
    let (rest, (connection, action, transaction)) =
        (be_u64, be_u32, be_u32).parse(packet).map_err(truncated)?;
    match action {
        CONNECT if connection == PROTOCOL_ID => Ok(Request::Connect { transaction }),
        CONNECT => Err(DecodeError::Form("protocol id")),
        ANNOUNCE => {
            let (options, announce) = parse_announce(rest).map_err(truncated)?;
            Ok(Request::Announce {
                connection,
                transaction,
                announce,
                url_data: decode_url_data(options)?,
            })
        }
        SCRAPE => Ok(Request::Scrape {
            connection,
            transaction,
            info_hashes: hashes(rest),
        }),
        other => Err(DecodeError::Action(other)),
    }
}

fn hashes(packet: &[u8]) -> Vec<InfoHash> {
    let chunks = packet.as_chunks::<20>().0.iter();
    chunks.take(MAX_SCRAPE).copied().map(InfoHash).collect()
}

fn parse_announce(packet: &[u8]) -> nom::IResult<&[u8], AnnounceRequest> {
    let (rest, (info_hash, peer_id)) = (id, id).parse(packet)?;
    let (rest, (downloaded, left, uploaded)) = (be_u64, be_u64, be_u64).parse(rest)?;
    let (rest, (event, _ip, key, num_want)) = (be_u32, be_u32, be_u32, be_u32).parse(rest)?;
    let (rest, port) = be_u16.parse(rest)?;
    let mut announce = AnnounceRequest::new(InfoHash(info_hash), PeerId(peer_id), port);
    announce.downloaded = downloaded;
    announce.left = left;
    announce.uploaded = uploaded;
    announce.event = event_of(event);
    announce.key = key;
    announce.num_want = (num_want != u32::MAX).then_some(num_want);
    Ok((rest, announce))
}

fn id(packet: &[u8]) -> nom::IResult<&[u8], [u8; 20]> {
    let (rest, bytes) = take(20_usize).parse(packet)?;
    let mut id = [0; 20];
    id.copy_from_slice(bytes);
    Ok((rest, id))
}

fn decode_url_data(mut options: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut url_data = Vec::new();
    loop {
        options = match options {
            [] | [END_OF_OPTIONS, ..] => return Ok(url_data),
            [NOP, rest @ ..] => rest,
            [kind, length, rest @ ..] => {
                let (data, rest) = rest
                    .split_at_checked(usize::from(*length))
                    .ok_or(DecodeError::Truncated)?;
                if *kind == URL_DATA {
                    url_data.extend(data);
                }
                rest
            }
            [_] => return Err(DecodeError::Truncated),
        };
    }
}

fn head(connection: u64, action: u32, transaction: u32) -> Vec<u8> {
    let mut packet = Vec::with_capacity(128);
    packet.extend(connection.to_be_bytes());
    push_words(&mut packet, &[action, transaction]);
    packet
}

fn answer(action: u32, transaction: u32) -> Vec<u8> {
    let mut packet = Vec::new();
    push_words(&mut packet, &[action, transaction]);
    packet
}

fn push_words(packet: &mut Vec<u8>, words: &[u32]) {
    packet.extend(words.iter().flat_map(|word| word.to_be_bytes()));
}

fn push_announce(packet: &mut Vec<u8>, announce: &AnnounceRequest) {
    packet.extend(announce.info_hash.as_bytes());
    packet.extend(announce.peer_id.as_bytes());
    for amount in [announce.downloaded, announce.left, announce.uploaded] {
        packet.extend(amount.to_be_bytes());
    }
    let num_want = announce.num_want.unwrap_or(u32::MAX);
    push_words(
        packet,
        &[event_code(announce.event), 0, announce.key, num_want],
    );
    packet.extend(announce.port.to_be_bytes());
}

fn push_url_data(packet: &mut Vec<u8>, url_data: &[u8]) {
    for chunk in url_data.chunks(usize::from(u8::MAX)) {
        packet.extend([URL_DATA, chunk.len() as u8]);
        packet.extend(chunk);
    }
}

fn event_code(event: AnnounceEvent) -> u32 {
    match event {
        AnnounceEvent::None | AnnounceEvent::Paused => 0,
        AnnounceEvent::Completed => 1,
        AnnounceEvent::Started => 2,
        AnnounceEvent::Stopped => 3,
    }
}

fn event_of(code: u32) -> AnnounceEvent {
    match code {
        1 => AnnounceEvent::Completed,
        2 => AnnounceEvent::Started,
        3 => AnnounceEvent::Stopped,
        _ => AnnounceEvent::None,
    }
}

fn truncated(_: nom::Err<nom::error::Error<&[u8]>>) -> DecodeError {
    DecodeError::Truncated
}

//! Decoding packets of BEP 15, both directions.

use headwater_metainfo::{InfoHash, PeerId};
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u16, be_u32, be_u64};

use super::MAX_SCRAPE;
use super::packet::{
    ANNOUNCE, CONNECT, ERROR, Family, PROTOCOL_ID, Request, Response, SCRAPE, URL_DATA,
};
use crate::error::DecodeError;
use crate::types::{AnnounceEvent, AnnounceRequest, ScrapeEntry};
use crate::{peers, text};

/// Options without a length (BEP 41).
const END_OF_OPTIONS: u8 = 0;
const NOP: u8 = 1;

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

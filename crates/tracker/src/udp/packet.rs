//! Packets of BEP 15, both directions.

use std::net::SocketAddr;

use headwater_metainfo::{InfoHash, compact};

use super::MAX_SCRAPE;
use crate::types::{AnnounceEvent, AnnounceRequest, ScrapeEntry};

/// What a connect request begins with.
pub(super) const PROTOCOL_ID: u64 = 0x0417_2710_1980;

pub(super) const CONNECT: u32 = 0;
pub(super) const ANNOUNCE: u32 = 1;
pub(super) const SCRAPE: u32 = 2;
pub(super) const ERROR: u32 = 3;

/// The option that holds path and query (BEP 41).
pub(super) const URL_DATA: u8 = 2;

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
        /// Peers, those taken out to which nobody can connect. They are of the packet's family, save that an IPv4 address
        /// which came mapped into IPv6 is read as what it is; to be encoded, all must be of one family.
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
                    compact::append(&mut packet, *peer);
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

//! What peers send.

use bytes::Bytes;
use headwater_metainfo::{BLOCK_LENGTH, BlockSpan, PieceIndex};
use headwater_wire::Message;
use headwater_wire::extension::ExtendedHandshake;
use headwater_wire::pex::{self, PexFlags, PexMessage, PexPeer};

use super::driver::{Driver, Link};
use super::input::Input;
use super::{PIECES, geometry};

static ZEROS: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];

/// The content of a block: what it is plays no part here.
pub(super) fn piece(block: BlockSpan) -> Message {
    let length = block.length.min(BLOCK_LENGTH) as usize;
    Message::Piece {
        piece: block.piece,
        offset: block.offset,
        data: Bytes::from_static(&ZEROS[..length]),
    }
}

/// Up to four messages of one peer at once, as from one read.
pub(super) fn receive(driver: &mut Driver, input: &mut Input<'_>) {
    let at = input.below(driver.links.len());
    for _ in 0..=input.below(4) {
        let Some(link) = driver.links.get_mut(at) else {
            return;
        };
        let key = link.key;
        let message = message(link, input);
        driver.torrent.handle_message(driver.now, key, message);
    }
}

fn message(link: &mut Link, input: &mut Input<'_>) -> Message {
    match input.byte() % 20 {
        0 => choke(link),
        1 => Message::Unchoke,
        2 => Message::Interested,
        3 => Message::NotInterested,
        4 => Message::Have(index(input)),
        5 => bitfield(input),
        6 => Message::Request(block(input)),
        7..=9 => answer(link, input),
        10 => Message::Cancel(block(input)),
        11 => Message::Suggest(index(input)),
        12 => Message::HaveAll,
        13 => Message::HaveNone,
        14 => Message::Reject(rejected(link, input)),
        15 => Message::AllowedFast(index(input)),
        16 => extended_handshake(input),
        17 => extended(input),
        18 => piece(block(input)),
        _ => Message::KeepAlive,
    }
}

/// Without the fast extension, a choke answers all requests.
fn choke(link: &mut Link) -> Message {
    if !link.fast {
        link.asked.clear();
    }
    Message::Choke
}

/// Mostly a piece; at times one that does not exist.
fn index(input: &mut Input<'_>) -> PieceIndex {
    let byte = input.byte();
    let beyond = u32::from(byte == u8::MAX);
    PieceIndex(u32::from(byte) % PIECES + beyond * PIECES)
}

fn bitfield(input: &mut Input<'_>) -> Message {
    let bits = input.byte();
    // Two bits in 64 make it invalid: spare bits, or a wrong length.
    let (bits, length) = match input.byte() {
        255 => (bits, 1),
        254 => (bits, 2),
        _ => (bits & !0b11, 1),
    };
    Message::Bitfield(vec![bits; length].into())
}

/// Mostly a block; at times something else.
fn block(input: &mut Input<'_>) -> BlockSpan {
    let piece = index(input);
    let byte = input.byte();
    let mut span = BlockSpan {
        piece,
        offset: u32::from(byte & 3) * BLOCK_LENGTH,
        length: BLOCK_LENGTH,
    };
    match byte >> 4 {
        15 => span.length = u32::from(input.byte()) * 1024,
        14 => span.offset += u32::from(input.byte()),
        _ => span = geometry().block(piece, u32::from(byte & 3)).unwrap_or(span),
    }
    span
}

/// A block that the peer was asked for, if it was asked for any.
fn asked(link: &mut Link, input: &mut Input<'_>) -> BlockSpan {
    if link.asked.is_empty() {
        return block(input);
    }
    let at = input.below(link.asked.len());
    link.asked.swap_remove(at)
}

/// As [`asked`]. A block that was called off and asked for again has two answers to come, and the first is for what was called off.
fn rejected(link: &mut Link, input: &mut Input<'_>) -> BlockSpan {
    let count = link.asked.len();
    let block = asked(link, input);
    let earlier = link.cancelled.iter().position(|each| *each == block);
    if let Some(at) = earlier {
        link.cancelled.swap_remove(at);
        if link.asked.len() < count {
            link.asked.push(block);
        }
    }
    block
}

fn answer(link: &mut Link, input: &mut Input<'_>) -> Message {
    piece(asked(link, input))
}

fn extended(input: &mut Input<'_>) -> Message {
    let id = input.byte() % 8;
    let payload = match id {
        1 => peers(input).encode(),
        _ => index(input).0.to_be_bytes().to_vec(),
    };
    let payload = payload.into();
    Message::Extended { id, payload }
}

/// Up to four peers, of which the driver may know some.
fn peers(input: &mut Input<'_>) -> PexMessage {
    let count = input.byte() % 4;
    let mut peer = || PexPeer {
        address: ([10, 0, 0, input.byte() % 64], 6_881).into(),
        flags: PexFlags(input.byte()),
    };
    PexMessage {
        added: (0..count).map(|_| peer()).collect(),
        dropped: Vec::new(),
    }
}

fn extended_handshake(input: &mut Input<'_>) -> Message {
    let mut handshake = ExtendedHandshake::default();
    let byte = input.byte();
    if byte & 1 == 1 {
        handshake.extensions.set("lt_donthave", byte >> 2 & 7);
    }
    if byte & 32 == 32 {
        handshake.extensions.set(pex::NAME, 1);
        handshake.port = Some(6_881 + u16::from(byte >> 2));
    }
    handshake.upload_only = (byte & 2 == 2).then_some(byte & 64 == 0);
    handshake.message()
}

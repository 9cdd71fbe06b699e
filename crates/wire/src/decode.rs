//! From a whole frame to a message.

use bytes::{Buf, Bytes, BytesMut};
use headwater_metainfo::{BlockSpan, PieceIndex};
use nom::number::complete::{be_u16, be_u32};
use nom::{IResult, Parser};

use crate::handshake::array;
use crate::message::id;
use crate::{HashRequest, Message, ProtocolError};

/// Bytes of a `piece` frame in front of the payload, id included.
const PIECE_FIXED: usize = 9;
/// Bytes of a `hashes` frame in front of the hashes, id included.
const HASHES_FIXED: usize = 49;
/// Bytes of a hash.
const HASH: usize = 32;

/// Whether a message with this id may be `length` bytes long, id included, before any of it is buffered.
pub(crate) fn check_length(id: u8, length: usize, max_block: usize) -> Result<(), ProtocolError> {
    let fits = match id {
        id::CHOKE
        | id::UNCHOKE
        | id::INTERESTED
        | id::NOT_INTERESTED
        | id::HAVE_ALL
        | id::HAVE_NONE => length == 1,
        id::HAVE | id::SUGGEST | id::ALLOWED_FAST => length == 5,
        id::REQUEST | id::CANCEL | id::REJECT => length == 13,
        id::PORT => length == 3,
        id::HASH_REQUEST | id::HASH_REJECT => length == HASHES_FIXED,
        id::HASHES => length >= HASHES_FIXED && (length - HASHES_FIXED).is_multiple_of(HASH),
        id::EXTENDED => length >= 2,
        id::PIECE => return check_block(length, max_block),
        _ => true,
    };
    if fits {
        Ok(())
    } else {
        Err(ProtocolError::Length { id, length })
    }
}

fn check_block(length: usize, max_block: usize) -> Result<(), ProtocolError> {
    match length.checked_sub(PIECE_FIXED) {
        None | Some(0) => Err(ProtocolError::Length {
            id: id::PIECE,
            length,
        }),
        Some(block) if block > max_block => Err(ProtocolError::BlockTooLong {
            length: block,
            limit: max_block,
        }),
        Some(_) => Ok(()),
    }
}

/// Reads a frame whose length [`check_length`] has passed; what is left of `frame` becomes the payload, uncopied.
pub(crate) fn message(mut frame: BytesMut) -> Result<Message, ProtocolError> {
    let length = frame.len();
    let Some(&id) = frame.first() else {
        return Ok(Message::KeepAlive);
    };
    let (rest, head) = head(&frame).map_err(|_| ProtocolError::Length { id, length })?;
    frame.advance(length - rest.len());
    Ok(head.with_payload(frame.freeze()))
}

/// A message without its payload.
enum Head {
    Whole(Message),
    Bitfield,
    Piece { piece: PieceIndex, offset: u32 },
    Extended(u8),
    Hashes(HashRequest),
    Unknown(u8),
}

impl Head {
    fn with_payload(self, payload: Bytes) -> Message {
        match self {
            Self::Whole(message) => message,
            Self::Bitfield => Message::Bitfield(payload),
            Self::Piece { piece, offset } => Message::Piece {
                piece,
                offset,
                data: payload,
            },
            Self::Extended(id) => Message::Extended { id, payload },
            Self::Hashes(request) => Message::Hashes {
                request,
                hashes: payload,
            },
            Self::Unknown(id) => Message::Unknown { id, payload },
        }
    }
}

fn head(frame: &[u8]) -> IResult<&[u8], Head> {
    let (rest, id) = nom::number::complete::u8(frame)?;
    let whole = match id {
        id::PIECE => return piece_head(rest),
        id::BITFIELD => return Ok((rest, Head::Bitfield)),
        id::EXTENDED => return nom::number::complete::u8.map(Head::Extended).parse(rest),
        id::HASHES => return hash_request.map(Head::Hashes).parse(rest),
        id::CHOKE => (rest, Message::Choke),
        id::UNCHOKE => (rest, Message::Unchoke),
        id::INTERESTED => (rest, Message::Interested),
        id::NOT_INTERESTED => (rest, Message::NotInterested),
        id::HAVE_ALL => (rest, Message::HaveAll),
        id::HAVE_NONE => (rest, Message::HaveNone),
        id::HAVE => piece.map(Message::Have).parse(rest)?,
        id::SUGGEST => piece.map(Message::Suggest).parse(rest)?,
        id::ALLOWED_FAST => piece.map(Message::AllowedFast).parse(rest)?,
        id::REQUEST => span.map(Message::Request).parse(rest)?,
        id::CANCEL => span.map(Message::Cancel).parse(rest)?,
        id::REJECT => span.map(Message::Reject).parse(rest)?,
        id::PORT => be_u16.map(Message::Port).parse(rest)?,
        id::HASH_REQUEST => hash_request.map(Message::HashRequest).parse(rest)?,
        id::HASH_REJECT => hash_request.map(Message::HashReject).parse(rest)?,
        _ => return Ok((rest, Head::Unknown(id))),
    };
    Ok((whole.0, Head::Whole(whole.1)))
}

fn piece_head(input: &[u8]) -> IResult<&[u8], Head> {
    (piece, be_u32)
        .map(|(piece, offset)| Head::Piece { piece, offset })
        .parse(input)
}

fn piece(input: &[u8]) -> IResult<&[u8], PieceIndex> {
    be_u32.map(PieceIndex).parse(input)
}

fn span(input: &[u8]) -> IResult<&[u8], BlockSpan> {
    (piece, be_u32, be_u32)
        .map(|(piece, offset, length)| BlockSpan {
            piece,
            offset,
            length,
        })
        .parse(input)
}

fn hash_request(input: &[u8]) -> IResult<&[u8], HashRequest> {
    (array, be_u32, be_u32, be_u32, be_u32)
        .map(
            |(pieces_root, base_layer, index, length, proof_layers)| HashRequest {
                pieces_root,
                base_layer,
                index,
                length,
                proof_layers,
            },
        )
        .parse(input)
}

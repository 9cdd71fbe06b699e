//! What goes over a connection.

use bytes::Bytes;
use headwater_metainfo::{BlockSpan, PieceIndex};
use headwater_wire::Message;

/// Bytes in front of a block.
const BLOCK_OVERHEAD: u64 = 13;

/// A message in little space: there are millions of them under way.
#[derive(Debug, Clone)]
pub(crate) enum Packet {
    Have(PieceIndex),
    Request(BlockSpan),
    Cancel(BlockSpan),
    Block { span: BlockSpan, spoilt: bool },
    Other(Box<Message>),
}

impl From<Message> for Packet {
    fn from(message: Message) -> Self {
        match message {
            Message::Have(piece) => Self::Have(piece),
            Message::Request(span) => Self::Request(span),
            Message::Cancel(span) => Self::Cancel(span),
            other => Self::Other(Box::new(other)),
        }
    }
}

impl Packet {
    /// Bytes on the wire.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Have(_) => 9,
            Self::Request(_) | Self::Cancel(_) => 17,
            Self::Block { span, .. } => BLOCK_OVERHEAD + u64::from(span.length),
            Self::Other(message) => message.encoded_length() as u64,
        }
    }

    /// The piece that it is about.
    pub(crate) fn piece(&self) -> Option<PieceIndex> {
        match self {
            Self::Have(piece) => Some(*piece),
            Self::Request(span) | Self::Cancel(span) | Self::Block { span, .. } => Some(span.piece),
            Self::Other(_) => None,
        }
    }

    /// Whether it goes ahead of blocks that wait, as in `headwater_wire::SendQueue`.
    pub(crate) fn overtakes(&self) -> bool {
        match self {
            Self::Have(_) | Self::Request(_) | Self::Cancel(_) => true,
            Self::Block { .. } => false,
            Self::Other(message) => matches!(
                **message,
                Message::Interested | Message::NotInterested | Message::KeepAlive
            ),
        }
    }

    pub(crate) fn into_message(self) -> Message {
        match self {
            Self::Have(piece) => Message::Have(piece),
            Self::Request(span) => Message::Request(span),
            Self::Cancel(span) => Message::Cancel(span),
            Self::Block { span, spoilt } => Message::Piece {
                piece: span.piece,
                offset: span.offset,
                data: payload(span.length, spoilt),
            },
            Self::Other(message) => *message,
        }
    }
}

/// Longest block that anybody may ask for.
const MAX_BLOCK: usize = 128 * 1024;
static GOOD: [u8; MAX_BLOCK] = [0; MAX_BLOCK];
static SPOILT: [u8; MAX_BLOCK] = [1; MAX_BLOCK];

/// Bytes that stand for a block's: they say nothing but whether they are right.
fn payload(length: u32, spoilt: bool) -> Bytes {
    let all: &'static [u8] = if spoilt { &SPOILT } else { &GOOD };
    Bytes::from_static(&all[..length as usize])
}

/// Whether a block's bytes are wrong.
pub(crate) fn is_spoilt(data: &[u8]) -> bool {
    data.first() != Some(&0)
}

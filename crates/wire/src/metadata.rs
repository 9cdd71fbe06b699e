//! Messages of `ut_metadata`, with which peers give each other the info dictionary (BEP 9).

use bytes::Bytes;
use headwater_bencode::{DecodeError, Encoder, Limits, Node, Options};

use crate::Message;

/// Something of `ut_metadata`: the payload of an extended message (BEP 10).
///
/// Metadata is asked for in pieces of 16 KiB, the last one shorter. Numbers are as the wire has them: whether a piece is
/// one of the metadata's, and of the right length, only somebody who knows its size can say.
///
/// ```
/// use bytes::Bytes;
/// use headwater_wire::MetadataMessage;
///
/// let piece = MetadataMessage::Data {
///     piece: 0,
///     total_size: Some(3425),
///     data: Bytes::from_static(b"d6:length"),
/// };
/// let payload = piece.encode();
/// assert_eq!(payload, "d8:msg_typei1e5:piecei0e10:total_sizei3425eed6:length");
/// assert_eq!(MetadataMessage::decode(&payload)?, piece);
/// # Ok::<(), headwater_wire::MetadataMessageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataMessage {
    /// Asks for a piece.
    Request {
        /// Which, from 0.
        piece: u32,
    },
    /// A piece.
    Data {
        /// Which.
        piece: u32,
        /// Bytes of the whole metadata, where the sender says so.
        total_size: Option<u32>,
        /// The piece's bytes: a slice of what was decoded; 1 to [`PIECE_LENGTH`](Self::PIECE_LENGTH).
        data: Bytes,
    },
    /// The piece will not be sent.
    Reject {
        /// Which.
        piece: u32,
    },
    /// A message of a kind that is not known here, to be ignored.
    Unknown {
        /// What it says it is.
        kind: i64,
    },
}

/// What is no message of `ut_metadata`. The peer is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataMessageError {
    /// It does not begin with bencode.
    #[error("metadata message: {0}")]
    Bencode(#[from] DecodeError),
    /// A field is missing, of another type, or no number of a piece or size that there can be.
    #[error("metadata message without a valid \"{0}\"")]
    Field(&'static str),
    /// A piece that is empty or longer than [`MetadataMessage::PIECE_LENGTH`].
    #[error("a piece of metadata of {0} bytes")]
    Length(usize),
}

impl MetadataMessage {
    /// The extension's name in the extended handshake.
    pub const NAME: &str = "ut_metadata";
    /// Bytes of every piece but the last.
    pub const PIECE_LENGTH: usize = 16 * 1024;
    /// Largest metadata that is asked for or given: 30 MiB.
    pub const MAX_SIZE: u32 = 30 << 20;
    /// Longest dictionary in front of a piece that is read, in bytes.
    const MAX_HEADER: usize = 1024;

    /// Pieces of metadata of `size` bytes.
    pub const fn piece_count(size: u32) -> u32 {
        size.div_ceil(Self::PIECE_LENGTH as u32)
    }

    /// Bytes of a piece of metadata of `size` bytes; 0 past the end.
    pub const fn piece_size(size: u32, piece: u32) -> usize {
        let start = piece as u64 * Self::PIECE_LENGTH as u64;
        let left = (size as u64).saturating_sub(start) as usize;
        if left < Self::PIECE_LENGTH {
            left
        } else {
            Self::PIECE_LENGTH
        }
    }

    /// Reads a payload.
    ///
    /// Keys may come in any order, unknown ones count as absent, and so does a `total_size` that cannot be one. What
    /// follows on a request or a reject is ignored.
    pub fn decode(payload: &Bytes) -> Result<Self, MetadataMessageError> {
        let limits = Limits {
            max_depth: 4,
            max_items: 64,
            ..Limits::default()
        };
        let head = &payload[..payload.len().min(Self::MAX_HEADER)];
        let document = Options::lenient().limits(limits).decode(head)?;
        let root = document.root();
        let kind = root.get("msg_type").and_then(|kind| kind.as_int());
        Ok(match kind.ok_or(MetadataMessageError::Field("msg_type"))? {
            0 => Self::Request {
                piece: piece(root)?,
            },
            1 => Self::Data {
                piece: piece(root)?,
                total_size: number(root, "total_size")
                    .filter(|size| (1..=Self::MAX_SIZE).contains(size)),
                data: data(payload.slice(root.raw().len()..))?,
            },
            2 => Self::Reject {
                piece: piece(root)?,
            },
            kind => Self::Unknown { kind },
        })
    }

    /// The payload. A piece's bytes are copied behind the dictionary.
    pub fn encode(&self) -> Bytes {
        let (kind, piece) = match *self {
            Self::Request { piece } => (0, Some(piece)),
            Self::Data { piece, .. } => (1, Some(piece)),
            Self::Reject { piece } => (2, Some(piece)),
            Self::Unknown { kind } => (kind, None),
        };
        let mut payload = Encoder::dict_to_vec(|dict| {
            dict.key("msg_type").int(kind);
            if let Some(piece) = piece {
                dict.key("piece").int(piece);
            }
            if let Self::Data {
                total_size: Some(size),
                ..
            } = self
            {
                dict.key("total_size").int(*size);
            }
        });
        if let Self::Data { data, .. } = self {
            payload.extend_from_slice(data);
        }
        payload.into()
    }

    /// The whole message, for a peer that takes `ut_metadata` under this id.
    pub fn message(&self, id: u8) -> Message {
        let payload = self.encode();
        Message::Extended { id, payload }
    }
}

fn piece(root: Node<'_, '_>) -> Result<u32, MetadataMessageError> {
    const LAST: u32 = MetadataMessage::piece_count(MetadataMessage::MAX_SIZE) - 1;
    number(root, "piece")
        .filter(|piece| *piece <= LAST)
        .ok_or(MetadataMessageError::Field("piece"))
}

fn number(root: Node<'_, '_>, key: &str) -> Option<u32> {
    root.get(key)?.as_int()?.try_into().ok()
}

fn data(data: Bytes) -> Result<Bytes, MetadataMessageError> {
    match data.len() {
        1..=MetadataMessage::PIECE_LENGTH => Ok(data),
        length => Err(MetadataMessageError::Length(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    fn message() -> impl Strategy<Value = MetadataMessage> {
        let piece = 0..MetadataMessage::piece_count(MetadataMessage::MAX_SIZE);
        let data = vec(any::<u8>(), 1..=MetadataMessage::PIECE_LENGTH);
        let size = option::of(1..=MetadataMessage::MAX_SIZE);
        prop_oneof![
            piece
                .clone()
                .prop_map(|piece| MetadataMessage::Request { piece }),
            piece
                .clone()
                .prop_map(|piece| MetadataMessage::Reject { piece }),
            (3..i64::MAX).prop_map(|kind| MetadataMessage::Unknown { kind }),
            (piece, size, data).prop_map(|(piece, total_size, data)| MetadataMessage::Data {
                piece,
                total_size,
                data: data.into(),
            }),
        ]
    }

    proptest! {
        #[test]
        fn messages_round_trip(message in message()) {
            prop_assert_eq!(MetadataMessage::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn garbage_gives_an_answer(bytes in vec(any::<u8>(), 0..200)) {
            let _ = MetadataMessage::decode(&bytes.into());
        }
    }

    fn decode(text: &'static str) -> Result<MetadataMessage, MetadataMessageError> {
        MetadataMessage::decode(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn the_examples_of_the_specification_are_read() {
        assert_eq!(
            decode("d8:msg_typei0e5:piecei0ee"),
            Ok(MetadataMessage::Request { piece: 0 })
        );
        assert_eq!(
            decode("d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx"),
            Ok(MetadataMessage::Data {
                piece: 0,
                total_size: Some(34_256),
                data: Bytes::from_static(b"xxxxxxxx"),
            })
        );
        assert_eq!(
            decode("d8:msg_typei2e5:piecei0ee"),
            Ok(MetadataMessage::Reject { piece: 0 })
        );
    }

    #[test]
    fn what_others_write_is_understood() {
        let odd_order = decode("d5:piecei7e8:msg_typei0e1:x2:yze");
        assert_eq!(odd_order, Ok(MetadataMessage::Request { piece: 7 }));
        let trailing = decode("d8:msg_typei2e5:piecei1eejunk");
        assert_eq!(trailing, Ok(MetadataMessage::Reject { piece: 1 }));
        let unknown = decode("d8:msg_typei9ee");
        assert_eq!(unknown, Ok(MetadataMessage::Unknown { kind: 9 }));
        for size in [
            "",
            "10:total_sizei0e",
            "10:total_sizei-1e",
            "10:total_size1:x",
        ] {
            let message = format!("d8:msg_typei1e5:piecei0e{size}ex");
            let read = MetadataMessage::decode(&message.into_bytes().into());
            assert!(
                matches!(
                    read,
                    Ok(MetadataMessage::Data {
                        total_size: None,
                        ..
                    })
                ),
                "{read:?}"
            );
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        use MetadataMessageError::{Bencode, Field, Length};
        assert!(matches!(decode(""), Err(Bencode(_))));
        assert_eq!(decode("i1e"), Err(Field("msg_type")));
        for piece in [
            "",
            "5:piecei-1e",
            "5:piecei1920e",
            "5:piecei4294967296e",
            "5:piece1:a",
        ] {
            let message = format!("d8:msg_typei0e{piece}e");
            let read = MetadataMessage::decode(&message.into_bytes().into());
            assert_eq!(read, Err(Field("piece")));
        }
        assert_eq!(decode("d8:msg_typei1e5:piecei0ee"), Err(Length(0)));
        let mut long = b"d8:msg_typei1e5:piecei0ee".to_vec();
        long.resize(long.len() + MetadataMessage::PIECE_LENGTH + 1, 0);
        let read = MetadataMessage::decode(&long.into());
        assert_eq!(read, Err(Length(MetadataMessage::PIECE_LENGTH + 1)));
    }

    #[test]
    fn a_dictionary_that_goes_on_and_on_is_not_read() {
        let long = format!("d1:a2000:{}8:msg_typei0e5:piecei0ee", "x".repeat(2000));
        assert!(MetadataMessage::decode(&long.into_bytes().into()).is_err());
    }

    #[test]
    fn sizes_divide_into_pieces() {
        assert_eq!(MetadataMessage::piece_count(16_384), 1);
        assert_eq!(MetadataMessage::piece_count(16_385), 2);
        assert_eq!(MetadataMessage::piece_size(16_385, 0), 16_384);
        assert_eq!(MetadataMessage::piece_size(16_385, 1), 1);
        assert_eq!(MetadataMessage::piece_size(16_385, 2), 0);
        assert_eq!(MetadataMessage::piece_size(1, u32::MAX), 0);
    }
}

//! Messages for tests.

use bytes::Bytes;
use headwater_metainfo::{BlockSpan, PieceIndex};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{HashRequest, Message};

/// Ids that mean nothing here.
pub(crate) const UNKNOWN_IDS: [u8; 6] = [10, 11, 12, 18, 24, 255];

/// Any message that the wire can carry, with payloads of up to a few hundred bytes.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        prop::sample::select(vec![
            Message::KeepAlive,
            Message::Choke,
            Message::Unchoke,
            Message::Interested,
            Message::NotInterested,
            Message::HaveAll,
            Message::HaveNone,
        ]),
        piece().prop_map(Message::Have),
        piece().prop_map(Message::Suggest),
        piece().prop_map(Message::AllowedFast),
        span().prop_map(Message::Request),
        span().prop_map(Message::Cancel),
        span().prop_map(Message::Reject),
        any::<u16>().prop_map(Message::Port),
        payload(0).prop_map(Message::Bitfield),
        block(),
        (any::<u8>(), payload(0)).prop_map(|(id, payload)| Message::Extended { id, payload }),
        hash_request().prop_map(Message::HashRequest),
        hash_request().prop_map(Message::HashReject),
        (hash_request(), 0usize..9).prop_map(|(request, count)| Message::Hashes {
            request,
            hashes: vec![0x5a; count * 32].into(),
        }),
        (prop::sample::select(&UNKNOWN_IDS[..]), payload(0))
            .prop_map(|(id, payload)| Message::Unknown { id, payload }),
    ]
}

/// A `piece` message.
pub(crate) fn block() -> impl Strategy<Value = Message> {
    (piece(), any::<u32>(), payload(1)).prop_map(|(piece, offset, data)| Message::Piece {
        piece,
        offset,
        data,
    })
}

fn piece() -> impl Strategy<Value = PieceIndex> {
    any::<u32>().prop_map(PieceIndex)
}

fn span() -> impl Strategy<Value = BlockSpan> {
    (piece(), any::<u32>(), any::<u32>()).prop_map(|(piece, offset, length)| BlockSpan {
        piece,
        offset,
        length,
    })
}

fn payload(least: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), least..300).prop_map(Bytes::from)
}

fn hash_request() -> impl Strategy<Value = HashRequest> {
    (any::<[u8; 32]>(), any::<[u32; 4]>()).prop_map(
        |(pieces_root, [base_layer, index, length, proof_layers])| HashRequest {
            pieces_root,
            base_layer,
            index,
            length,
            proof_layers,
        },
    )
}

/// One message of every kind.
pub(crate) fn one_of_each() -> Vec<Message> {
    let piece = PieceIndex(0x0102_0304);
    let span = BlockSpan {
        piece,
        offset: 0x4000,
        length: 0x4000,
    };
    let request = HashRequest {
        pieces_root: [9; 32],
        base_layer: 1,
        index: 512,
        length: 256,
        proof_layers: 3,
    };
    let data = Bytes::from_static(b"some bytes");
    vec![
        Message::KeepAlive,
        Message::Choke,
        Message::Unchoke,
        Message::Interested,
        Message::NotInterested,
        Message::Have(piece),
        Message::Bitfield(data.clone()),
        Message::Request(span),
        Message::Piece {
            piece,
            offset: 0x8000,
            data: data.clone(),
        },
        Message::Cancel(span),
        Message::Port(6881),
        Message::Suggest(piece),
        Message::HaveAll,
        Message::HaveNone,
        Message::Reject(span),
        Message::AllowedFast(piece),
        Message::Extended {
            id: 3,
            payload: data.clone(),
        },
        Message::HashRequest(request),
        Message::Hashes {
            request,
            hashes: vec![7; 64].into(),
        },
        Message::HashReject(request),
        Message::Unknown {
            id: 99,
            payload: data,
        },
    ]
}

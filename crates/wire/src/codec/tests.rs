use std::time::Duration;

use bytes::{BufMut, Bytes};
use futures_util::{SinkExt, StreamExt};
use headwater_metainfo::PieceIndex;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio_util::codec::{Framed, FramedRead};

use super::*;
use crate::testing::{UNKNOWN_IDS, message, one_of_each};

const MIB: usize = 1024 * 1024;

fn encoded<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        let before = bytes.len();
        message.encode(&mut bytes);
        assert_eq!(bytes.len() - before, message.encoded_length());
    }
    bytes
}

/// Everything that `chunks` decode to, one after the other in one buffer.
fn decoded<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<Message>, BytesMut), CodecError> {
    let (mut codec, mut src) = (MessageCodec::default(), BytesMut::new());
    let mut messages = Vec::new();
    for chunk in chunks {
        src.extend_from_slice(chunk);
        while let Some(message) = codec.decode(&mut src)? {
            messages.push(message);
        }
    }
    Ok((messages, src))
}

fn block(piece: u32, length: usize) -> Message {
    Message::Piece {
        piece: PieceIndex(piece),
        offset: 0,
        data: vec![piece as u8; length].into(),
    }
}

fn refusal(frame: &[u8]) -> Option<ProtocolError> {
    match decoded([frame]) {
        Err(CodecError::Protocol(error)) => Some(error),
        Err(CodecError::Io(error)) => panic!("{error}"),
        Ok(_) => None,
    }
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    let request = Message::Request(headwater_metainfo::BlockSpan {
        piece: PieceIndex(1),
        offset: 0x4000,
        length: 0x2000,
    });
    assert_eq!(
        encoded(&[request]),
        [0, 0, 0, 13, 6, 0, 0, 0, 1, 0, 0, 0x40, 0, 0, 0, 0x20, 0]
    );
    let data = Bytes::from_static(b"ab");
    let (piece, offset) = (PieceIndex(5), 9);
    let block = Message::Piece {
        piece,
        offset,
        data,
    };
    assert_eq!(
        encoded(&[block, Message::KeepAlive, Message::Port(0x1ae1)]),
        *b"\0\0\0\x0b\x07\0\0\0\x05\0\0\0\x09ab\0\0\0\0\0\0\0\x03\x09\x1a\xe1"
    );
    let extended = Message::Extended {
        id: 0,
        payload: Bytes::from_static(b"de"),
    };
    assert_eq!(
        encoded(&[extended, Message::HaveAll]),
        *b"\0\0\0\x04\x14\0de\0\0\0\x01\x0e"
    );
}

#[test]
fn a_stream_cut_at_every_place_is_the_same_stream() {
    let messages = one_of_each();
    let stream = encoded(&messages);
    for cut in 0..=stream.len() {
        let (head, tail) = stream.split_at(cut);
        let (got, rest) = decoded([head, tail]).unwrap();
        assert_eq!(got, messages, "cut at {cut}");
        assert!(rest.is_empty());
    }
    assert_eq!(decoded(stream.chunks(1)).unwrap().0, messages);
}

#[test]
fn every_length_that_a_kind_cant_have_is_refused_by_its_header() {
    for id in 0..=255u8 {
        for length in 1..=200usize {
            let allowed = match id {
                0..=3 | 14 | 15 => length == 1,
                4 | 13 | 17 => length == 5,
                6 | 8 | 16 => length == 13,
                7 => length > 9,
                9 => length == 3,
                20 => length >= 2,
                21 | 23 => length == 49,
                22 => length >= 49 && (length - 49) % 32 == 0,
                _ => true,
            };
            let header = [0, 0, 0, length as u8, id];
            let expected = (!allowed).then_some(ProtocolError::Length { id, length });
            assert_eq!(refusal(&header), expected, "id {id}, length {length}");
        }
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_comes() {
    let (length, limit) = (MIB + 1, MIB);
    let frame = (length as u32).to_be_bytes();
    assert_eq!(
        refusal(&frame),
        Some(ProtocolError::FrameTooLong { length, limit })
    );
    let (length, limit) = (128 * 1024 + 1, 128 * 1024);
    let mut frame = (length as u32 + 9).to_be_bytes().to_vec();
    frame.push(7);
    assert_eq!(
        refusal(&frame),
        Some(ProtocolError::BlockTooLong { length, limit })
    );

    let mut small = MessageCodec::default().max_frame(100).max_block(10);
    assert!(
        small
            .decode(&mut BytesMut::from(&[0, 0, 0, 101][..]))
            .is_err()
    );
    assert!(
        small
            .decode(&mut BytesMut::from(&[0, 0, 0, 20, 7][..]))
            .is_err()
    );
    assert!(
        small
            .decode(&mut BytesMut::from(&[0, 0, 0, 19, 7][..]))
            .is_ok()
    );
}

#[test]
fn the_longest_allowed_messages_pass() {
    let longest = [
        block(1, 128 * 1024),
        Message::Bitfield(vec![1; MIB - 1].into()),
        Message::Unknown {
            id: UNKNOWN_IDS[0],
            payload: vec![2; MIB - 1].into(),
        },
    ];
    let stream = encoded(&longest);
    assert!(decoded([&stream[..]]).unwrap().0 == longest);
    assert!(decoded(stream.chunks(10_000)).unwrap().0 == longest);
}

#[test]
fn an_announcement_earns_little_memory() {
    for announced in [&[0, 0x10, 0, 0, 5][..], &[0, 0x10, 0, 0]] {
        let (_, src) = decoded([announced]).unwrap();
        assert!(src.capacity() < 64 * 1024, "{}", src.capacity());
    }
    let mut large = encoded(&[Message::Bitfield(vec![1; MIB - 1].into())]);
    large.truncate(100_000);
    let (_, src) = decoded(large.chunks(1000)).unwrap();
    assert!(src.capacity() < 512 * 1024, "{}", src.capacity());
}

#[test]
fn payloads_are_not_copied() {
    let mut src = BytesMut::from(&encoded(&[block(1, 16_384), block(2, 16_384)])[..]);
    let memory = src.as_ptr_range();
    let mut codec = MessageCodec::default();
    for _ in 0..2 {
        let Some(Message::Piece { data, .. }) = codec.decode(&mut src).unwrap() else {
            panic!("no block");
        };
        assert!(memory.contains(&data.as_ptr()));
    }
}

#[test]
fn an_end_inside_a_message_is_an_error_and_between_two_is_none() {
    let mut codec = MessageCodec::default();
    let mut src = BytesMut::from(&encoded(&[Message::Choke])[..]);
    assert_eq!(codec.decode_eof(&mut src).unwrap(), Some(Message::Choke));
    assert_eq!(codec.decode_eof(&mut src).unwrap(), None);
    src.put_slice(&[0, 0]);
    assert!(matches!(codec.decode_eof(&mut src), Err(CodecError::Io(_))));
}

#[test]
fn a_stream_of_blocks_uses_buffers_again() {
    let buffers = ReadBuffers::new(4 * MIB);
    let mut codec = MessageCodec::default().read_buffers(buffers.clone());
    let stream = encoded(
        &(0..800)
            .map(|piece| block(piece, 16_384))
            .collect::<Vec<_>>(),
    );
    let mut src = BytesMut::with_capacity(8 * 1024);
    let mut rest = &stream[..];
    let (mut next, mut held) = (0, Vec::new());
    while !rest.is_empty() {
        let room = src.capacity() - src.len();
        assert!(room > 0, "decode makes room");
        let (now, later) = rest.split_at(room.min(rest.len()));
        src.extend_from_slice(now);
        rest = later;
        while let Some(message) = codec.decode(&mut src).unwrap() {
            assert!(message == block(next, 16_384));
            next += 1;
            held.push(message);
        }
        if held.len() >= 20 {
            held.clear();
        }
    }
    assert_eq!(next, 800);
    // Far fewer than the hundred buffers that went by.
    assert!((1..10).contains(&buffers.kept()), "{buffers:?}");
}

#[test]
fn a_trickle_never_takes_a_big_buffer() {
    let mut codec = MessageCodec::default();
    let stream = encoded(
        &(0..20)
            .map(|piece| block(piece, 16_384))
            .collect::<Vec<_>>(),
    );
    let mut src = BytesMut::with_capacity(1024);
    let mut count = 0;
    let mut rest = &stream[..];
    while !rest.is_empty() {
        let room = (src.capacity() - src.len()).min(1448).min(rest.len());
        src.extend_from_slice(&rest[..room]);
        rest = &rest[room..];
        while codec.decode(&mut src).unwrap().is_some() {
            count += 1;
        }
        assert!(src.capacity() < 40_000, "{}", src.capacity());
    }
    assert_eq!(count, 20);
}

#[tokio::test]
async fn two_ends_understand_each_other() {
    let (near, far) = tokio::io::duplex(37);
    let mut messages = one_of_each();
    messages.push(block(3, 16_384));
    let mut far = Framed::new(far, MessageCodec::default());
    let (mut near_out, mut near_in) = Framed::new(near, MessageCodec::default()).split();
    let talk = async {
        for message in &messages {
            let echo = async {
                let got = far.next().await.unwrap().unwrap();
                far.send(got).await.unwrap();
            };
            let send = near_out.send(message.clone());
            let (sent, (), got) = tokio::join!(send, echo, near_in.next());
            sent.unwrap();
            assert_eq!(got.unwrap().unwrap(), *message);
        }
    };
    let limit = Duration::from_mins(1);
    tokio::time::timeout(limit, talk).await.unwrap();
    drop((near_out, near_in));
    assert!(far.next().await.is_none());
}

#[tokio::test]
async fn a_broken_stream_ends_with_the_error() {
    let stream = [&encoded(&[Message::Choke])[..], &[0, 0, 0, 2, 0, 0]].concat();
    let mut read = FramedRead::new(&stream[..], MessageCodec::default());
    assert_eq!(read.next().await.unwrap().unwrap(), Message::Choke);
    let error = read.next().await.unwrap().unwrap_err();
    assert!(matches!(
        error,
        CodecError::Protocol(ProtocolError::Length { id: 0, length: 2 })
    ));
    assert!(read.next().await.is_none());
}

proptest! {
    #[test]
    fn messages_round_trip_in_any_chunks(messages in vec(message(), 1..12), size in 1usize..400) {
        let stream = encoded(&messages);
        let (got, rest) = decoded(stream.chunks(size)).unwrap();
        prop_assert_eq!(got, messages);
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn garbage_gives_an_answer(bytes in vec(any::<u8>(), 0..600), size in 1usize..100) {
        if let Ok((messages, rest)) = decoded(bytes.chunks(size)) {
            prop_assert_eq!([encoded(&messages), rest.to_vec()].concat(), bytes);
        }
    }

    /// Likely lengths and ids, so that bodies are reached.
    #[test]
    fn framed_garbage_gives_an_answer(frames in vec((0u8..26, vec(any::<u8>(), 0..60)), 1..10)) {
        let mut bytes = Vec::new();
        for (id, body) in frames {
            bytes.put_u32(1 + body.len() as u32);
            bytes.put_u8(id);
            bytes.put_slice(&body);
        }
        if let Ok((messages, rest)) = decoded([&bytes[..]]) {
            prop_assert!(rest.is_empty());
            prop_assert_eq!(encoded(&messages), bytes);
        }
    }
}

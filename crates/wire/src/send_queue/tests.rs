use std::time::Duration;

use bytes::BytesMut;
use headwater_metainfo::PieceIndex;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::Decoder;

use super::*;
use crate::MessageCodec;
use crate::testing::{block, message};

fn piece(index: u32, data: &Bytes) -> Message {
    Message::Piece {
        piece: PieceIndex(index),
        offset: 0,
        data: data.clone(),
    }
}

fn span(index: u32, length: u32) -> BlockSpan {
    BlockSpan {
        piece: PieceIndex(index),
        offset: 0,
        length,
    }
}

/// All slices that a vectored write of `slots` would be given.
fn slices(queue: &SendQueue, slots: usize) -> Vec<&[u8]> {
    let mut dst = vec![IoSlice::new(&[]); slots];
    let count = queue.chunks_vectored(&mut dst);
    // The slots borrow from the queue, not from `dst`.
    let parts = queue.segments.iter().flat_map(Segment::parts);
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).take(slots).collect();
    assert_eq!(count, parts.len());
    assert!(
        dst.iter()
            .zip(&parts)
            .all(|(slot, part)| slot.as_ptr() == part.as_ptr() && slot.len() == part.len())
    );
    parts
}

/// Writes everything in steps of `step`.
fn drain(queue: &mut SendQueue, step: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while queue.has_remaining() {
        let chunk = queue.chunk();
        let count = chunk.len().min(step);
        assert!(count > 0);
        out.extend_from_slice(&chunk[..count]);
        queue.advance(count);
    }
    out
}

fn decode(bytes: &[u8]) -> Vec<Message> {
    let (mut codec, mut src) = (MessageCodec::default(), BytesMut::from(bytes));
    let messages = std::iter::from_fn(|| codec.decode(&mut src).unwrap()).collect();
    assert!(src.is_empty());
    messages
}

#[test]
fn small_messages_share_a_slice_and_payloads_are_handed_on_as_they_are() {
    let data = Bytes::from(vec![1; 16_384]);
    let mut queue = SendQueue::new();
    for _ in 0..50 {
        queue.push(Message::Unchoke);
    }
    queue.push(piece(1, &data));
    queue.push(piece(2, &data));
    let parts = slices(&queue, 64);
    assert_eq!(
        parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
        [250, 13, 16_384, 13, 16_384]
    );
    assert_eq!(parts[2].as_ptr(), data.as_ptr());
    assert_eq!(parts[4].as_ptr(), data.as_ptr());
    assert_eq!(slices(&queue, 2).len(), 2);
}

#[test]
fn a_block_is_reported_when_its_last_byte_is_gone() {
    let data = Bytes::from(vec![1; 100]);
    let mut queue = SendQueue::new();
    queue.push(piece(1, &data));
    queue.push(piece(2, &data));
    assert_eq!(queue.block_bytes(), 200);
    queue.advance(112);
    assert_eq!(queue.pop_sent(), None);
    queue.advance(1);
    assert_eq!(queue.pop_sent(), Some(span(1, 100)));
    assert_eq!((queue.pop_sent(), queue.block_bytes()), (None, 100));
    queue.advance(113);
    assert_eq!(queue.pop_sent(), Some(span(2, 100)));
    assert!(queue.is_empty() && queue.block_bytes() == 0);
}

#[test]
fn only_blocks_that_have_not_begun_are_dropped() {
    let data = Bytes::from(vec![1; 100]);
    let mut queue = SendQueue::new();
    for index in 1..=4 {
        queue.push(piece(index, &data));
    }
    queue.advance(1);
    assert!(!queue.cancel(span(1, 100)), "it is on its way");
    assert!(!queue.cancel(span(2, 99)), "no such block");
    assert!(queue.cancel(span(3, 100)) && !queue.cancel(span(3, 100)));
    assert_eq!(
        queue.retain_blocks(|span| span.piece.0 == 4),
        [span(2, 100)]
    );
    assert_eq!(queue.remaining(), 2 * 113 - 1);
    let rest = drain(&mut queue, 7);
    assert_eq!(rest.len(), 2 * 113 - 1);
    assert_eq!(queue.pop_sent(), Some(span(1, 100)));
    assert_eq!(queue.pop_sent(), Some(span(4, 100)));
    assert_eq!(queue.pop_sent(), None);
}

#[test]
fn requests_pass_waiting_blocks_and_chokes_do_not() {
    let data = Bytes::from(vec![1; 100]);
    let mut queue = SendQueue::new();
    queue.push(piece(1, &data));
    queue.push(piece(2, &data));
    queue.push(Message::Choke);
    let mut sent = vec![queue.chunk()[0]];
    queue.advance(1);
    queue.push(Message::Interested);
    queue.push(Message::Request(span(7, 16_384)));
    queue.push(Message::Cancel(span(7, 16_384)));
    sent.extend(drain(&mut queue, 1000));
    assert_eq!(
        decode(&sent),
        [
            piece(1, &data),
            Message::Interested,
            Message::Request(span(7, 16_384)),
            Message::Cancel(span(7, 16_384)),
            piece(2, &data),
            Message::Choke,
        ]
    );
}

#[test]
fn a_queue_that_is_never_empty_does_not_grow() {
    let mut queue = SendQueue::new();
    queue.push(Message::Unchoke);
    for _ in 0..10_000 {
        queue.push(Message::Have(PieceIndex(1)));
        queue.advance(9);
    }
    let Some(Segment::Messages { bytes, .. }) = queue.segments.front() else {
        panic!("messages wait");
    };
    assert!(bytes.capacity() < 4 * SendQueue::KEPT_CAPACITY);
}

#[tokio::test]
async fn a_socket_takes_it_all() {
    let data = Bytes::from((0..16_384u32).map(|i| i as u8).collect::<Vec<_>>());
    let messages: Vec<_> = (0..200)
        .flat_map(|i| [Message::AllowedFast(PieceIndex(i)), piece(i, &data)])
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (mut far, _) = listener.accept().await.unwrap();

    let write = async {
        let mut queue = SendQueue::new();
        messages
            .iter()
            .cloned()
            .for_each(|message| queue.push(message));
        while queue.has_remaining() {
            near.write_buf(&mut queue).await.unwrap();
        }
        near.shutdown().await.unwrap();
        std::iter::from_fn(|| queue.pop_sent()).count()
    };
    let mut got = Vec::new();
    let talk = async { tokio::join!(write, far.read_to_end(&mut got)) };
    let (sent, read) = tokio::time::timeout(Duration::from_mins(1), talk)
        .await
        .unwrap();
    read.unwrap();
    assert_eq!(sent, 200);
    assert!(decode(&got) == messages);
}

#[derive(Debug, Clone)]
enum Step {
    Push(Message),
    Advance(usize),
    Cancel(usize),
    Retain(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![message(), block()].prop_map(Step::Push),
        2 => (0usize..400).prop_map(Step::Advance),
        1 => (0usize..10).prop_map(Step::Cancel),
        1 => any::<u32>().prop_map(Step::Retain),
    ]
}

/// What a queue did, told by its caller.
#[derive(Default)]
struct Record {
    pushed: Vec<Message>,
    dropped: Vec<BlockSpan>,
    sent: Vec<BlockSpan>,
    wire: Vec<u8>,
}

fn run(queue: &mut SendQueue, record: &mut Record, step: Step) {
    match step {
        Step::Push(message) => {
            record.pushed.push(message.clone());
            queue.push(message);
        }
        Step::Advance(count) => {
            let count = count.min(queue.remaining());
            let bytes = slices(queue, 1000).concat();
            assert_eq!(bytes.len(), queue.remaining());
            record.wire.extend_from_slice(&bytes[..count]);
            queue.advance(count);
            record.sent.extend(std::iter::from_fn(|| queue.pop_sent()));
        }
        Step::Cancel(nth) => {
            let spans: Vec<_> = record.pushed.iter().filter_map(block_span).collect();
            if let Some(&span) = spans.get(nth)
                && queue.cancel(span)
            {
                record.dropped.push(span);
            }
        }
        Step::Retain(mask) => {
            let dropped = queue.retain_blocks(|span| span.piece.0 & mask == 0);
            assert!(dropped.iter().all(|span| span.piece.0 & mask != 0));
            record.dropped.extend(dropped);
        }
    }
}

fn block_span(message: &Message) -> Option<BlockSpan> {
    message
        .block()
        .filter(|_| matches!(message, Message::Piece { .. }))
}

proptest! {
    #[test]
    fn whatever_was_pushed_and_not_dropped_is_sent_once(steps in vec(step(), 1..60)) {
        let (mut queue, mut record) = (SendQueue::new(), Record::default());
        for step in steps {
            run(&mut queue, &mut record, step);
        }
        run(&mut queue, &mut record, Step::Advance(usize::MAX));
        prop_assert!(queue.is_empty() && queue.remaining() == 0 && queue.block_bytes() == 0);

        for span in &record.dropped {
            let position = record.pushed.iter().position(|message| block_span(message) == Some(*span));
            record.pushed.remove(position.unwrap());
        }
        let got = decode(&record.wire);
        let blocks: Vec<_> = got.iter().filter_map(block_span).collect();
        prop_assert_eq!(blocks, record.sent);
        for ahead in [true, false] {
            let lane = |messages: &[Message]| -> Vec<Message> {
                messages.iter().filter(|message| overtakes_blocks(message) == ahead).cloned().collect()
            };
            prop_assert_eq!(lane(&got), lane(&record.pushed));
        }
    }
}

#[test]
fn it_is_known_where_a_block_ends() {
    let data = Bytes::from(vec![1; 100]);
    let mut queue = SendQueue::new();
    assert_eq!(
        (queue.ahead_of_blocks(), queue.up_to_end_of_block(9)),
        (0, 0)
    );
    queue.push(Message::Unchoke);
    queue.push(piece(1, &data));
    queue.push(piece(2, &data));
    queue.push(Message::Have(PieceIndex(7)));
    assert_eq!(queue.ahead_of_blocks(), 5 + 9);
    let ends = [0, 3, 14, 15, 127, 128, 240, 241].map(|bytes| queue.up_to_end_of_block(bytes));
    assert_eq!(ends, [0, 3, 14, 127, 127, 240, 240, 240]);
    queue.advance(20);
    assert_eq!(
        (queue.ahead_of_blocks(), queue.up_to_end_of_block(1)),
        (0, 107)
    );
    queue.push(Message::Have(PieceIndex(8)));
    queue.advance(107);
    assert_eq!(queue.ahead_of_blocks(), 9);
}

//! What decoding a stream of blocks, and queueing one, costs: `cargo bench -p headwater-wire`.

use std::hint::black_box;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use headwater_metainfo::{BLOCK_LENGTH, BlockSpan, PieceIndex};
use headwater_wire::{Message, MessageCodec, SendQueue};
use tokio_util::codec::Decoder;

/// Blocks in a measured stream: 16 MiB.
const BLOCKS: u32 = 1024;

fn blocks() -> impl Iterator<Item = Message> {
    let data = Bytes::from(vec![0x5a; BLOCK_LENGTH as usize]);
    (0..BLOCKS).map(move |index| Message::Piece {
        piece: PieceIndex(index / 64),
        offset: index % 64 * BLOCK_LENGTH,
        data: data.clone(),
    })
}

fn requests() -> impl Iterator<Item = Message> {
    (0..BLOCKS).map(|index| {
        Message::Request(BlockSpan {
            piece: PieceIndex(index / 64),
            offset: index % 64 * BLOCK_LENGTH,
            length: BLOCK_LENGTH,
        })
    })
}

fn stream(messages: impl Iterator<Item = Message>) -> BytesMut {
    let mut stream = BytesMut::new();
    messages.for_each(|message| message.encode(&mut stream));
    stream
}

/// Decoding alone: the stream lies in memory, nothing is copied.
fn decode(criterion: &mut Criterion, name: &str, stream: &BytesMut) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function(name, |bencher| {
        let decode_all = |mut src: BytesMut| {
            let mut codec = MessageCodec::default();
            while let Some(message) = codec.decode(&mut src).expect("a good stream") {
                black_box(message);
            }
        };
        bencher.iter_batched(|| stream.clone(), decode_all, BatchSize::LargeInput);
    });
    group.finish();
}

/// Queueing, and handing slices to vectored writes of up to 64.
fn send(criterion: &mut Criterion) {
    let messages: Vec<_> = blocks()
        .zip(requests())
        .flat_map(|(block, request)| [block, request])
        .collect();
    let mut group = criterion.benchmark_group("send queue");
    group.throughput(Throughput::Bytes(u64::from(BLOCKS * BLOCK_LENGTH)));
    group.bench_function("blocks and requests", |bencher| {
        let send_all = |messages: Vec<Message>| {
            let mut queue = SendQueue::new();
            for message in messages {
                queue.push(message);
            }
            while queue.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 64];
                let count = queue.chunks_vectored(&mut slices);
                let bytes = black_box(&slices[..count])
                    .iter()
                    .map(|slice| slice.len())
                    .sum();
                queue.advance(bytes);
                while queue.pop_sent().is_some() {}
            }
        };
        bencher.iter_batched(|| messages.clone(), send_all, BatchSize::LargeInput);
    });
    group.finish();
}

fn codec(criterion: &mut Criterion) {
    decode(criterion, "blocks", &stream(blocks()));
    decode(criterion, "requests", &stream(requests()));
    send(criterion);
}

criterion_group!(benches, codec);
criterion_main!(benches);

//! Bytes a second of each engine, in cache and from memory, beside the `sha1` and `sha2` crates.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headwater_hash::Engine;

/// A piece as it is received: blocks of 16 KiB.
const BLOCK: usize = 16 * 1024;

fn lanes(criterion: &mut Criterion) {
    // 256 KiB stay in the second-level cache; 256 MiB are well past the last-level one.
    for (place, piece, pieces) in [("cache", BLOCK, 16), ("memory", 1 << 20, 256)] {
        let data: Vec<u8> = (0..piece * pieces)
            .map(|i| (i * 7 + (i >> 9)) as u8)
            .collect();
        let blocks: Vec<Vec<&[u8]>> = data
            .chunks(piece)
            .map(|piece| piece.chunks(BLOCK).collect())
            .collect();
        let messages: Vec<&[&[u8]]> = blocks.iter().map(Vec::as_slice).collect();
        for engine in Engine::available() {
            let mut group = criterion.benchmark_group(format!("sha1/{place}"));
            group
                .throughput(Throughput::Bytes(data.len() as u64))
                .sample_size(20);
            group.bench_function(BenchmarkId::from_parameter(engine.name()), |bencher| {
                bencher.iter(|| engine.sha1_many(black_box(&messages)));
            });
            group.finish();
            let mut group = criterion.benchmark_group(format!("sha256/{place}"));
            group
                .throughput(Throughput::Bytes(data.len() as u64))
                .sample_size(20);
            group.bench_function(BenchmarkId::from_parameter(engine.name()), |bencher| {
                bencher.iter(|| engine.sha256_many(black_box(&messages)));
            });
            group.finish();
        }
    }
}

criterion_group!(benches, lanes);
criterion_main!(benches);

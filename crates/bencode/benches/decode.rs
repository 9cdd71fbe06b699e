//! How fast a large torrent's dictionary is decoded, walked and encoded: `cargo bench -p headwater-bencode`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headwater_bencode::{Encoder, Node, Value, decode};

const FILES: i64 = 100_000;

/// 100,000 files in a thousand folders, and the hashes of as many pieces.
fn torrent() -> Vec<u8> {
    Encoder::dict_to_vec(|torrent| {
        torrent
            .key("announce")
            .bytes("https://tracker.example/announce");
        torrent.key("info").dict(|info| {
            info.key("files").list(|files| {
                for index in 0..FILES {
                    files.item().dict(|file| {
                        file.key("length").int(index * 7_919);
                        file.key("path").list(|path| {
                            path.item().bytes(format!("folder {:03}", index % 1_000));
                            path.item().bytes(format!("file number {index:06}.dat"));
                        });
                    });
                }
            });
            info.key("name").bytes("many files");
            info.key("piece length").int(262_144);
            info.key("pieces").bytes(vec![0xa5; 20 * 10_000]);
        });
    })
}

/// The sum of all lengths, as a loader would come by them.
fn total_length(root: Node<'_, '_>) -> i64 {
    let files = root.get("info").and_then(|info| info.get("files"));
    let files = files
        .and_then(|files| files.as_list())
        .into_iter()
        .flatten();
    files.filter_map(|file| file.get("length")?.as_int()).sum()
}

fn hundred_thousand_files(criterion: &mut Criterion) {
    let bytes = torrent();
    let document = decode(&bytes).expect("the encoder is canonical");
    let value = Value::from(document.root());
    let mut group = criterion.benchmark_group("100,000 files");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.sample_size(20);
    group.bench_function("decode", |bencher| {
        bencher.iter(|| decode(black_box(&bytes)));
    });
    group.bench_function("walk", |bencher| {
        bencher.iter(|| total_length(black_box(document.root())));
    });
    group.bench_function("encode", |bencher| {
        bencher.iter(|| black_box(&value).encode());
    });
    group.finish();
}

criterion_group!(benches, hundred_thousand_files);
criterion_main!(benches);

//! Torrents written and read back through every back end.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use headwater_metainfo::{Bitfield, PieceIndex};
use headwater_store::testing::Sample;
use headwater_store::{
    Allocation, Contents, FileOptions, FileStorage, MemoryStorage, Options, PieceCheck, PieceStore,
    Storage, StoreError,
};
use parking_lot::Mutex;

fn sample() -> Arc<Sample> {
    let files = [
        ("t/a", 100_000),
        ("t/empty", 0),
        ("t/b/c", 40_000),
        ("t/b/d", 1),
        ("t/e", 300_000),
    ];
    Arc::new(Sample::new(files, 65_536))
}

fn variants() -> Vec<FileOptions> {
    let base = FileOptions::default;
    vec![
        base(),
        FileOptions {
            allocation: Allocation::Sparse,
            ..base()
        },
        FileOptions {
            portable: true,
            ..base()
        },
        FileOptions {
            follow_links: true,
            ..base()
        },
    ]
}

fn download(store: &PieceStore, sample: &Sample) {
    let pieces: Vec<_> = sample.geometry().pieces().collect();
    for &piece in &pieces {
        for block in sample.geometry().blocks(piece) {
            store.add_block(block, sample.block(block)).unwrap();
        }
    }
    for (_, result) in store.complete(&pieces) {
        assert_eq!(result.unwrap(), PieceCheck::Passed);
    }
}

fn assert_readable(store: &PieceStore, sample: &Sample) {
    assert!(store.verified().is_full());
    for piece in sample.geometry().pieces() {
        for block in sample.geometry().blocks(piece) {
            assert_eq!(store.read_block(block).unwrap(), sample.block(block));
        }
    }
    let mut all = vec![0; sample.data().len()];
    store.read(0, &mut all).unwrap();
    assert!(all == sample.data()[..]);
}

fn assert_files(dir: &Path, sample: &Sample) {
    for entry in sample.layout().files() {
        let range = entry.range();
        let expected = sample
            .data()
            .slice(range.start as usize..range.end as usize);
        assert!(
            fs::read(entry.path().under(dir)).unwrap() == expected,
            "{entry:?}"
        );
    }
}

#[test]
fn every_file_back_end_ends_byte_identical() {
    for options in variants() {
        let sample = sample();
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("made/on/demand");
        let storage = FileStorage::new(sample.clone(), &base, options.clone()).unwrap();
        storage.prepare().unwrap();
        let store = PieceStore::new(sample.clone(), Arc::new(storage), Options::default());
        download(&store, &sample);
        assert_readable(&store, &sample);
        assert_files(&base, &sample);

        let storage = FileStorage::new(
            sample.clone(),
            &base,
            FileOptions {
                read_only: true,
                ..options
            },
        );
        let store = PieceStore::new(
            sample.clone(),
            Arc::new(storage.unwrap()),
            Options::default(),
        );
        let pieces: Vec<_> = sample.geometry().pieces().collect();
        let passed = Mutex::new(Bitfield::new(pieces.len() as u32));
        let report = |piece, result: Result<_, StoreError>| {
            assert_eq!(result.unwrap(), PieceCheck::Passed);
            passed.lock().set(piece);
        };
        assert!(store.check_many(&pieces, 3, &report, &AtomicBool::new(false)));
        assert!(passed.into_inner().is_full());
        assert_readable(&store, &sample);
    }
}

#[test]
fn the_memory_back_end_agrees() {
    let sample = sample();
    let storage = Arc::new(MemoryStorage::new(sample.layout()));
    let store = PieceStore::new(sample.clone(), storage, Options::default());
    download(&store, &sample);
    assert_readable(&store, &sample);
    assert_eq!(store.buffered_bytes(), 0);
}

#[test]
fn a_cancelled_check_stops() {
    let sample = sample();
    let storage = Arc::new(MemoryStorage::new(sample.layout()));
    let store = PieceStore::new(sample.clone(), storage, Options::default());
    let pieces: Vec<_> = sample.geometry().pieces().collect();
    let report = |piece: PieceIndex, _| panic!("{piece} was checked");
    assert!(!store.check_many(&pieces, 2, &report, &AtomicBool::new(true)));
}

//! Faults of disks and of those who use them: errors, never a signal or a lie.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::{ErrorKind, IoSlice, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use headwater_metainfo::{Attributes, FileIndex, FileLayout, InfoHash, LayoutBuilder};
use headwater_metainfo::{PieceGeometry, PieceIndex};
use headwater_store::testing::{Fault, FaultStorage, OperationKind, Sample};
use headwater_store::{
    Allocation, Contents, FileOptions, FileStorage, MemoryStorage, Operation, Options, PieceCheck,
    PieceStore, Pool, PoolOptions, Storage, StorageErrorKind, StoreError,
};

const MIB: u64 = 1024 * 1024;

fn open(sample: &Arc<Sample>, dir: &Path) -> FileStorage {
    FileStorage::new(sample.clone(), dir, FileOptions::default()).unwrap()
}

fn write_files(sample: &Sample, dir: &Path) {
    for entry in sample.layout().files() {
        let path = entry.path().under(dir);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let range = entry.range();
        fs::write(
            path,
            &sample.data()[range.start as usize..range.end as usize],
        )
        .unwrap();
    }
}

/// What arrives at the other end of a socket.
fn send(data: &Bytes) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let (mut here, mut there) = UnixStream::pair()?;
    let receiver = std::thread::spawn(move || {
        let mut received = Vec::new();
        there.read_to_end(&mut received).map(|_| received)
    });
    let sent = here.write_all(data);
    drop(here);
    let received = receiver.join().unwrap()?;
    sent.map(|()| received)
}

#[test]
fn a_file_cut_while_it_is_served_from_a_map_fails_the_system_call() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Arc::new(Sample::new([("a", 4 * MIB)], MIB));
    write_files(&sample, dir.path());
    let options = FileOptions {
        pool: Pool::new(PoolOptions {
            max_mapped_bytes: 64 * MIB,
            ..PoolOptions::default()
        }),
        ..FileOptions::default()
    };
    let storage = FileStorage::new(sample.clone(), dir.path(), options).unwrap();
    let store = PieceStore::new(sample.clone(), Arc::new(storage), Options::default());
    for piece in sample.geometry().pieces() {
        assert_eq!(store.check(piece).unwrap(), PieceCheck::Passed);
    }
    let block = |piece| sample.geometry().block(PieceIndex(piece), 3).unwrap();
    let early = store.read_block(block(0)).unwrap();
    let late = store.read_block(block(3)).unwrap();
    assert_eq!(send(&late).unwrap(), sample.block(block(3)));

    let file = File::options()
        .write(true)
        .open(dir.path().join("a"))
        .unwrap();
    file.set_len(2 * MIB).unwrap();
    assert_eq!(send(&early).unwrap(), sample.block(block(0)));
    // EFAULT has no name in the standard library.
    assert_eq!(send(&late).unwrap_err().raw_os_error(), Some(14));
    let error = store.read_block(block(3)).unwrap_err();
    assert_eq!(error.storage().unwrap().kind(), StorageErrorKind::Truncated);
    assert!(
        !store.verified().has(PieceIndex(3)),
        "it is not offered again"
    );
    assert!(store.read_block(block(1)).is_ok());
    assert_eq!(store.check(PieceIndex(2)).unwrap(), PieceCheck::Failed);
}

#[test]
fn blocks_across_windows_and_at_the_end_come_from_maps() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Arc::new(Sample::new([("x", 5_000), ("a", 5 * MIB + 777)], MIB));
    write_files(&sample, dir.path());
    let pool = Pool::new(PoolOptions {
        max_mapped_bytes: 3 * MIB,
        ..PoolOptions::default()
    });
    let options = FileOptions {
        pool: pool.clone(),
        ..FileOptions::default()
    };
    let storage = FileStorage::new(sample.clone(), dir.path(), options).unwrap();
    let total = sample.data().len();
    for (start, length) in [
        (0, 100),
        (4_000, 2_000),
        (5_000 + 2 * 1024 * 1024 - 10, 20),
        (total - 777, 777),
        (total - 40_000, 40_000),
    ] {
        let bytes = storage.read_shared(start as u64, length).unwrap();
        assert_eq!(bytes, sample.data()[start..start + length]);
        assert!(pool.mapped_bytes() <= 3 * MIB);
    }
    assert!(pool.mapped_bytes() > 0);
    assert!(storage.read_shared(total as u64 - 1, 2).is_err());
    storage.release().unwrap();
    assert_eq!((pool.mapped_bytes(), pool.open_files()), (0, 0));
}

#[test]
fn what_the_page_cache_holds_comes_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Arc::new(Sample::new([("a", MIB)], MIB));
    write_files(&sample, dir.path());
    let storage = open(&sample, dir.path());
    assert!(
        storage.read_cached(0, 100).is_none(),
        "the file is not open"
    );
    storage.read_at(0, &mut [0; 1]).unwrap();
    // Some file systems cannot tell; whatever comes is right.
    if let Some(bytes) = storage.read_cached(1_000, 16_384) {
        assert_eq!(bytes, sample.data()[1_000..17_384]);
    }
    assert!(storage.read_cached(MIB, 1).is_none());
}

#[test]
fn a_file_deleted_while_it_is_written_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Arc::new(Sample::new([("a", 100_000)], 16_384));
    let storage = open(&sample, dir.path());
    storage.write_at(0, &[IoSlice::new(b"one")]).unwrap();
    fs::remove_file(dir.path().join("a")).unwrap();
    let error = storage.write_at(3, &[IoSlice::new(b"two")]).unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (StorageErrorKind::Missing, Operation::Write)
    );
    assert!(
        error.path().ends_with("a") && error.to_string().contains("deleted"),
        "{error}"
    );
    // What was in it is lost: it is not made anew behind anybody's back.
    let error = storage.write_at(3, &[IoSlice::new(b"two")]).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Missing);
    assert!(!dir.path().join("a").exists());
    storage.release().unwrap();
    storage.write_at(3, &[IoSlice::new(b"two")]).unwrap();
    assert!(dir.path().join("a").exists());
}

#[test]
fn what_stands_in_the_way_is_named() {
    let sample = Arc::new(Sample::new(
        [
            ("t/folder", 40_000),
            ("t/pipe", 40_000),
            ("t/file/x", 40_000),
        ],
        16_384,
    ));
    for portable in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("t/folder")).unwrap();
        fs::write(dir.path().join("t/file"), "in the way").unwrap();
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("t/pipe"),
            pipe,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        let options = FileOptions {
            portable,
            ..FileOptions::default()
        };
        let storage = FileStorage::new(sample.clone(), dir.path(), options).unwrap();
        for (offset, name) in [(0, "t/folder"), (40_000, "t/pipe"), (80_000, "t/file/x")] {
            let writing = storage
                .write_at(offset, &[IoSlice::new(b"data")])
                .unwrap_err();
            let reading = storage.read_at(offset, &mut [0; 4]).unwrap_err();
            for error in [writing, reading] {
                assert_eq!(error.kind(), StorageErrorKind::WrongType, "{error}");
                assert!(error.path().ends_with(name), "{error}");
            }
        }
        assert!(portable || storage.prepare().is_err());
        assert_eq!(fs::read(dir.path().join("t/file")).unwrap(), b"in the way");
    }
}

/// One file of 2^50 bytes.
#[derive(Debug)]
struct Huge(FileLayout);

impl Contents for Huge {
    fn layout(&self) -> &FileLayout {
        &self.0
    }

    fn geometry(&self) -> PieceGeometry {
        PieceGeometry::new(self.0.total_size(), 512 * MIB).unwrap()
    }

    fn piece_hash(&self, _piece: PieceIndex) -> Option<[u8; 20]> {
        None
    }

    fn info_hash(&self) -> InfoHash {
        InfoHash([1; 20])
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_too_small_is_noticed_before_data_comes() {
    let dir = tempfile::tempdir().unwrap();
    let huge = Arc::new(Huge(FileLayout::new([("huge", 1 << 50)]).unwrap()));
    let storage = FileStorage::new(huge.clone(), dir.path(), FileOptions::default()).unwrap();
    let error = storage.prepare().unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (StorageErrorKind::DiskFull, Operation::Reserve)
    );
    assert!(error.kind().is_full_or_forbidden());
    let sparse = FileOptions {
        allocation: Allocation::Sparse,
        ..FileOptions::default()
    };
    let storage = FileStorage::new(huge.clone(), dir.path(), sparse).unwrap();
    storage.prepare().unwrap();
    storage
        .write_at(1 << 40, &[IoSlice::new(b"far out")])
        .unwrap();
    let store = PieceStore::new(huge, Arc::new(storage), Options::default());
    assert!(matches!(
        store.check(PieceIndex(0)),
        Err(StoreError::NoHash(_))
    ));
}

#[test]
fn a_read_error_is_an_error_and_no_failed_check() {
    let sample = Arc::new(Sample::new([("a", 100_000)], 16_384));
    let memory = Arc::new(MemoryStorage::new(sample.layout()));
    memory.write_at(0, &[IoSlice::new(sample.data())]).unwrap();
    let faulty = Arc::new(FaultStorage::new(memory));
    let store = PieceStore::new(sample.clone(), faulty.clone(), Options::default());
    faulty.inject(Fault::next(OperationKind::Read, ErrorKind::Other));
    let error = store.check(PieceIndex(1)).unwrap_err();
    assert_eq!(error.storage().unwrap().kind(), StorageErrorKind::Io);
    assert_eq!(store.check(PieceIndex(1)).unwrap(), PieceCheck::Passed);
}

#[test]
fn over_the_budget_blocks_are_written_early_and_verified_by_reading() {
    let sample = Arc::new(Sample::new([("a", 300_000), ("b", 300_000)], 131_072));
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        write_back_bytes: 50_000,
    };
    let store = PieceStore::new(sample.clone(), Arc::new(open(&sample, dir.path())), options);
    let geometry = sample.geometry();
    // Blocks of all pieces come in turn, and one of the third piece is bad.
    for index in 0..geometry.block_count(PieceIndex(0)) {
        for block in geometry
            .pieces()
            .filter_map(|piece| geometry.block(piece, index))
        {
            let is_bad = block.piece.0 == 2 && index == 1;
            let data = if is_bad {
                Bytes::from(vec![1; 16_384])
            } else {
                sample.block(block)
            };
            store.add_block(block, data).unwrap();
            assert!(store.buffered_bytes() <= 50_000);
        }
    }
    let pieces: Vec<_> = geometry.pieces().collect();
    for (piece, result) in store.complete(&pieces) {
        let expected = if piece.0 == 2 {
            PieceCheck::Failed
        } else {
            PieceCheck::Passed
        };
        assert_eq!(result.unwrap(), expected);
    }
    assert_eq!(store.buffered_bytes(), 0);
    assert_eq!(store.verified().count(), geometry.piece_count() - 1);
    assert_eq!(store.check(PieceIndex(2)).unwrap(), PieceCheck::Failed);
    assert_eq!(store.check(PieceIndex(3)).unwrap(), PieceCheck::Passed);
}

#[test]
fn bad_data_within_the_budget_never_reaches_the_file() {
    let sample = Arc::new(Sample::new([("a", 40_000)], 32_768));
    let dir = tempfile::tempdir().unwrap();
    let store = PieceStore::new(
        sample.clone(),
        Arc::new(open(&sample, dir.path())),
        Options::default(),
    );
    let piece = PieceIndex(0);
    for block in sample.geometry().blocks(piece) {
        store
            .add_block(block, Bytes::from(vec![1; 16_384]))
            .unwrap();
    }
    assert_eq!(
        store.complete(&[piece]).remove(0).1.unwrap(),
        PieceCheck::Failed
    );
    assert!(!dir.path().join("a").exists());
    let incomplete = store.complete(&[piece]).remove(0).1;
    assert!(matches!(incomplete, Err(StoreError::Incomplete(_))));
}

#[test]
fn blocks_that_are_none_are_refused() {
    let sample = Arc::new(Sample::new([("a", 40_000)], 32_768));
    let store = PieceStore::new(
        sample.clone(),
        Arc::new(MemoryStorage::new(sample.layout())),
        Options::default(),
    );
    let good = sample.geometry().block(PieceIndex(1), 0).unwrap();
    let data = sample.block(good);
    for (piece, offset, cut) in [
        (2, 0, 0),
        (1, 1, 0),
        (1, 16_384, 0),
        (1, 0, 1),
        (u32::MAX, u32::MAX, 0),
    ] {
        let span = headwater_metainfo::BlockSpan {
            piece: PieceIndex(piece),
            offset,
            ..good
        };
        let result = store.add_block(span, data.slice(cut..));
        assert!(matches!(result, Err(StoreError::NotABlock { .. })));
        assert!(store.read_block(span).is_err());
    }
    assert!(matches!(
        store.check(PieceIndex(2)),
        Err(StoreError::OutOfRange(_))
    ));
    assert!(matches!(
        store.complete(&[PieceIndex(2)])[0].1,
        Err(StoreError::OutOfRange(_))
    ));
    assert!(store.read(u64::MAX, &mut [0; 2]).is_err());
}

#[test]
fn more_slices_than_a_call_takes_are_written() {
    let sample = Arc::new(Sample::new([("a", 100_000)], 16_384));
    for portable in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let options = FileOptions {
            portable,
            ..FileOptions::default()
        };
        let storage = FileStorage::new(sample.clone(), dir.path(), options).unwrap();
        let slices: Vec<_> = sample.data().chunks(33).map(IoSlice::new).collect();
        storage.write_at(0, &slices).unwrap();
        assert!(fs::read(dir.path().join("a")).unwrap() == sample.data()[..]);
    }
}

#[test]
fn open_files_are_bounded() {
    let files: Vec<_> = (0..300)
        .map(|index| (format!("t/{index}"), 1_000))
        .collect();
    let sample = Arc::new(Sample::new(files, 16_384));
    let dir = tempfile::tempdir().unwrap();
    let pool = Pool::new(PoolOptions {
        max_open_files: 5,
        ..PoolOptions::default()
    });
    let options = FileOptions {
        pool: pool.clone(),
        ..FileOptions::default()
    };
    let storage = FileStorage::new(sample.clone(), dir.path(), options).unwrap();
    storage.prepare().unwrap();
    storage.write_at(0, &[IoSlice::new(sample.data())]).unwrap();
    assert_eq!(pool.open_files(), 5);
    storage.sync().unwrap();
    let mut all = vec![0; sample.data().len()];
    storage.read_at(0, &mut all).unwrap();
    assert!(all == sample.data()[..]);
    assert_eq!(pool.open_files(), 5);
    drop(storage);
    assert_eq!(pool.open_files(), 0);
}

#[test]
fn nothing_is_written_for_seeding() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Arc::new(Sample::new([("t/a", 40_000), ("t/empty", 0)], 16_384));
    let options = FileOptions {
        read_only: true,
        wanted: vec![true, false],
        ..FileOptions::default()
    };
    let storage = FileStorage::new(sample.clone(), dir.path().join("none"), options).unwrap();
    storage.prepare().unwrap();
    storage.set_wanted(&[false, true]).unwrap();
    storage.sync().unwrap();
    for error in [
        storage.write_at(0, &[IoSlice::new(b"x")]),
        storage.finish_file(FileIndex(0)),
    ] {
        assert_eq!(error.unwrap_err().kind(), StorageErrorKind::ReadOnly);
    }
    assert!(!dir.path().join("none").exists());
}

#[test]
fn attributes_are_kept() {
    let mut builder = LayoutBuilder::in_folder("t", b"t");
    let plain = Attributes::default();
    builder
        .push(
            &["bin", "tool"],
            30_000,
            &Attributes {
                executable: true,
                ..plain
            },
        )
        .unwrap();
    builder
        .push(&["pad"], 2_768, &Attributes { pad: true, ..plain })
        .unwrap();
    builder
        .push(
            &["link"],
            0,
            &Attributes {
                symlink: Some(&["bin", "tool"]),
                ..plain
            },
        )
        .unwrap();
    builder.push(&["data"], 10_000, &plain).unwrap();
    let sample = Arc::new(Sample::from_layout(builder.finish().unwrap(), 32_768));
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&sample, dir.path());
    storage.prepare().unwrap();
    storage.write_at(0, &[IoSlice::new(sample.data())]).unwrap();
    let mode = |path: &str| {
        fs::metadata(dir.path().join(path))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_ne!(mode("t/bin/tool") & 0o100, 0);
    assert_eq!(mode("t/data") & 0o100, 0);
    assert!(!dir.path().join("t/pad").exists());
    assert_eq!(
        fs::read_link(dir.path().join("t/link")).unwrap(),
        Path::new("bin/tool")
    );
    assert_eq!(
        fs::read(dir.path().join("t/link")).unwrap(),
        sample.data()[..30_000]
    );

    let memory = MemoryStorage::new(sample.layout());
    for storage in [&storage as &dyn Storage, &memory] {
        let error = storage
            .write_at(30_000, &[IoSlice::new(b"\0\0x")])
            .unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Unsupported);
    }
}

#[test]
fn a_skipped_file_that_exists_is_not_made_longer() {
    let sample = Arc::new(Sample::new([("a", 30_000), ("b", 30_000)], 16_384));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("b"), "short").unwrap();
    let options = FileOptions {
        wanted: vec![true, false],
        ..FileOptions::default()
    };
    let storage = FileStorage::new(sample, dir.path(), options).unwrap();
    let length = || fs::metadata(dir.path().join("b")).unwrap().len();
    storage.prepare().unwrap();
    assert_eq!(length(), 5);
    storage.set_wanted(&[true, true]).unwrap();
    assert_eq!(length(), if cfg!(target_os = "linux") { 30_000 } else { 5 });
}

#[test]
fn a_skipped_file_that_exists_is_used_as_it_is() {
    let sample = Arc::new(Sample::new([("a", 30_000), ("b", 30_000)], 16_384));
    let dir = tempfile::tempdir().unwrap();
    write_files(&sample, dir.path());
    let storage = open(&sample, dir.path());
    storage.set_wanted(&[true, false]).unwrap();
    storage
        .write_at(29_000, &[IoSlice::new(&sample.data()[29_000..32_000])])
        .unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no part file");
}

#[test]
fn pieces_are_completed_served_and_checked_by_many_threads_at_once() {
    let files = [("a", 900_000), ("skipped", 100_000), ("b", 500_000)];
    let sample = Arc::new(Sample::new(files, 65_536));
    let dir = tempfile::tempdir().unwrap();
    let options = FileOptions {
        pool: Pool::new(PoolOptions {
            max_open_files: 1,
            max_mapped_bytes: 1,
        }),
        wanted: vec![true, false, true],
        ..FileOptions::default()
    };
    let storage = FileStorage::new(sample.clone(), dir.path(), options).unwrap();
    let options = Options {
        write_back_bytes: 100_000,
    };
    let store = PieceStore::new(sample.clone(), Arc::new(storage), options);
    let done = AtomicBool::new(false);
    let pieces: Vec<_> = sample.geometry().pieces().collect();
    std::thread::scope(|scope| {
        let writers: Vec<_> = pieces
            .chunks(pieces.len().div_ceil(3))
            .map(|pieces| scope.spawn(|| complete(&store, &sample, pieces)))
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    serve(&store, &sample);
                }
            });
        }
        scope.spawn(|| {
            for wanted in [[true, true, true], [true, false, true], [true, true, false]] {
                store.storage().set_wanted(&wanted).unwrap();
                store.checkpoint().unwrap();
            }
        });
        let results: Vec<_> = writers
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::Relaxed);
        for result in results {
            result.unwrap();
        }
    });
    assert!(store.verified().is_full());
    serve(&store, &sample);
    assert_eq!(store.buffered_bytes(), 0);
}

fn complete(store: &PieceStore, sample: &Sample, pieces: &[PieceIndex]) {
    for &piece in pieces {
        for block in sample.geometry().blocks(piece) {
            store.add_block(block, sample.block(block)).unwrap();
        }
        assert_eq!(
            store.complete(&[piece]).remove(0).1.unwrap(),
            PieceCheck::Passed
        );
    }
}

fn serve(store: &PieceStore, sample: &Sample) {
    for piece in store.verified().ones() {
        for block in sample.geometry().blocks(piece) {
            assert_eq!(store.read_block(block).unwrap(), sample.block(block));
        }
        assert_eq!(store.check(piece).unwrap(), PieceCheck::Passed);
    }
}

fn fill(
    store: &PieceStore,
    sample: &Sample,
    pieces: std::ops::Range<u32>,
) -> Result<(), StoreError> {
    for piece in pieces.map(PieceIndex) {
        for block in sample.geometry().blocks(piece) {
            store.add_block(block, sample.block(block))?;
        }
        store.complete(&[piece]).remove(0).1?;
    }
    Ok(())
}

/// What others do to a file of which the first pieces are written; it is noticed at the next write or checkpoint, and after
/// the files were closed, what is there counts.
fn assert_noticed(kind: StorageErrorKind, by_write: bool, meddle: impl Fn(&Path)) {
    for allocation in [Allocation::Reserve, Allocation::Sparse] {
        let dir = tempfile::tempdir().unwrap();
        let sample = Arc::new(Sample::new([("a", 8 * 65_536)], 65_536));
        let options = FileOptions {
            allocation,
            ..FileOptions::default()
        };
        let storage = Arc::new(FileStorage::new(sample.clone(), dir.path(), options).unwrap());
        storage.prepare().unwrap();
        let store = PieceStore::new(sample.clone(), storage.clone(), Options::default());
        fill(&store, &sample, 0..4).unwrap();
        meddle(&dir.path().join("a"));
        let written = fill(&store, &sample, 7..8);
        assert_eq!(written.is_err(), by_write, "{allocation:?}: {written:?}");
        let error = match written {
            Err(error) => error,
            Ok(()) => store.checkpoint().unwrap_err(),
        };
        let error = error.storage().unwrap();
        assert_eq!(
            (error.kind(), error.path()),
            (kind, &*dir.path().join("a")),
            "{error}"
        );
        assert!(kind.casts_doubt());
        // As when the cause was looked into and it is started again.
        storage.release().unwrap();
        storage.prepare().unwrap();
        for piece in sample.geometry().pieces() {
            store.check(piece).unwrap();
        }
        let left: Vec<u32> = (0..8)
            .filter(|piece| !store.verified().has(PieceIndex(*piece)))
            .collect();
        for piece in left {
            fill(&store, &sample, piece..piece + 1).unwrap();
        }
        store.checkpoint().unwrap();
        assert!(fs::read(dir.path().join("a")).unwrap() == sample.data()[..]);
    }
}

#[test]
fn a_file_cut_while_it_is_written_is_noticed() {
    assert_noticed(StorageErrorKind::Truncated, true, |path| {
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(100_000)
            .unwrap();
    });
}

#[test]
fn a_file_moved_away_while_it_is_written_is_noticed() {
    assert_noticed(StorageErrorKind::Missing, false, |path| {
        fs::rename(path, path.with_extension("away")).unwrap();
    });
}

#[test]
fn a_file_replaced_while_it_is_written_is_noticed() {
    assert_noticed(StorageErrorKind::Missing, true, |path| {
        fs::write(path.with_extension("new"), vec![7; 8 * 65_536]).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    });
    // Even if the old one is kept.
    assert_noticed(StorageErrorKind::Replaced, false, |path| {
        fs::rename(path, path.with_extension("away")).unwrap();
        fs::write(path, vec![7; 8 * 65_536]).unwrap();
    });
}

#[test]
fn a_file_replaced_while_it_was_closed_is_not_taken_for_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Arc::new(Sample::new([("a", 65_536), ("b", 65_536)], 65_536));
    write_files(&sample, dir.path());
    let pool = Pool::new(PoolOptions {
        max_open_files: 1,
        ..PoolOptions::default()
    });
    let options = FileOptions {
        pool,
        read_only: true,
        ..FileOptions::default()
    };
    let storage = Arc::new(FileStorage::new(sample.clone(), dir.path(), options).unwrap());
    let store = PieceStore::new(sample.clone(), storage, Options::default());
    for piece in sample.geometry().pieces() {
        assert_eq!(store.check(piece).unwrap(), PieceCheck::Passed);
    }
    // b is open now, and a is not.
    fs::write(dir.path().join("new"), vec![7; 65_536]).unwrap();
    fs::rename(dir.path().join("new"), dir.path().join("a")).unwrap();
    let error = store.read(0, &mut [0; 10]).unwrap_err();
    assert_eq!(error.storage().unwrap().kind(), StorageErrorKind::Replaced);
    store.read(65_536, &mut [0; 10]).unwrap();
}

#[test]
fn a_file_that_others_changed_is_not_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Arc::new(Sample::new([("a", 65_536), ("b", 65_536)], 65_536));
    write_files(&sample, dir.path());
    let storage = Arc::new(open(&sample, dir.path()));
    storage.stamps().unwrap();
    let store = PieceStore::new(sample.clone(), storage.clone(), Options::default());
    for piece in sample.geometry().pieces() {
        store.check(piece).unwrap();
    }
    let resume = |store: &PieceStore| {
        headwater_store::ResumeData::new(sample.info_hash(), store.checkpoint().unwrap())
    };
    assert!(resume(&store).have.is_full());
    let file = File::options()
        .write(true)
        .open(dir.path().join("a"))
        .unwrap();
    file.set_times(fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH))
        .unwrap();
    for _ in 0..2 {
        let resume = resume(&store);
        let now = open(&sample, dir.path()).stamps().unwrap();
        let trusted = resume.validate(&*sample, &now).unwrap();
        assert_eq!(trusted.changed, [FileIndex(0)]);
    }
}

#[test]
fn a_part_file_moved_away_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Arc::new(Sample::new([("a", 50_000), ("b", 50_000)], 65_536));
    let options = FileOptions {
        wanted: vec![true, false],
        ..FileOptions::default()
    };
    let storage = Arc::new(FileStorage::new(sample.clone(), dir.path(), options).unwrap());
    let store = PieceStore::new(sample.clone(), storage, Options::default());
    fill(&store, &sample, 0..1).unwrap();
    let part = dir.path().join(format!(".{}.parts", sample.info_hash()));
    fs::rename(&part, dir.path().join("away")).unwrap();
    let error = store.checkpoint().unwrap_err();
    assert_eq!(error.storage().unwrap().path(), part);
    assert_eq!(store.check(PieceIndex(0)).unwrap(), PieceCheck::Failed);
    fill(&store, &sample, 0..1).unwrap();
    store.checkpoint().unwrap();
    assert_eq!(store.check(PieceIndex(0)).unwrap(), PieceCheck::Passed);
}

//! Faults that others had and that must not come back.

use std::fs;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use headwater_metainfo::{FileIndex, FileLayout, PieceIndex};
use headwater_store::testing::{Fault, FaultStorage, Sample};
use headwater_store::{
    Allocation, Contents, FileOptions, FileStorage, MemoryStorage, Options, PieceCheck, PieceStore,
    Storage, StorageErrorKind, StoreError,
};

const PIECE: u64 = 16_384;

fn file_storage(sample: &Arc<Sample>, dir: &Path, wanted: &[bool]) -> Arc<FileStorage> {
    let options = FileOptions {
        wanted: wanted.to_vec(),
        ..FileOptions::default()
    };
    let storage = FileStorage::new(sample.clone(), dir, options).unwrap();
    Arc::new(storage)
}

fn piece_store(sample: &Arc<Sample>, storage: Arc<dyn Storage>) -> PieceStore {
    PieceStore::new(sample.clone(), storage, Options::default())
}

fn add_all(store: &PieceStore, sample: &Sample, piece: PieceIndex) {
    for block in sample.geometry().blocks(piece) {
        store.add_block(block, sample.block(block)).unwrap();
    }
}

fn fetch(store: &PieceStore, sample: &Sample, piece: u32) -> Result<PieceCheck, StoreError> {
    let piece = PieceIndex(piece);
    add_all(store, sample, piece);
    store.complete(&[piece]).remove(0).1
}

fn part_files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".parts")).collect()
}

#[test]
fn part_file_writes_do_not_all_land_at_offset_0() {
    // Three wanted files with two skipped ones between them: four pieces lie across a border.
    let files = [
        ("a", 20_000),
        ("b", 100_000),
        ("c", 20_000),
        ("d", 100_000),
        ("e", 20_000),
    ];
    let sample = Arc::new(Sample::new(files, PIECE));
    let wanted = [true, false, true, false, true];
    let dir = tempfile::tempdir().unwrap();
    let storage = file_storage(&sample, dir.path(), &wanted);
    storage.prepare().unwrap();
    let store = piece_store(&sample, storage);
    let geometry = sample.geometry();
    let touching: Vec<_> = (0..5)
        .map(|file| sample.layout().pieces_of(FileIndex(file), &geometry))
        .collect();
    let is_wanted = |piece: &u32| [0, 2, 4].iter().any(|file| touching[*file].contains(piece));
    let pieces: Vec<u32> = (0..geometry.piece_count()).filter(is_wanted).collect();
    for &piece in &pieces {
        assert_eq!(fetch(&store, &sample, piece).unwrap(), PieceCheck::Passed);
    }
    assert_eq!(part_files(dir.path()).len(), 1);
    assert!(!dir.path().join("b").exists() && !dir.path().join("d").exists());

    // All of them are read back and pass, here and after a restart.
    let again = piece_store(&sample, file_storage(&sample, dir.path(), &wanted));
    for &piece in &pieces {
        assert_eq!(store.check(PieceIndex(piece)).unwrap(), PieceCheck::Passed);
        assert_eq!(again.check(PieceIndex(piece)).unwrap(), PieceCheck::Passed);
    }
}

#[test]
fn write_errors_are_not_taken_for_success() {
    let sample = Arc::new(Sample::new([("a", 100_000)], PIECE));
    let faulty = Arc::new(FaultStorage::new(Arc::new(MemoryStorage::new(
        sample.layout(),
    ))));
    let store = piece_store(&sample, faulty.clone());
    for written in [0, 5_000] {
        faulty.inject(Fault {
            written,
            ..Fault::disk_full()
        });
        let error = fetch(&store, &sample, 2).unwrap_err();
        assert_eq!(error.storage().unwrap().kind(), StorageErrorKind::DiskFull);
        assert!(
            store.verified().is_clear(),
            "a piece that is not on disk is not advertised"
        );
        let block = sample.geometry().block(PieceIndex(2), 0).unwrap();
        assert!(matches!(
            store.read_block(block),
            Err(StoreError::NotVerified(_))
        ));
        faulty.heal();
        assert_ne!(store.check(PieceIndex(2)).unwrap(), PieceCheck::Passed);
    }
    assert_eq!(store.buffered_bytes(), 0);
    assert_eq!(fetch(&store, &sample, 2).unwrap(), PieceCheck::Passed);
    assert_eq!(store.verified().count(), 1);
}

#[test]
fn zeros_are_not_served_for_missing_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Arc::new(Sample::new([("a", 200_000), ("b", 50_000)], PIECE));
    let storage = file_storage(&sample, dir.path(), &[]);
    let mut buf = [0; 100];
    let missing = storage.read_at(0, &mut buf).unwrap_err();
    assert_eq!(missing.kind(), StorageErrorKind::Missing);
    assert!(storage.read_shared(0, 100).is_err());
    // With its space reserved the file is full of zeros; they are still not given out.
    storage.prepare().unwrap();
    let store = piece_store(&sample, storage);
    for piece in sample.geometry().pieces() {
        let block = sample.geometry().block(piece, 0).unwrap();
        assert!(matches!(
            store.read_block(block),
            Err(StoreError::NotVerified(_))
        ));
        assert_eq!(store.check(piece).unwrap(), PieceCheck::Failed);
        assert!(store.read_block(block).is_err());
    }
    assert!(store.read(0, &mut buf).is_err());
}

#[test]
fn an_all_zero_piece_of_a_missing_file_fails() {
    let dir = tempfile::tempdir().unwrap();
    let layout = FileLayout::new([("zeros", 40_000)]).unwrap();
    let sample = Arc::new(Sample::from_data(layout, PIECE, vec![0; 40_000]));
    let backends: [Arc<dyn Storage>; 2] = [
        file_storage(&sample, dir.path(), &[]),
        Arc::new(MemoryStorage::new(sample.layout())),
    ];
    for storage in backends {
        let store = piece_store(&sample, storage);
        for piece in sample.geometry().pieces() {
            assert_eq!(store.check(piece).unwrap(), PieceCheck::Failed);
        }
    }
    // And of one that is too short.
    fs::write(dir.path().join("zeros"), vec![0; 20_000]).unwrap();
    let store = piece_store(&sample, file_storage(&sample, dir.path(), &[]));
    assert_eq!(store.check(PieceIndex(0)).unwrap(), PieceCheck::Passed);
    assert_eq!(store.check(PieceIndex(1)).unwrap(), PieceCheck::Failed);
}

#[test]
fn existing_files_are_not_truncated_before_they_are_checked() {
    let sample = Arc::new(Sample::new([("long", 50_000), ("short", 50_000)], PIECE));
    let long = [&sample.data()[..50_000], b"and more"].concat();
    let short = sample.data()[50_000..90_000].to_vec();
    for allocation in [Allocation::Reserve, Allocation::Sparse] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("long"), &long).unwrap();
        fs::write(dir.path().join("short"), &short).unwrap();
        let options = FileOptions {
            allocation,
            ..FileOptions::default()
        };
        let storage = FileStorage::new(sample.clone(), dir.path(), options).unwrap();
        storage.prepare().unwrap();
        storage.set_wanted(&[true, false]).unwrap();
        storage.set_wanted(&[true, true]).unwrap();
        assert_eq!(fs::read(dir.path().join("long")).unwrap(), long);
        assert!(
            fs::read(dir.path().join("short"))
                .unwrap()
                .starts_with(&short)
        );

        let store = piece_store(&sample, Arc::new(storage));
        for piece in sample.geometry().pieces() {
            let in_short_part = sample.geometry().piece_range(piece).end <= 90_000;
            assert_eq!(
                store.check(piece).unwrap() == PieceCheck::Passed,
                in_short_part
            );
        }
        // Pieces 0 to 3 touch the long file, and all have passed: now, and only now, it is cut.
        assert!(!store.finish_file(FileIndex(1)).unwrap());
        assert!(store.finish_file(FileIndex(0)).unwrap());
        assert_eq!(
            fs::read(dir.path().join("long")).unwrap(),
            sample.data()[..50_000]
        );
    }
}

#[test]
fn a_boundary_piece_wanted_by_one_file_and_skipped_by_the_next() {
    let sample = Arc::new(Sample::new(
        [("wanted", 30_000), ("skipped", 30_000)],
        PIECE,
    ));
    let dir = tempfile::tempdir().unwrap();
    let storage = file_storage(&sample, dir.path(), &[true, false]);
    storage.prepare().unwrap();
    let store = piece_store(&sample, storage.clone());
    for piece in [0, 1] {
        assert_eq!(fetch(&store, &sample, piece).unwrap(), PieceCheck::Passed);
    }
    assert_eq!(
        fs::read(dir.path().join("wanted")).unwrap(),
        sample.data()[..30_000]
    );
    assert!(!dir.path().join("skipped").exists());
    let block = sample.geometry().block(PieceIndex(1), 0).unwrap();
    assert_eq!(store.read_block(block).unwrap(), sample.block(block));

    // Wanted after all: what is there moves, and the part file goes.
    storage.set_wanted(&[true, true]).unwrap();
    assert!(part_files(dir.path()).is_empty());
    assert_eq!(store.check(PieceIndex(1)).unwrap(), PieceCheck::Passed);
    let start = &fs::read(dir.path().join("skipped")).unwrap()[..2_768];
    assert_eq!(start, &sample.data()[30_000..32_768]);
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_the_base_directory() {
    let sample = Arc::new(Sample::new(
        [("t/folder/a", 40_000), ("t/b", 40_000)],
        PIECE,
    ));
    for portable in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        let base = dir.path().join("base");
        fs::create_dir_all(base.join("t")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("b"), "precious").unwrap();
        std::os::unix::fs::symlink(&outside, base.join("t/folder")).unwrap();
        std::os::unix::fs::symlink(outside.join("b"), base.join("t/b")).unwrap();
        // The base directory itself may be a link.
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&base, &link).unwrap();

        let options = FileOptions {
            portable,
            ..FileOptions::default()
        };
        let storage = FileStorage::new(sample.clone(), &link, options.clone()).unwrap();
        for offset in [0, 40_000] {
            let error = storage
                .write_at(offset, &[IoSlice::new(b"evil")])
                .unwrap_err();
            assert_eq!(error.kind(), StorageErrorKind::OutsideBase, "{error}");
            assert!(storage.read_at(offset, &mut [0; 4]).is_err());
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::read(outside.join("b")).unwrap(), b"precious");
        // Unless the user says so.
        let options = FileOptions {
            follow_links: true,
            ..options
        };
        let storage = FileStorage::new(sample.clone(), &link, options).unwrap();
        storage.read_at(40_000, &mut [0; 4]).unwrap();
    }
}

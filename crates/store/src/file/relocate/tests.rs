//! Every way of moving, with faults at every step and with writers at work.

use std::collections::BTreeMap;
use std::fs;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use headwater_metainfo::FileIndex;

use super::Way;
use crate::file::{Allocation, FileOptions, FileStorage};
use crate::testing::Sample;
use crate::{Operation, Storage, StorageError, StorageErrorKind};

const WAYS: [Way; 3] = [Way::Link, Way::Copy, Way::Rename];

/// Three files, the middle one skipped: what it shares with others is in the part file.
fn sample() -> Arc<Sample> {
    let files = [("t/a", 40_000), ("t/in/b", 100_000), ("t/c", 40_000)];
    Arc::new(Sample::new(files, 32_768))
}

fn filled(sample: &Arc<Sample>, dir: &Path) -> FileStorage {
    let options = FileOptions {
        wanted: vec![true, false, true],
        allocation: Allocation::Sparse,
        ..FileOptions::default()
    };
    let storage = FileStorage::new(sample.clone(), dir, options).unwrap();
    storage.prepare().unwrap();
    for range in [0..65_536, 131_072..180_000] {
        write(&storage, sample, range);
    }
    storage
}

fn write(storage: &FileStorage, sample: &Sample, range: std::ops::Range<usize>) {
    let data = IoSlice::new(&sample.data()[range.clone()]);
    storage.write_at(range.start as u64, &[data]).unwrap();
}

fn assert_holds(storage: &FileStorage, sample: &Sample) {
    for range in [0..65_536usize, 131_072..180_000] {
        let mut read = vec![0; range.len()];
        storage.read_at(range.start as u64, &mut read).unwrap();
        assert!(read == sample.data()[range]);
    }
}

/// Every file and folder below `dir`, with content and time.
fn tree(dir: &Path) -> BTreeMap<String, Option<(Vec<u8>, SystemTime)>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(dir)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                found.insert(name, None);
                folders.push(path);
            } else {
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                found.insert(name, Some((fs::read(&path).unwrap(), time)));
            }
        }
    }
    found
}

fn stop() -> StorageError {
    StorageError::new(Operation::Move, "here", StorageErrorKind::Io, "a fault")
}

#[test]
fn everything_arrives_as_it_was_and_nothing_of_ours_stays() {
    for way in WAYS {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("deep/new"));
        let sample = sample();
        let storage = filled(&sample, &old);
        fs::write(old.join("t/foreign"), "mine").unwrap();
        let (before, stamps) = (tree(&old), storage.stamps().unwrap());
        storage
            .move_by(way, &new, &mut |_| Ok(()))
            .unwrap()
            .remove()
            .unwrap();
        assert_eq!(storage.base_dir(), new);
        assert_eq!(storage.path_of(FileIndex(0)).unwrap(), new.join("t/a"));
        assert_eq!(
            storage.stamps().unwrap(),
            stamps,
            "{way:?}: resume data still holds"
        );
        assert_holds(&storage, &sample);
        let left: Vec<_> = tree(&old).into_keys().collect();
        assert_eq!(left, ["t", "t/foreign"], "{way:?}");
        let mut after = tree(&new);
        after.insert("t/foreign".to_owned(), before["t/foreign"].clone());
        assert_eq!(after, before, "{way:?}");
        // It goes on there, part file included.
        write(&storage, &sample, 32_768..65_536);
        assert_eq!(tree(&old).len(), 2);
        storage.sync().unwrap();
        storage.set_wanted(&[]).unwrap();
        assert_holds(&storage, &sample);
        assert!(new.join("t/in/b").exists() && tree(&new).len() == 5);
    }
}

#[test]
fn a_fault_at_any_step_leaves_everything_as_it_was() {
    for way in WAYS {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("deep/new"));
        let sample = sample();
        let storage = filled(&sample, &old);
        let before = tree(&old);
        let mut faults = 0;
        loop {
            let mut steps = 0;
            let moved = storage.move_by(way, &new, &mut |_| {
                steps += 1;
                if steps > faults { Err(stop()) } else { Ok(()) }
            });
            let Err(error) = moved else { break };
            assert_eq!(error.cause().to_string(), "a fault");
            assert_eq!(tree(&old), before, "{way:?} after {faults} steps");
            assert!(
                !dir.path().join("deep").exists(),
                "{way:?} after {faults} steps"
            );
            assert_eq!(storage.base_dir(), old);
            assert_holds(&storage, &sample);
            faults += 1;
        }
        assert!(faults >= 3, "{way:?}: both halves were reached");
        assert_holds(&storage, &sample);
    }
}

#[test]
fn what_is_in_the_way_stays_and_so_does_the_torrent() {
    for (way, obstacle) in WAYS
        .into_iter()
        .flat_map(|way| ["t/c", "t/in/b", "t"].map(|name| (way, name)))
    {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        let sample = sample();
        let storage = filled(&sample, &old);
        fs::create_dir_all(new.join(obstacle).parent().unwrap()).unwrap();
        fs::write(new.join(obstacle), "somebody's").unwrap();
        let before = (tree(&old), tree(&new));
        let error = storage.move_by(way, &new, &mut |_| Ok(())).unwrap_err();
        let expected = if obstacle == "t" {
            StorageErrorKind::WrongType
        } else {
            StorageErrorKind::Exists
        };
        assert_eq!(
            (error.kind(), error.operation()),
            (expected, Operation::Move),
            "{error}"
        );
        assert!(error.path().starts_with(&new));
        assert_eq!((tree(&old), tree(&new)), before);
        assert_holds(&storage, &sample);
    }
}

#[test]
fn what_is_written_while_files_are_copied_is_not_lost() {
    for way in WAYS {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        let sample = Arc::new(Sample::new(
            [("a", 100_000), ("b", 100_000), ("late", 100_000)],
            32_768,
        ));
        let options = FileOptions {
            allocation: Allocation::Sparse,
            ..FileOptions::default()
        };
        let storage = FileStorage::new(sample.clone(), &old, options).unwrap();
        storage
            .write_at(0, &[IoSlice::new(&vec![9; 150_000])])
            .unwrap();
        let mut steps = 0;
        let left = storage.move_by(way, &new, &mut |file| {
            steps += 1;
            // While b gets its second place, a has got its own, and the last one does not exist.
            if steps == 2 {
                assert_eq!(file, FileIndex(1));
                write(&storage, &sample, 0..300_000);
            }
            Ok(())
        });
        left.unwrap().remove().unwrap();
        let mut read = vec![0; 300_000];
        storage.read_at(0, &mut read).unwrap();
        assert!(read == sample.data()[..], "{way:?}");
        assert!(fs::read(new.join("late")).unwrap() == sample.data()[200_000..]);
        assert!(!old.join("late").exists());
    }
}

#[test]
fn readers_and_writers_notice_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Arc::new(Sample::new([("t/a", 1 << 20), ("t/b", 1 << 20)], 65_536));
    let storage = FileStorage::new(sample.clone(), dir.path().join("0"), FileOptions::default());
    let storage = Arc::new(storage.unwrap());
    write(&storage, &sample, 0..2 << 20);
    let (over, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (storage, sample, over, rounds) = (&storage, &sample, &over, &rounds);
            scope.spawn(move || {
                let mut at = worker << 20;
                while !over.load(Ordering::Relaxed) {
                    write(storage, sample, at..at + 65_536);
                    let shared = storage.read_shared(at as u64, 65_536).unwrap();
                    assert_eq!(shared.len(), 65_536);
                    at = (at + 65_536) % (2 << 20);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for turn in 1..=60 {
            let way = WAYS[turn % 3];
            let target = dir.path().join((turn % 4).to_string());
            let left = storage.move_by(way, &target, &mut |_| Ok(()));
            left.unwrap().remove().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    let mut read = vec![0; 2 << 20];
    storage.read_at(0, &mut read).unwrap();
    assert!(read == sample.data()[..]);
    assert!(rounds.load(Ordering::Relaxed) > 0);
    assert_eq!(
        tree(dir.path()).len(),
        7,
        "four base directories, one of them with a folder and two files"
    );
}

#[test]
fn moving_to_where_it_is_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample();
    let storage = filled(&sample, &dir.path().join("old"));
    std::os::unix::fs::symlink("old", dir.path().join("same")).unwrap();
    let before = tree(dir.path());
    let same = dir.path().join("same");
    let left = storage.move_by(Way::Link, &same, &mut |_| Ok(())).unwrap();
    assert!(left.is_empty());
    left.remove().unwrap();
    assert_eq!(tree(dir.path()), before);
    assert_holds(&storage, &sample);
}

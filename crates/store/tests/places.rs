//! Files that are moved, renamed and deleted, from outside.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use headwater_metainfo::{FileIndex, SafePath};
use headwater_store::testing::{Fault, FaultStorage, OperationKind, Sample};
use headwater_store::{
    Allocation, Contents, FileOptions, FileStorage, Operation, Options, PieceCheck, PieceStore,
    ResumeData, Storage, StorageErrorKind,
};

fn sample() -> Arc<Sample> {
    let files = [("t/a", 40_000), ("t/in/b", 100_000), ("t/c", 40_000)];
    Arc::new(Sample::new(files, 32_768))
}

/// All but the middle file's own pieces, which is skipped.
fn filled(sample: &Arc<Sample>, dir: &Path) -> Arc<FileStorage> {
    let options = FileOptions {
        wanted: vec![true, false, true],
        allocation: Allocation::Sparse,
        ..FileOptions::default()
    };
    let storage = Arc::new(FileStorage::new(sample.clone(), dir, options).unwrap());
    storage.prepare().unwrap();
    let store = PieceStore::new(sample.clone(), storage.clone(), Options::default());
    for piece in sample
        .geometry()
        .pieces()
        .filter(|piece| ![2, 3].contains(&piece.0))
    {
        for block in sample.geometry().blocks(piece) {
            store.add_block(block, sample.block(block)).unwrap();
        }
        assert!(matches!(
            store.complete(&[piece])[0].1,
            Ok(PieceCheck::Passed)
        ));
    }
    storage
}

fn store(sample: &Arc<Sample>, storage: Arc<dyn Storage>) -> PieceStore {
    PieceStore::new(sample.clone(), storage, Options::default())
}

fn passed(sample: &Arc<Sample>, storage: Arc<dyn Storage>) -> Vec<u32> {
    let store = store(sample, storage);
    let pieces = sample.geometry().pieces();
    let passed = pieces.filter(|piece| store.check(*piece).unwrap() == PieceCheck::Passed);
    passed.map(|piece| piece.0).collect()
}

fn tree(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
            found.insert(path, None);
        } else {
            let content = fs::read(&path).unwrap();
            found.insert(path, Some(content));
        }
    }
    found
}

#[test]
fn a_move_to_another_file_system_copies() {
    let dir = tempfile::tempdir().unwrap();
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else {
        println!("SKIPPED: there is no second file system at /dev/shm");
        return;
    };
    if fs::metadata(dir.path()).unwrap().dev() == fs::metadata(other.path()).unwrap().dev() {
        println!("SKIPPED: /dev/shm is no second file system");
        return;
    }
    let sample = sample();
    let storage = filled(&sample, dir.path());
    let store = store(&sample, storage.clone());
    for piece in sample.geometry().pieces() {
        store.check(piece).unwrap();
    }
    let resume = ResumeData::new(sample.info_hash(), store.checkpoint().unwrap());
    let target = other.path().join("new");
    storage
        .relocate(&target, &mut |_| Ok(()))
        .unwrap()
        .remove()
        .unwrap();
    assert!(tree(dir.path()).is_empty());
    let trusted = resume
        .validate(&*sample, &storage.stamps().unwrap())
        .unwrap();
    assert!(trusted.changed.is_empty(), "times came over");
    assert_eq!(passed(&sample, storage), [0, 1, 4, 5]);
}

#[test]
fn a_fault_at_the_nth_file_takes_a_move_back() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let sample = sample();
    let files = filled(&sample, &old);
    let before = tree(&old);
    let storage = FaultStorage::new(files.clone());
    for after in 0.. {
        storage.heal();
        storage.inject(Fault {
            after,
            ..Fault::next(OperationKind::Relocate, ErrorKind::StorageFull)
        });
        let Err(error) = storage.relocate(&new, &mut |_| Ok(())) else {
            assert!(after >= 3, "every file was a step");
            break;
        };
        assert_eq!(
            (error.kind(), error.operation()),
            (StorageErrorKind::DiskFull, Operation::Move)
        );
        assert_eq!(tree(&old), before);
        assert!(!new.exists());
        assert_eq!(passed(&sample, files.clone()), [0, 1, 4, 5]);
    }
}

#[test]
fn renamed_files_are_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample();
    let storage = filled(&sample, dir.path());
    let new = SafePath::new(["elsewhere", "x.bin"]);
    let inode = fs::metadata(dir.path().join("t/a")).unwrap().ino();
    storage
        .rename_file(FileIndex(0), &new)
        .unwrap()
        .remove()
        .unwrap();
    // One that is not there yet gets its name when it comes.
    let later = SafePath::new(["t", "in", "later"]);
    assert!(
        storage
            .rename_file(FileIndex(1), &later)
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        fs::metadata(dir.path().join("elsewhere/x.bin"))
            .unwrap()
            .ino(),
        inode
    );
    assert!(!dir.path().join("t/a").exists());
    assert_eq!(
        storage.path_of(FileIndex(0)).unwrap(),
        dir.path().join("elsewhere/x.bin")
    );

    let store = store(&sample, storage.clone());
    for piece in sample.geometry().pieces() {
        store.check(piece).unwrap();
    }
    let mut resume = ResumeData::new(sample.info_hash(), store.checkpoint().unwrap());
    resume.renamed = vec![(FileIndex(0), new.clone()), (FileIndex(1), later)];
    let resume = ResumeData::decode(&resume.encode()).unwrap();
    resume.check_torrent(&*sample).unwrap();
    drop((storage, store));
    let options = FileOptions {
        renamed: resume.renamed.clone(),
        ..FileOptions::default()
    };
    let storage = Arc::new(FileStorage::new(sample.clone(), dir.path(), options).unwrap());
    assert_eq!(passed(&sample, storage.clone()), [0, 1, 4, 5]);
    storage.prepare().unwrap();
    assert!(dir.path().join("t/in/later").exists() && !dir.path().join("t/in/b").exists());
    // And back.
    let home = sample.layout().files()[0].path().clone();
    storage
        .rename_file(FileIndex(0), &home)
        .unwrap()
        .remove()
        .unwrap();
    assert!(dir.path().join("t/a").exists() && !dir.path().join("elsewhere").exists());
}

#[test]
fn what_is_not_there_yet_moves_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample();
    let storage = FileStorage::new(
        sample.clone(),
        dir.path().join("old"),
        FileOptions::default(),
    );
    let storage = storage.unwrap();
    let path = SafePath::new(["x", "y"]);
    storage
        .rename_file(FileIndex(0), &path)
        .unwrap()
        .remove()
        .unwrap();
    storage
        .relocate(&dir.path().join("new"), &mut |_| Ok(()))
        .unwrap()
        .remove()
        .unwrap();
    assert!(
        tree(dir.path()).is_empty(),
        "nothing is made before it is needed"
    );
    storage.prepare().unwrap();
    assert!(dir.path().join("new/x/y").exists() && !dir.path().join("old").exists());
}

#[test]
fn a_place_that_is_taken_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample();
    let storage = filled(&sample, dir.path());
    fs::write(dir.path().join("foreign"), "mine").unwrap();
    let before = tree(dir.path());
    let taken = [
        vec!["foreign"],
        vec!["t"],
        vec!["t", "c"],
        vec!["T", "C"],
        vec!["t", "in", "b"],
        vec!["t", "c", "below"],
    ];
    for path in taken {
        let refused = storage.rename_file(FileIndex(0), &SafePath::new(&path));
        assert_eq!(
            refused.unwrap_err().kind(),
            StorageErrorKind::Exists,
            "{path:?}"
        );
        assert_eq!(tree(dir.path()), before);
    }
    let refused = storage.rename_file(FileIndex(3), &SafePath::new(["x"]));
    assert_eq!(refused.unwrap_err().kind(), StorageErrorKind::OutOfRange);
    let renamed = vec![(FileIndex(0), SafePath::new(["t", "c"]))];
    let options = FileOptions {
        renamed,
        ..FileOptions::default()
    };
    assert!(FileStorage::new(sample.clone(), dir.path(), options).is_err());
    assert_eq!(passed(&sample, storage), [0, 1, 4, 5]);
}

#[test]
fn deleting_takes_what_is_ours_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample();
    let storage = filled(&sample, dir.path());
    fs::write(dir.path().join("t/foreign"), "mine").unwrap();
    storage.delete(&mut |_| Ok(())).unwrap();
    let left: Vec<_> = tree(dir.path()).into_keys().collect();
    assert_eq!(left, [dir.path().join("t"), dir.path().join("t/foreign")]);
    assert!(passed(&sample, storage.clone()).is_empty());
    fs::remove_file(dir.path().join("t/foreign")).unwrap();
    storage.delete(&mut |_| Ok(())).unwrap();
    assert!(dir.path().exists() && tree(dir.path()).is_empty());
    // It can be filled again.
    storage.prepare().unwrap();
}

#[test]
fn a_fault_at_the_nth_file_leaves_everything_undeleted() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample();
    let files = filled(&sample, dir.path());
    let before = tree(dir.path());
    let storage = FaultStorage::new(files.clone());
    for after in 0..2 {
        storage.inject(Fault {
            after,
            ..Fault::next(OperationKind::Delete, ErrorKind::PermissionDenied)
        });
        let error = storage.delete(&mut |_| Ok(())).unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (StorageErrorKind::Permission, Operation::Remove)
        );
        assert_eq!(tree(dir.path()), before);
        assert_eq!(passed(&sample, files.clone()), [0, 1, 4, 5]);
    }
    storage.delete(&mut |_| Ok(())).unwrap();
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn links_out_of_the_base_directory_are_not_followed() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    let storage = filled(&sample, &dir.path().join("old"));
    // Somebody puts a link where the torrent's folder was.
    fs::rename(dir.path().join("old/t"), outside.path().join("t")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("t"), dir.path().join("old/t")).unwrap();
    let before = tree(outside.path());
    let error = storage.delete(&mut |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::OutsideBase);
    assert_eq!(tree(outside.path()), before);
    let error = storage
        .relocate(&dir.path().join("away"), &mut |_| Ok(()))
        .unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::OutsideBase);
    assert_eq!(tree(outside.path()), before);
    assert!(!dir.path().join("away").exists());
    // And one where its folder is to be.
    let storage = filled(&sample, &dir.path().join("good"));
    fs::create_dir(dir.path().join("new")).unwrap();
    fs::create_dir(outside.path().join("empty")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("empty"), dir.path().join("new/t")).unwrap();
    let error = storage
        .relocate(&dir.path().join("new"), &mut |_| Ok(()))
        .unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::OutsideBase);
    assert_eq!(
        fs::read_dir(outside.path().join("empty")).unwrap().count(),
        0
    );
    assert_eq!(passed(&sample, storage), [0, 1, 4, 5]);
}

#[test]
fn what_is_only_read_stays_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample();
    drop(filled(&sample, dir.path()));
    let before = tree(dir.path());
    let options = FileOptions {
        read_only: true,
        ..FileOptions::default()
    };
    let storage = FileStorage::new(sample.clone(), dir.path(), options).unwrap();
    let outcomes = [
        storage
            .relocate(&dir.path().join("x"), &mut |_| Ok(()))
            .map(drop),
        storage
            .rename_file(FileIndex(0), &SafePath::new(["x"]))
            .map(drop),
        storage.delete(&mut |_| Ok(())),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().kind(), StorageErrorKind::ReadOnly);
    }
    assert_eq!(tree(dir.path()), before);
}

const KILLED: &str = "HEADWATER_TEST_KILLED";

/// What the child does: an operation at whose `steps`th step it is killed.
fn child(order: &str) {
    let parts: Vec<_> = order.split('|').collect();
    let [what, steps, old, new] = parts[..] else {
        panic!("{order}")
    };
    let mut left: usize = steps.parse().unwrap();
    let mut step = |_| {
        if left == 0 {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        }
        left -= 1;
        Ok(())
    };
    let storage = FileStorage::new(sample(), old, FileOptions::default()).unwrap();
    match what {
        "move" => {
            let leftovers = storage.relocate(Path::new(new), &mut step).unwrap();
            step(FileIndex(0)).unwrap();
            leftovers.remove().unwrap();
        }
        _ => storage.delete(&mut step).unwrap(),
    }
}

/// Whether the child was killed.
fn run_child(test: &str, order: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(KILLED, order);
    let output = command.output().unwrap();
    assert!(
        output.status.success() || output.status.signal() == Some(9),
        "{output:?}"
    );
    !output.status.success()
}

#[test]
fn a_process_killed_while_it_moves_loses_nothing() {
    if let Ok(order) = std::env::var(KILLED) {
        return child(&order);
    }
    let sample = sample();
    let mut places = vec![tempfile::tempdir().unwrap()];
    places.extend(tempfile::tempdir_in("/dev/shm"));
    for target in &places {
        for steps in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let (old, new) = (
                dir.path().join("old"),
                target.path().join(format!("new{steps}")),
            );
            drop(filled(&sample, &old));
            let order = format!("move|{steps}|{}|{}", old.display(), new.display());
            let was_killed = run_child("a_process_killed_while_it_moves_loses_nothing", &order);
            let open = |dir: &Path| {
                Arc::new(FileStorage::new(sample.clone(), dir, FileOptions::default()).unwrap())
            };
            let there = passed(&sample, open(&old));
            let here = passed(&sample, open(&new));
            assert!(
                there == [0, 1, 4, 5] || here == [0, 1, 4, 5],
                "{there:?} {here:?}"
            );
            if !was_killed {
                assert!(steps >= 3 && !old.join("t").exists());
                break;
            }
            assert_eq!(
                there,
                [0, 1, 4, 5],
                "nothing was on record, so nothing was removed"
            );
        }
    }
}

#[test]
fn a_process_killed_while_it_deletes_deletes_all_or_nothing() {
    if let Ok(order) = std::env::var(KILLED) {
        return child(&order);
    }
    let sample = sample();
    for steps in 0.. {
        let dir = tempfile::tempdir().unwrap();
        drop(filled(&sample, dir.path()));
        let before = tree(dir.path());
        let order = format!("delete|{steps}|{}|", dir.path().display());
        let test = "a_process_killed_while_it_deletes_deletes_all_or_nothing";
        if !run_child(test, &order) {
            assert!(steps >= 2 && tree(dir.path()).is_empty());
            break;
        }
        drop(FileStorage::new(sample.clone(), dir.path(), FileOptions::default()).unwrap());
        assert_eq!(tree(dir.path()), before);
    }
    // Killed after all was marked as removed.
    let dir = tempfile::tempdir().unwrap();
    drop(filled(&sample, dir.path()));
    let deleted = dir.path().join(format!(".{}.deleted", sample.info_hash()));
    fs::create_dir(&deleted).unwrap();
    fs::rename(dir.path().join("t/a"), deleted.join("0")).unwrap();
    fs::write(deleted.join("foreign.txt"), "mine").unwrap();
    drop(FileStorage::new(sample.clone(), dir.path(), FileOptions::default()).unwrap());
    assert_eq!(tree(&deleted).len(), 1);
    fs::remove_file(deleted.join("foreign.txt")).unwrap();
    drop(FileStorage::new(sample.clone(), dir.path(), FileOptions::default()).unwrap());
    assert!(!deleted.exists() && !dir.path().join("t/a").exists());
}

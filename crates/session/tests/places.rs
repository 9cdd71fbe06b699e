//! Files that are moved, renamed and deleted while a torrent is at work.
#![allow(missing_docs)]

mod common;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use common::{Sample, address, builder, seed, session, soon, until};
use headwater_session::{
    Event, FileIndex, MoveError, PieceIndex, RenameError, ResumePolicy, Session, State, Storage,
    StorageErrorKind,
};
use headwater_store::testing::{Fault, FaultStorage, OperationKind};
use headwater_store::{FileOptions, FileStorage};

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A directory on another file system, if there is one.
fn elsewhere() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn a_download_moves_while_it_runs_and_serves() {
    let sample = Sample::new(&[("a", 2_000_000), ("b", 1_000_000)], 16_384);
    let (source, target, new) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        elsewhere(),
    );
    let (other, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, seeded) = seed(&sample, source.path()).await;
    seeded.set_upload_limit(4_000_000);
    let policy = ResumePolicy::Folder(state.path().into());
    let leecher = builder().resume_policy(policy).start().await.unwrap();
    let add = leecher
        .add(sample.metainfo.clone())
        .dir(target.path().join("old"));
    let (torrent, mut events) = add
        .peers([address(&seeder)])
        .start_with_events()
        .await
        .unwrap();
    // Somebody else has nobody but the one that moves.
    let second = session().await;
    let second_add = second.add(sample.metainfo.clone()).dir(other.path());
    let behind = second_add.peers([address(&leecher)]).await.unwrap();
    until(&mut events, |event| matches!(event, Event::PiecePassed(_))).await;

    let mut dirs = Vec::new();
    for turn in 0..6 {
        let base = [target.path(), new.path()][turn % 2].join(format!("turn{turn}"));
        soon("moving", torrent.move_storage(&base)).await.unwrap();
        assert_eq!(torrent.dir(), base);
        assert!(
            torrent
                .files()
                .iter()
                .all(|file| file.path.starts_with(&base))
        );
        assert_eq!(
            names(state.path()).len(),
            1,
            "one resume file, and it is this place's"
        );
        dirs.push(base);
    }
    seeded.set_upload_limit(0);
    soon("the download", torrent.wait_complete()).await.unwrap();
    soon("the one behind", behind.wait_complete())
        .await
        .unwrap();
    let last = dirs.pop().unwrap();
    sample.assert_same(&last);
    sample.assert_same(other.path());
    for old in dirs {
        assert!(names(&old).is_empty(), "{old:?}");
    }
    let moved = until(&mut events, |event| matches!(event, Event::Completed)).await;
    assert_eq!(
        moved
            .iter()
            .filter(|event| matches!(event, Event::Moved(_)))
            .count(),
        6
    );
    // Nothing came twice.
    assert!(
        torrent.downloaded() <= 3_000_000,
        "{}",
        torrent.downloaded()
    );
    for session in [leecher, second, seeder] {
        soon("the end", session.shutdown()).await;
    }
}

#[tokio::test]
async fn every_state_and_a_running_check_allow_it() {
    let sample = Sample::new(&[("a", 3_000_000), ("b", 100)], 16_384);
    let dir = tempfile::tempdir().unwrap();
    sample.write(&dir.path().join("0"));
    let session = session().await;
    let torrent = session
        .add(sample.metainfo.clone())
        .dir(dir.path().join("0"))
        .state(State::Stopped)
        .await
        .unwrap();
    let move_to = async |name: &str| {
        let base = dir.path().join(name);
        soon("moving", torrent.move_storage(&base)).await.unwrap();
        sample.assert_same(&base);
    };
    move_to("1").await;
    // A check, and a move while it runs; whichever comes first, both are right.
    let check = torrent.hashcheck(..).unwrap();
    move_to("2").await;
    assert!(soon("the check", check).await.unwrap().failed.is_empty());
    torrent.pause();
    soon("pausing", torrent.settled()).await.unwrap();
    move_to("3").await;
    torrent.start();
    move_to("4").await;
    soon("completion", torrent.wait_complete()).await.unwrap();
    torrent.stop();
    move_to("5").await;
    soon("stopping", torrent.settled()).await.unwrap();
    assert_eq!(names(dir.path()), ["0", "1", "2", "3", "4", "5"]);
    assert!((0..5).all(|old| names(&dir.path().join(old.to_string())).is_empty()));
    session.shutdown().await;
    let closed = soon("moving", torrent.move_storage(dir.path())).await;
    assert!(matches!(closed, Err(MoveError::Closed)));
}

#[tokio::test]
async fn a_move_that_fails_changes_nothing() {
    let sample = Sample::new(&[("a", 200_000), ("b", 200_000), ("c", 200_000)], 16_384);
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    sample.write(&old);
    let faults = Arc::new(std::sync::OnceLock::new());
    let session = session().await;
    let add = session.add(sample.metainfo.clone()).dir(&old);
    let (base, slot) = (old.clone(), faults.clone());
    let torrent = add
        .storage(move |info| {
            let files = FileStorage::new(info.clone(), base, FileOptions::default())?;
            let faulty = Arc::new(FaultStorage::new(Arc::new(files)));
            slot.set(faulty.clone()).unwrap();
            Ok(faulty as Arc<dyn Storage>)
        })
        .await
        .unwrap();
    soon("the check", torrent.wait_complete()).await.unwrap();
    let faults = faults.get().unwrap();
    for after in 0..3 {
        faults.inject(Fault {
            after,
            ..Fault::next(OperationKind::Relocate, ErrorKind::StorageFull)
        });
        let failed = soon("moving", torrent.move_storage(&new)).await;
        let Err(MoveError::Storage(error)) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(error.kind(), StorageErrorKind::DiskFull);
        assert_eq!(torrent.dir(), old);
        sample.assert_same(&old);
        assert!(!new.exists());
    }
    fs::create_dir_all(new.join("sample")).unwrap();
    fs::write(new.join("sample/b"), "in the way").unwrap();
    let failed = soon("moving", torrent.move_storage(&new)).await;
    assert!(
        matches!(failed, Err(MoveError::Storage(error)) if error.kind() == StorageErrorKind::Exists)
    );
    assert_eq!(names(&new.join("sample")), ["b"]);
    assert!(torrent.error().is_none() && torrent.is_seed());
    session.shutdown().await;
}

#[tokio::test]
async fn what_is_seeded_in_place_does_not_move() {
    let sample = Sample::single(100_000, 16_384);
    let dir = tempfile::tempdir().unwrap();
    sample.write(dir.path());
    let (session, torrent) = seed(&sample, dir.path()).await;
    let moved = soon("moving", torrent.move_storage(dir.path().join("x"))).await;
    assert!(
        matches!(moved, Err(MoveError::Storage(error)) if error.kind() == StorageErrorKind::ReadOnly)
    );
    let renamed = soon("renaming", torrent.rename_file(FileIndex(0), "x")).await;
    assert!(
        matches!(renamed, Err(RenameError::Storage(error)) if error.kind() == StorageErrorKind::ReadOnly)
    );
    let removed = soon("removing", session.remove_with_data(&torrent)).await;
    assert_eq!(removed.unwrap_err().kind(), StorageErrorKind::ReadOnly);
    assert!(session.torrents().is_empty());
    sample.assert_same(dir.path());
    session.shutdown().await;
}

#[tokio::test]
async fn renamed_files_are_found_after_a_restart() {
    let sample = Sample::new(&[("a", 100_000), ("b", 100_000)], 16_384);
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(dir.path());
    let open = async || {
        let policy = ResumePolicy::Folder(state.path().into());
        let session = builder().resume_policy(policy).start().await.unwrap();
        let add = session.add(sample.metainfo.clone()).dir(dir.path());
        let (torrent, mut events) = add.start_with_events().await.unwrap();
        let seen = until(&mut events, |event| {
            matches!(event, Event::StateChanged(State::Active))
        })
        .await;
        let checked = seen
            .iter()
            .any(|event| matches!(event, Event::Checked { .. }));
        (session, torrent, events, checked)
    };
    let (first, torrent, mut events, checked) = open().await;
    assert!(checked && torrent.is_seed());
    soon(
        "renaming",
        torrent.rename_file(FileIndex(1), "other/name.bin"),
    )
    .await
    .unwrap();
    let new = dir.path().join("other/name.bin");
    assert_eq!(torrent.files()[1].path, new);
    assert!(new.exists() && !sample.path(dir.path(), 1).exists());
    until(
        &mut events,
        |event| matches!(event, Event::Renamed { file: FileIndex(1), path } if *path == new),
    )
    .await;
    for bad in ["../x", "/x", "", "a/../../x"] {
        let refused = soon("renaming", torrent.rename_file(FileIndex(1), bad)).await;
        assert!(matches!(refused, Err(RenameError::UnsafePath(_))), "{bad}");
    }
    let refused = soon("renaming", torrent.rename_file(FileIndex(2), "x")).await;
    assert!(matches!(refused, Err(RenameError::NoSuchFile(_))));
    soon("the end", first.shutdown()).await;

    let (second, torrent, _, checked) = open().await;
    assert!(!checked, "resume data knows the name");
    assert_eq!(torrent.files()[1].path, new);
    assert!(torrent.is_seed());
    let check = soon("the check", torrent.hashcheck(..).unwrap())
        .await
        .unwrap();
    assert!(check.failed.is_empty());
    // Back to what the torrent calls it.
    soon("renaming", torrent.rename_file(FileIndex(1), "sample/b"))
        .await
        .unwrap();
    sample.assert_same(dir.path());
    soon("the end", second.shutdown()).await;
    let (third, torrent, _, checked) = open().await;
    assert!(!checked && torrent.files()[1].path == sample.path(dir.path(), 1));
    third.shutdown().await;
}

#[tokio::test]
async fn removing_with_the_data_leaves_nothing_of_ours() {
    let sample = Sample::new(&[("a", 100_000), ("b", 100_000), ("c", 100_000)], 65_536);
    let (source, dir, state) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    sample.write(source.path());
    let (seeder, _) = seed(&sample, source.path()).await;
    let policy = ResumePolicy::Folder(state.path().into());
    let leecher: Session = builder().resume_policy(policy).start().await.unwrap();
    let torrent = leecher
        .add(sample.metainfo.clone())
        .dir(dir.path())
        .priority(FileIndex(1), 0)
        .peers([address(&seeder)])
        .await
        .unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();
    assert!(torrent.bitfield().has(PieceIndex(1)));
    fs::write(dir.path().join("mine"), "mine").unwrap();
    assert_eq!(names(dir.path()).len(), 3, "{:?}", names(dir.path()));
    soon("removing", leecher.remove_with_data(&torrent))
        .await
        .unwrap();
    assert_eq!(names(dir.path()), ["mine"]);
    assert!(names(state.path()).is_empty());
    assert!(leecher.torrents().is_empty() && torrent.is_closed());
    // It can be added again, and nothing is there.
    let again = leecher
        .add(sample.metainfo.clone())
        .dir(dir.path())
        .await
        .unwrap();
    soon("settling", again.settled()).await.unwrap();
    assert!(again.bitfield().is_clear());
    leecher.shutdown().await;
    seeder.shutdown().await;
}

#[tokio::test]
async fn a_session_that_ends_during_a_move_leaves_one_whole_torrent() {
    let sample = Sample::new(&[("a", 3_000_000), ("b", 3_000_000)], 16_384);
    for target in [tempfile::tempdir().unwrap(), elsewhere()] {
        let dir = tempfile::tempdir().unwrap();
        sample.write(dir.path());
        let session = session().await;
        let torrent = session
            .add(sample.metainfo.clone())
            .dir(dir.path())
            .await
            .unwrap();
        soon("the check", torrent.wait_complete()).await.unwrap();
        let new = target.path().join("new");
        let (moved, ()) = tokio::join!(torrent.move_storage(&new), session.shutdown());
        match moved {
            Ok(()) => sample.assert_same(&new),
            Err(MoveError::Closed) => sample.assert_same(dir.path()),
            Err(error) => panic!("{error}"),
        }
        let places = [dir.path(), &new].map(|place| names(place).len());
        assert_eq!(
            places.iter().sum::<usize>(),
            1,
            "at one place alone: {places:?}"
        );
    }
}

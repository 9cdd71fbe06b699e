//! Checks, resume data, skipped files, and disks that fail.
#![allow(missing_docs)]

mod common;

use std::io::ErrorKind;
use std::sync::Arc;

use common::{Sample, address, builder, seed, session, soon, until};
use headwater_session::{
    Check, Detail, Event, FileIndex, HashcheckError, MemoryStorage, PieceIndex, ResumePolicy,
    State, Storage, StorageErrorKind, WaitError,
};
use headwater_store::testing::{Fault, FaultStorage, OperationKind};

#[tokio::test]
async fn a_check_finds_what_is_corrupt_and_it_is_fetched_again() {
    let sample = Sample::new(&[("a", 100_000), ("b", 100_000)], 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, _) = seed(&sample, source.path()).await;
    let leecher = session().await;
    let torrent = leecher
        .add(sample.metainfo.clone())
        .dir(target.path())
        .peers([address(&seeder)])
        .await
        .unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();

    let mut data = sample.files[0].1.clone();
    data[40_000] ^= 1;
    std::fs::write(sample.path(target.path(), 0), data).unwrap();
    torrent.pause();
    soon("pausing", torrent.settled()).await.unwrap();
    let mut events = torrent.events();
    let check = torrent.hashcheck(..).unwrap();
    assert_eq!(check.progress().total, torrent.piece_count());
    let report = soon("the check", check).await.unwrap();
    assert_eq!(report.failed, [PieceIndex(2)]);
    assert_eq!(report.passed, torrent.piece_count() - 1);
    until(&mut events, |event| {
        matches!(event, Event::Checked { failed: 1, .. })
    })
    .await;
    assert!(!torrent.is_complete() && torrent.left() == 16_384);
    assert!(!torrent.bitfield().has(PieceIndex(2)));

    torrent.start();
    until(&mut events, |event| {
        matches!(event, Event::PiecePassed(PieceIndex(2)))
    })
    .await;
    soon("the repair", torrent.wait_complete()).await.unwrap();
    sample.assert_same(target.path());
    leecher.shutdown().await;
    seeder.shutdown().await;
}

#[tokio::test]
async fn checks_know_their_bounds() {
    let sample = Sample::new(&[("a", 100_000), ("zeros", 0)], 16_384);
    let dir = tempfile::tempdir().unwrap();
    let session = session().await;
    let torrent = session
        .add(sample.metainfo.clone())
        .dir(dir.path())
        .state(State::Stopped)
        .await
        .unwrap();
    let count = torrent.piece_count();
    assert!(torrent.hashcheck(PieceIndex(count - 1)).is_ok());
    for check in [
        Check::Piece(PieceIndex(count)),
        Check::Pieces(0..count + 1),
        Check::Pieces(count..count + 1),
    ] {
        let outcome = torrent.hashcheck(check);
        assert!(matches!(
            outcome,
            Err(HashcheckError::NoSuchPiece { count: 7, .. })
        ));
    }
    assert!(matches!(
        torrent.hashcheck(FileIndex(2)),
        Err(HashcheckError::NoSuchFile(_))
    ));
    // Nothing is on disk: all of it fails, and an empty file has nothing to fail.
    let report = soon("the check", torrent.hashcheck(Check::All).unwrap())
        .await
        .unwrap();
    assert_eq!((report.passed, report.failed.len()), (0, 7));
    let report = soon("the check", torrent.hashcheck(FileIndex(1)).unwrap())
        .await
        .unwrap();
    assert_eq!((report.passed, report.failed.len()), (0, 0));
    // Somebody puts the data there.
    sample.write(dir.path());
    let report = soon("the check", torrent.hashcheck(Check::Missing).unwrap())
        .await
        .unwrap();
    assert_eq!((report.passed, report.failed.len()), (7, 0));
    assert!(torrent.is_seed());
    session.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_check_says_so_and_the_next_one_runs() {
    let sample = Sample::single(4 << 20, 16_384);
    let dir = tempfile::tempdir().unwrap();
    sample.write(dir.path());
    let session = session().await;
    let torrent = session
        .add(sample.metainfo.clone())
        .dir(dir.path())
        .state(State::Stopped)
        .await
        .unwrap();
    let first = torrent.hashcheck(..).unwrap();
    let second = torrent.hashcheck(..).unwrap();
    second.cancel();
    assert!(soon("the first", first).await.is_ok());
    let second = soon("the second", second).await;
    assert!(matches!(second, Err(HashcheckError::Cancelled)));
    assert!(
        soon("the third", torrent.hashcheck(..).unwrap())
            .await
            .is_ok()
    );
    session.shutdown().await;
}

#[tokio::test]
async fn resume_data_saves_the_check_and_files_that_changed_are_checked() {
    let sample = Sample::new(&[("a", 100_000), ("b", 100_000)], 16_384);
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(dir.path());
    let policy = ResumePolicy::Folder(state.path().join("deep"));
    let open = async || {
        let session = builder()
            .resume_policy(policy.clone())
            .start()
            .await
            .unwrap();
        let add = session.add(sample.metainfo.clone()).dir(dir.path());
        let (torrent, mut events) = add.start_with_events().await.unwrap();
        let seen = until(&mut events, |event| {
            matches!(event, Event::StateChanged(State::Active))
        })
        .await;
        let checked = seen
            .iter()
            .filter(|event| matches!(event, Event::PiecePassed(_) | Event::PieceFailed(_)));
        let checked = checked.count() as u32;
        let complete = torrent.is_complete();
        let data = soon("resume data", torrent.resume_data()).await.unwrap();
        soon("the end", session.shutdown()).await;
        (checked, complete, data)
    };
    let (checked, complete, data) = open().await;
    assert_eq!(
        (checked, complete),
        (13, true),
        "the first time, everything is checked"
    );
    assert!(data.have.is_full());
    let (checked, complete, _) = open().await;
    assert_eq!(
        (checked, complete),
        (0, true),
        "the second time, nothing is"
    );

    let mut changed = sample.files[1].1.clone();
    changed[99_999] ^= 1;
    std::fs::write(sample.path(dir.path(), 1), changed).unwrap();
    let (checked, complete, data) = open().await;
    assert_eq!((checked, complete), (7, false), "only the changed file is");
    assert_eq!(data.have.count(), 12);
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_killed() {
    let sample = Sample::single(2_000_000, 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, seeded) = seed(&sample, source.path()).await;
    seeded.set_upload_limit(2_000_000);
    let first = session().await;
    let add = first.add(sample.metainfo.clone()).dir(target.path());
    let (torrent, mut events) = add
        .peers([address(&seeder)])
        .start_with_events()
        .await
        .unwrap();
    let mut passed = 0;
    until(&mut events, |event| {
        passed += u32::from(matches!(event, Event::PiecePassed(_)));
        passed == 20
    })
    .await;
    // No resume data, and files as they are at this moment: what a killed process leaves behind.
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(sample.path(copy.path(), 0).parent().unwrap()).unwrap();
    std::fs::copy(sample.path(target.path(), 0), sample.path(copy.path(), 0)).unwrap();
    drop((torrent, events));
    first.shutdown().await;

    seeded.set_upload_limit(0);
    let second = session().await;
    let torrent = second
        .add(sample.metainfo.clone())
        .dir(copy.path())
        .peers([address(&seeder)])
        .await
        .unwrap();
    soon("the rest", torrent.wait_complete()).await.unwrap();
    sample.assert_same(copy.path());
    // The short last piece may have been among the twenty.
    assert!(torrent.downloaded() <= 2_000_000 - 19 * 16_384);
    second.shutdown().await;
    seeder.shutdown().await;
}

#[tokio::test]
async fn a_skipped_file_lives_in_the_part_file_until_it_is_wanted() {
    let sample = Sample::new(&[("a", 20_000), ("b", 50_000), ("c", 20_000)], 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, _) = seed(&sample, source.path()).await;
    let leecher = session().await;
    let torrent = leecher
        .add(sample.metainfo.clone())
        .dir(target.path())
        .priority(FileIndex(1), 0)
        .peers([address(&seeder)])
        .await
        .unwrap();
    // Six pieces; the second and the fifth are shared with the file that is skipped.
    let wanted = torrent.wanted();
    assert!(wanted.has(PieceIndex(1)) && !wanted.has(PieceIndex(2)) && wanted.has(PieceIndex(4)));
    soon("the download", torrent.wait_complete()).await.unwrap();
    sample.assert_file(target.path(), 0);
    sample.assert_file(target.path(), 2);
    assert!(!sample.path(target.path(), 1).exists());
    assert!(torrent.is_complete() && !torrent.is_seed());
    let part = target
        .path()
        .join(format!(".{}.parts", torrent.info_hash()));
    assert!(part.exists());
    // What lies in the part file is checked there.
    let report = soon("the check", torrent.hashcheck(PieceIndex(1)).unwrap())
        .await
        .unwrap();
    assert_eq!(report.passed, 1);

    torrent.set_priority(FileIndex(1), 5).unwrap();
    assert!(!torrent.is_complete(), "at once");
    soon("the rest", torrent.wait_complete()).await.unwrap();
    sample.assert_same(target.path());
    assert!(torrent.is_seed() && !part.exists());
    assert!(torrent.set_priority(FileIndex(3), 1).is_err());
    leecher.shutdown().await;
    seeder.shutdown().await;
}

#[tokio::test]
async fn a_full_disk_pauses_and_starting_again_goes_on() {
    let sample = Sample::single(500_000, 16_384);
    let source = tempfile::tempdir().unwrap();
    sample.write(source.path());
    let (seeder, _) = seed(&sample, source.path()).await;
    let memory = MemoryStorage::new(sample.metainfo.info().layout());
    let faulty = Arc::new(FaultStorage::new(Arc::new(memory)));
    let storage = faulty.clone();
    faulty.inject(Fault::next(OperationKind::Write, ErrorKind::StorageFull));
    let leecher = session().await;
    let add = leecher
        .add(sample.metainfo.clone())
        .storage(move |_| Ok(storage as Arc<dyn Storage>));
    let (torrent, mut events) = add
        .peers([address(&seeder)])
        .start_with_events()
        .await
        .unwrap();
    let failure = soon("the failure", torrent.wait_complete()).await;
    let Err(WaitError::Failed(error)) = failure else {
        panic!("{failure:?}");
    };
    assert_eq!(error.storage().unwrap().kind(), StorageErrorKind::DiskFull);
    until(&mut events, |event| matches!(event, Event::Failed(_))).await;
    assert!(matches!(torrent.detail(), Detail::Failed(_)));
    soon("settling", torrent.settled()).await.unwrap();
    assert!(
        !torrent.is_complete(),
        "what could not be written is not had"
    );

    faulty.heal();
    torrent.start();
    soon("the rest", torrent.wait_complete()).await.unwrap();
    assert!(
        soon("the check", torrent.hashcheck(..).unwrap())
            .await
            .unwrap()
            .failed
            .is_empty()
    );
    leecher.shutdown().await;
    seeder.shutdown().await;
}

#[tokio::test]
async fn data_that_vanishes_from_a_seed_is_no_longer_offered() {
    let sample = Sample::single(200_000, 16_384);
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(source.path());
    let (seeder, seeded) = seed(&sample, source.path()).await;
    let mut events = seeded.events();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(sample.path(source.path(), 0))
        .unwrap();
    file.set_len(100_000).unwrap();
    let leecher = session().await;
    let torrent = leecher
        .add(sample.metainfo.clone())
        .dir(target.path())
        .peers([address(&seeder)])
        .await
        .unwrap();
    until(&mut events, |event| matches!(event, Event::PieceFailed(_))).await;
    assert!(!seeded.is_seed());
    assert!(!torrent.is_complete());
    leecher.shutdown().await;
    seeder.shutdown().await;
}

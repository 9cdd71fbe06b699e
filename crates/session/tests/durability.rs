//! What is made durable when, and what resume data that does not hold leads to.
#![allow(missing_docs)]

mod common;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use common::{Sample, address, builder, seed, soon, until};
use headwater_session::{
    Event, FileIndex, MemoryStorage, ResumeError, ResumePolicy, State, Storage, SyncPolicy, Torrent,
};
use headwater_store::testing::{Fault, FaultStorage, OperationKind};

/// Whether a download under this policy hears of a failing sync before it is complete.
async fn syncs_on_the_way(policy: SyncPolicy) -> bool {
    let sample = Sample::single(1_000_000, 16_384);
    let source = tempfile::tempdir().unwrap();
    sample.write(source.path());
    let (seeder, seeded) = seed(&sample, source.path()).await;
    seeded.set_upload_limit(1_000_000);
    let memory = MemoryStorage::new(sample.metainfo.info().layout());
    let storage = Arc::new(FaultStorage::new(Arc::new(memory)));
    storage.inject(Fault {
        times: usize::MAX,
        ..Fault::next(OperationKind::Sync, ErrorKind::Other)
    });
    let leecher = builder().sync_policy(policy).start().await.unwrap();
    let add = leecher.add(sample.metainfo.clone());
    let add = add.storage(move |_| Ok(storage as Arc<dyn Storage>));
    let add = add.peers([address(&seeder)]);
    let (torrent, mut events) = add.start_with_events().await.unwrap();
    let mut has_failed = false;
    until(&mut events, |event| {
        has_failed |= matches!(event, Event::Failed(_));
        has_failed || matches!(event, Event::Completed)
    })
    .await;
    // Stopping always makes it durable, or says that it cannot.
    torrent.stop();
    if !has_failed {
        until(&mut events, |event| matches!(event, Event::Failed(_))).await;
    }
    leecher.shutdown().await;
    seeder.shutdown().await;
    has_failed
}

#[tokio::test]
async fn a_download_is_synced_as_often_as_the_policy_says() {
    assert!(syncs_on_the_way(SyncPolicy::EveryPiece).await);
    assert!(syncs_on_the_way(SyncPolicy::Interval(Duration::ZERO)).await);
    assert!(!syncs_on_the_way(SyncPolicy::Interval(Duration::from_hours(1))).await);
    assert!(!syncs_on_the_way(SyncPolicy::AtEnd).await);
}

/// Starts and ends a session with this torrent; what happened until it was active.
async fn run(sample: &Sample, dir: &Path, state: &Path) -> (Vec<Event>, Torrent) {
    let policy = ResumePolicy::File(state.join("resume"));
    let session = builder().resume_policy(policy).start().await.unwrap();
    let add = session.add(sample.metainfo.clone()).dir(dir);
    let (torrent, mut events) = add.start_with_events().await.unwrap();
    let seen = until(&mut events, |event| {
        matches!(event, Event::StateChanged(State::Active))
    })
    .await;
    soon("the end", session.shutdown()).await;
    (seen, torrent)
}

fn refused(events: &[Event]) -> Option<&ResumeError> {
    events.iter().find_map(|event| match event {
        Event::ResumeRefused(error) => Some(&**error),
        _ => None,
    })
}

fn checked(events: &[Event]) -> usize {
    let pieces = events
        .iter()
        .filter(|event| matches!(event, Event::PiecePassed(_) | Event::PieceFailed(_)));
    pieces.count()
}

type Expected = fn(&ResumeError) -> bool;

#[tokio::test]
async fn resume_data_that_is_not_used_is_said_and_everything_is_checked() {
    let sample = Sample::new(&[("a", 100_000), ("b", 100_000)], 16_384);
    let other = Sample::single(50_000, 16_384);
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(dir.path());
    let path = state.path().join("resume");
    let (events, _) = run(&sample, dir.path(), state.path()).await;
    assert!(
        refused(&events).is_none() && checked(&events) == 13,
        "there was none"
    );
    let good = fs::read(&path).unwrap();

    let mut damaged = good.clone();
    damaged[40] ^= 1;
    let cases: [(&[u8], Expected); 4] = [
        (&damaged, |error| matches!(error, ResumeError::Checksum)),
        (&good[..10], |error| {
            matches!(error, ResumeError::NotResumeData)
        }),
        (b"something else entirely", |error| {
            matches!(error, ResumeError::NotResumeData)
        }),
        (b"HWRESUME\0\0\0\x09somewhat newer", |error| {
            matches!(error, ResumeError::Version(9))
        }),
    ];
    for (bytes, is_expected) in cases {
        fs::write(&path, bytes).unwrap();
        let (events, torrent) = run(&sample, dir.path(), state.path()).await;
        let error = refused(&events).expect("it is said");
        assert!(is_expected(error), "{error}");
        assert!(checked(&events) == 13 && torrent.is_seed());
        assert_eq!(fs::read(&path).unwrap().len(), good.len(), "and saved anew");
    }
    // Of another torrent.
    let there = tempfile::tempdir().unwrap();
    let (events, _) = run(&other, there.path(), state.path()).await;
    assert!(matches!(refused(&events), Some(ResumeError::OtherTorrent)));
}

#[tokio::test]
async fn files_that_changed_are_named_and_only_they_are_checked() {
    let sample = Sample::new(&[("a", 100_000), ("b", 100_000), ("c", 100_000)], 16_384);
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample.write(dir.path());
    run(&sample, dir.path(), state.path()).await;
    let (events, _) = run(&sample, dir.path(), state.path()).await;
    assert_eq!(checked(&events), 0);
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::FilesChanged { .. }))
    );

    let file = fs::File::options()
        .write(true)
        .open(sample.path(dir.path(), 1));
    file.unwrap().set_modified(UNIX_EPOCH).unwrap();
    fs::remove_file(sample.path(dir.path(), 2)).unwrap();
    let (events, torrent) = run(&sample, dir.path(), state.path()).await;
    let told = events.iter().find_map(|event| match event {
        Event::FilesChanged { files, pieces } => Some((files.to_vec(), *pieces)),
        _ => None,
    });
    // Those of b but the one that it shares with c, which is gone.
    assert_eq!(told, Some((vec![FileIndex(1), FileIndex(2)], 6)));
    assert_eq!(checked(&events), 6);
    assert_eq!(torrent.bitfield().count(), 12);
}

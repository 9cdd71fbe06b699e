//! Disks that fail, and other programs that meddle with the files: each time an error that names the file and the reason,
//! nothing offered that is not there, and after that it goes on without loss.
#![cfg(unix)]
#![allow(missing_docs)]

mod common;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::{Sample, address, seed, session, soon, until};
use headwater_session::{
    Allocation, Detail, Event, Events, MemoryStorage, Session, State, Storage, StorageErrorKind,
    Torrent, WaitError,
};
use headwater_store::testing::{Fault, FaultStorage, OperationKind};

const PIECE: usize = 16_384;

/// A seed, and somebody who downloads from it.
struct Rig {
    sample: Sample,
    _source: tempfile::TempDir,
    seeder: Session,
    seeded: Torrent,
    leecher: Session,
}

impl Rig {
    async fn new(files: &[(&str, usize)]) -> Self {
        let sample = Sample::new(files, PIECE as u32);
        let source = tempfile::tempdir().unwrap();
        sample.write(source.path());
        let (seeder, seeded) = seed(&sample, source.path()).await;
        let leecher = session().await;
        Self {
            sample,
            _source: source,
            seeder,
            seeded,
            leecher,
        }
    }

    async fn add(&self, dir: &Path, allocation: Allocation) -> (Torrent, Events) {
        let add = self.leecher.add(self.sample.metainfo.clone()).dir(dir);
        add.allocation(allocation)
            .peers([address(&self.seeder)])
            .start_with_events()
            .await
            .unwrap()
    }

    /// The torrent has failed like that, says so everywhere, and claims nothing that is not there.
    async fn assert_failed(
        &self,
        torrent: &Torrent,
        events: &mut Events,
        kinds: &[StorageErrorKind],
        path: &Path,
    ) {
        until(events, |event| matches!(event, Event::Failed(_))).await;
        come_to_rest(torrent).await;
        let error = torrent.error().expect("an error");
        let storage = error.storage().unwrap();
        assert!(kinds.contains(&storage.kind()), "{error}");
        assert_eq!(storage.path(), path);
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert!(matches!(torrent.detail(), Detail::Failed(_)));
        assert!(matches!(
            soon("waiting", torrent.wait_complete()).await,
            Err(WaitError::Failed(_))
        ));
        self.assert_honest(torrent);
    }

    /// Every piece that is claimed is on disk. For torrents of one file.
    fn assert_honest(&self, torrent: &Torrent) {
        if self.sample.files.len() > 1 {
            return assert!(torrent.bitfield().is_clear());
        }
        let data = fs::read(&torrent.files()[0].path).unwrap_or_default();
        for piece in torrent.bitfield().ones() {
            let range = torrent.info().unwrap().geometry().piece_range(piece);
            let range = range.start as usize..range.end as usize;
            assert!(
                data.get(range.clone()) == Some(&self.sample.files[0].1[range]),
                "{piece:?}"
            );
        }
    }

    async fn assert_goes_on(&self, torrent: &Torrent) {
        self.seeded.set_upload_limit(0);
        torrent.start();
        soon("the rest", torrent.wait_complete()).await.unwrap();
        self.sample.assert_same(&torrent.dir());
        let check = soon("the check", torrent.hashcheck(..).unwrap())
            .await
            .unwrap();
        assert!(check.failed.is_empty() && torrent.error().is_none());
    }

    async fn end(self) {
        soon("the end", self.leecher.shutdown()).await;
        soon("the end", self.seeder.shutdown()).await;
    }
}

/// Waits until nothing is on its way to the disk of a torrent that has failed.
async fn come_to_rest(torrent: &Torrent) {
    // A new wish, so that what had settled before the failure does not count.
    torrent.add_peers([]);
    soon("settling", torrent.settled()).await.unwrap();
}

/// A small file system, for as long as it lives.
struct Small(tempfile::TempDir);

impl Small {
    /// `None`, with a word to whoever reads it, where mounting is not allowed.
    fn new(size: &str) -> Option<Self> {
        let small = Self(tempfile::tempdir().unwrap());
        let mounted = small.mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        if !mounted {
            println!("SKIPPED: mounting a file system is not allowed here");
        }
        mounted.then_some(small)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, options: &str) {
        assert!(self.mount(&["-o", &format!("remount,{options}")]));
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        let output = Command::new("mount")
            .args(arguments)
            .arg(self.path())
            .output();
        output.is_ok_and(|output| output.status.success())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

#[tokio::test]
async fn a_disk_that_is_too_small_shows_at_the_start() {
    let Some(disk) = Small::new("2m") else { return };
    // The first file fits, the second does not.
    let rig = Rig::new(&[("a", 1_000_000), ("b", 3_000_000)]).await;
    let (torrent, mut events) = rig.add(disk.path(), Allocation::Reserve).await;
    let full = rig.sample.path(disk.path(), 1);
    rig.assert_failed(&torrent, &mut events, &[StorageErrorKind::DiskFull], &full)
        .await;
    assert_eq!(torrent.downloaded(), 0, "nothing was asked for");
    // Still too small.
    torrent.start();
    rig.assert_failed(&torrent, &mut events, &[StorageErrorKind::DiskFull], &full)
        .await;
    disk.remount("size=16m");
    rig.assert_goes_on(&torrent).await;
    rig.end().await;
}

#[tokio::test]
async fn a_disk_that_fills_up_stops_the_download_and_loses_nothing() {
    let Some(disk) = Small::new("2m") else { return };
    let rig = Rig::new(&[("a", 4_000_000)]).await;
    let (torrent, mut events) = rig.add(disk.path(), Allocation::Sparse).await;
    let path = rig.sample.path(disk.path(), 0);
    rig.assert_failed(&torrent, &mut events, &[StorageErrorKind::DiskFull], &path)
        .await;
    let had = torrent.stats().have as usize;
    assert!(had > 1_000_000, "{had}");
    disk.remount("size=16m");
    rig.assert_goes_on(&torrent).await;
    // What could not be written came twice, and nothing else.
    let downloaded = torrent.downloaded() as usize;
    assert!(
        downloaded <= 4_000_000 + (4_000_000 - had),
        "{downloaded} with {had}"
    );
    rig.end().await;
}

#[tokio::test]
async fn a_file_system_that_cannot_be_written_is_named() {
    let Some(disk) = Small::new("16m") else {
        return;
    };
    disk.remount("ro");
    let rig = Rig::new(&[("a", 400_000)]).await;
    let (torrent, mut events) = rig.add(disk.path(), Allocation::Reserve).await;
    let path = rig.sample.path(disk.path(), 0);
    rig.assert_failed(
        &torrent,
        &mut events,
        &[StorageErrorKind::Permission],
        &path,
    )
    .await;
    disk.remount("rw");
    rig.assert_goes_on(&torrent).await;
    rig.end().await;
}

const AS_NOBODY: &str = "HEADWATER_TEST_AS_NOBODY";

/// As somebody to whom permissions mean something.
#[tokio::test]
async fn permission_that_is_taken_away_pauses_until_it_is_given_back() {
    use std::os::unix::fs::PermissionsExt;
    let test = "permission_that_is_taken_away_pauses_until_it_is_given_back";
    let Some(dir) = std::env::var_os(AS_NOBODY).map(PathBuf::from) else {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        // A copy, because not everybody may read where tests are built.
        let program = dir.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let mut command = Command::new(&program);
        command
            .args(["--exact", test, "--nocapture"])
            .current_dir(dir.path());
        command.env(AS_NOBODY, dir.path()).env("TMPDIR", dir.path());
        match command.uid(65_534).gid(65_534).output() {
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{told}");
            }
            Err(error) => println!("SKIPPED: cannot run as another user: {error}"),
        }
        return;
    };
    let target = dir.join("target");
    fs::create_dir(&target).unwrap();
    let set = |mode| fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
    let rig = Rig::new(&[("a", 400_000)]).await;
    set(0o555);
    let (torrent, mut events) = rig.add(&target, Allocation::Reserve).await;
    let path = rig.sample.path(&target, 0);
    rig.assert_failed(
        &torrent,
        &mut events,
        &[StorageErrorKind::Permission],
        &path,
    )
    .await;
    set(0o755);
    rig.assert_goes_on(&torrent).await;
    // A file that is whole needs no permission to write.
    torrent.stop();
    soon("stopping", torrent.settled()).await.unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    rig.assert_goes_on(&torrent).await;
    // One that may not be read is not offered, and is found again.
    torrent.stop();
    soon("stopping", torrent.settled()).await.unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    torrent.start();
    let check = soon("the check", torrent.hashcheck(..).unwrap()).await;
    assert!(check.is_err());
    until(&mut events, |event| matches!(event, Event::Failed(_))).await;
    assert!(torrent.bitfield().is_clear());
    let downloaded = torrent.downloaded();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    rig.assert_goes_on(&torrent).await;
    assert_eq!(torrent.downloaded(), downloaded);
    rig.end().await;
}

#[tokio::test]
async fn a_directory_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for allocation in [Allocation::Reserve, Allocation::Sparse] {
        let rig = Rig::new(&[("a", 400_000)]).await;
        let base = dir.path().join(format!("{allocation:?}"));
        let path = rig.sample.path(&base, 0);
        fs::create_dir_all(&path).unwrap();
        let (torrent, mut events) = rig.add(&base, allocation).await;
        rig.assert_failed(&torrent, &mut events, &[StorageErrorKind::WrongType], &path)
            .await;
        fs::remove_dir(&path).unwrap();
        rig.assert_goes_on(&torrent).await;
        rig.end().await;
    }
}

/// What others do to the file of a download that has begun; `kept` says whether what was there is worth something after it.
async fn assert_survives(kinds: &[StorageErrorKind], kept: bool, meddle: impl Fn(&Path)) {
    for allocation in [Allocation::Reserve, Allocation::Sparse] {
        let dir = tempfile::tempdir().unwrap();
        let rig = Rig::new(&[("a", 100 * PIECE)]).await;
        rig.seeded.set_upload_limit(800_000);
        let (torrent, mut events) = rig.add(dir.path(), allocation).await;
        let mut passed = 0;
        until(&mut events, |event| {
            passed += u32::from(matches!(event, Event::PiecePassed(_)));
            passed == 30
        })
        .await;
        let path = rig.sample.path(dir.path(), 0);
        meddle(&path);
        // At the latest then; earlier if a piece comes before it.
        let saved = soon("saving", torrent.resume_data()).await;
        assert!(
            matches!(saved, Err(WaitError::Failed(_))),
            "{kinds:?}: {saved:?}"
        );
        rig.assert_failed(&torrent, &mut events, kinds, &path).await;
        assert!(torrent.bitfield().is_clear(), "nobody knows what is left");
        rig.assert_goes_on(&torrent).await;
        let mut found = 0;
        while let Some(event) = events.try_next() {
            match event {
                Event::Checked { passed, .. } => found = found.max(passed),
                Event::Completed => break,
                _ => {}
            }
        }
        assert!(
            found > 0 || !kept,
            "{allocation:?}: what was kept is found again"
        );
        rig.end().await;
    }
}

#[tokio::test]
async fn a_file_cut_under_a_download_is_noticed() {
    assert_survives(&[StorageErrorKind::Truncated], true, |path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(50 * PIECE as u64).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_file_deleted_under_a_download_is_noticed() {
    assert_survives(&[StorageErrorKind::Missing], false, |path| {
        fs::remove_file(path).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_file_moved_away_under_a_download_is_noticed() {
    assert_survives(&[StorageErrorKind::Missing], false, |path| {
        fs::rename(path, path.with_extension("away")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_file_replaced_under_a_download_is_noticed() {
    assert_survives(
        &[StorageErrorKind::Missing, StorageErrorKind::Replaced],
        false,
        |path| {
            fs::write(path.with_extension("new"), vec![7; 100 * PIECE]).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        },
    )
    .await;
    // By a copy of itself, the old one kept: what is there is found by the check.
    assert_survives(&[StorageErrorKind::Replaced], true, |path| {
        fs::rename(path, path.with_extension("away")).unwrap();
        fs::copy(path.with_extension("away"), path).unwrap();
    })
    .await;
}

/// A download into memory that fails as it is told.
async fn faulty(rig: &Rig) -> (Arc<FaultStorage>, Torrent, Events) {
    let memory = MemoryStorage::new(rig.sample.metainfo.info().layout());
    let faults = Arc::new(FaultStorage::new(Arc::new(memory)));
    let storage = faults.clone();
    let add = rig.leecher.add(rig.sample.metainfo.clone());
    let add = add
        .storage(move |_| Ok(storage as Arc<dyn Storage>))
        .state(State::Stopped);
    let (torrent, events) = add
        .peers([address(&rig.seeder)])
        .start_with_events()
        .await
        .unwrap();
    (faults, torrent, events)
}

async fn failed(torrent: &Torrent, events: &mut Events, kind: StorageErrorKind) {
    until(events, |event| matches!(event, Event::Failed(_))).await;
    come_to_rest(torrent).await;
    assert_eq!(torrent.error().unwrap().storage().unwrap().kind(), kind);
}

#[tokio::test]
async fn a_short_write_is_no_piece() {
    let rig = Rig::new(&[("a", 50 * PIECE)]).await;
    let (faults, torrent, mut events) = faulty(&rig).await;
    // Bytes that came and could not be written.
    let mut lost = 0;
    for written in [1, PIECE - 1] {
        faults.inject(Fault {
            after: 10,
            times: usize::MAX,
            written,
            ..Fault::next(OperationKind::Write, ErrorKind::WriteZero)
        });
        torrent.start();
        failed(&torrent, &mut events, StorageErrorKind::Io).await;
        let claimed: Vec<_> = torrent.bitfield().ones().collect();
        assert!(claimed.len() >= 10 && !torrent.is_complete(), "{claimed:?}");
        for piece in claimed {
            let check = soon("the check", torrent.hashcheck(piece).unwrap())
                .await
                .unwrap();
            assert!(check.failed.is_empty(), "{piece:?} is claimed");
        }
        faults.heal();
        lost += torrent.left() as usize;
    }
    torrent.start();
    soon("the rest", torrent.wait_complete()).await.unwrap();
    assert!(torrent.downloaded() as usize <= 50 * PIECE + lost);
    rig.end().await;
}

#[tokio::test]
async fn a_read_error_in_a_check_is_no_verdict() {
    let rig = Rig::new(&[("a", 50 * PIECE)]).await;
    let (faults, torrent, mut events) = faulty(&rig).await;
    torrent.start();
    soon("the download", torrent.wait_complete()).await.unwrap();
    let downloaded = torrent.downloaded();
    faults.inject(Fault {
        times: 3,
        ..Fault::next(OperationKind::Read, ErrorKind::Other)
    });
    let check = soon("the check", torrent.hashcheck(..).unwrap()).await;
    assert!(check.is_err());
    failed(&torrent, &mut events, StorageErrorKind::Io).await;
    assert_eq!(
        torrent.bitfield().count(),
        47,
        "what cannot be read is not offered"
    );
    faults.heal();
    torrent.start();
    soon("going on", torrent.settled()).await.unwrap();
    assert!(torrent.is_seed() && torrent.is_complete());
    assert_eq!(
        torrent.downloaded(),
        downloaded,
        "it was there all the time"
    );
    rig.end().await;
}

#[tokio::test]
async fn a_read_error_while_serving_pauses_the_seed() {
    let rig = Rig::new(&[("a", 50 * PIECE)]).await;
    let (faults, torrent, mut events) = faulty(&rig).await;
    torrent.start();
    soon("the download", torrent.wait_complete()).await.unwrap();
    faults.inject(Fault {
        after: 20,
        times: usize::MAX,
        ..Fault::next(OperationKind::Read, ErrorKind::Other)
    });
    let (third, dir) = (session().await, tempfile::tempdir().unwrap());
    let add = third.add(rig.sample.metainfo.clone()).dir(dir.path());
    let behind = add.peers([address(&rig.leecher)]).await.unwrap();
    failed(&torrent, &mut events, StorageErrorKind::Io).await;
    assert!(!torrent.is_seed() && !behind.is_complete());
    faults.heal();
    torrent.start();
    soon("the other end", behind.wait_complete()).await.unwrap();
    rig.sample.assert_same(dir.path());
    assert!(torrent.is_seed());
    soon("the end", third.shutdown()).await;
    rig.end().await;
}

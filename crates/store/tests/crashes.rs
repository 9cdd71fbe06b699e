//! What resume data claims is there after a crash.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;

use bytes::Bytes;
use headwater_metainfo::PieceIndex;
use headwater_store::testing::{CrashStorage, Fault, FaultStorage, OperationKind, Sample};
use headwater_store::{
    Contents, FileOptions, FileStorage, MemoryStorage, Options, PieceCheck, PieceStore, ResumeData,
    ResumeError, Storage,
};
use proptest::prelude::*;

fn sample() -> Arc<Sample> {
    let files = [
        ("a", 70_000),
        ("b", 0),
        ("c", 33_000),
        ("d", 5),
        ("e", 90_000),
    ];
    Arc::new(Sample::new(files, 32_768))
}

fn store(sample: &Arc<Sample>, storage: Arc<dyn Storage>, write_back_bytes: usize) -> PieceStore {
    PieceStore::new(sample.clone(), storage, Options { write_back_bytes })
}

fn resume(sample: &Sample, store: &PieceStore) -> ResumeData {
    ResumeData::new(sample.info_hash(), store.checkpoint().unwrap())
}

#[derive(Debug, Clone)]
enum Step {
    Block(u32, u32),
    BadBlock(u32, u32),
    Complete(u32),
    Checkpoint,
    FailedSync,
    Crash(Vec<u32>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => (0u32..6, 0u32..2).prop_map(|(piece, block)| Step::Block(piece, block)),
        1 => (0u32..6, 0u32..2).prop_map(|(piece, block)| Step::BadBlock(piece, block)),
        8 => (0u32..6).prop_map(Step::Complete),
        3 => Just(Step::Checkpoint),
        1 => Just(Step::FailedSync),
        2 => prop::collection::vec(0u32..20_000, 1..5).prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 1..80)
}

/// A download that is interrupted again and again.
struct Download {
    sample: Arc<Sample>,
    disk: Arc<MemoryStorage>,
    cache: Arc<CrashStorage>,
    faults: Arc<FaultStorage>,
    store: PieceStore,
    budget: usize,
    saved: Option<Vec<u8>>,
    /// Claims that were still trusted after a crash.
    trusted: u32,
}

impl Download {
    fn new(budget: usize) -> Self {
        let sample = sample();
        let disk = Arc::new(MemoryStorage::new(sample.layout()));
        let cache = Arc::new(CrashStorage::new(disk.clone()));
        let faults = Arc::new(FaultStorage::new(cache.clone()));
        let store = store(&sample, faults.clone(), budget);
        Self {
            sample,
            disk,
            cache,
            faults,
            store,
            budget,
            saved: None,
            trusted: 0,
        }
    }

    fn run(&mut self, step: &Step) {
        let geometry = self.sample.geometry();
        match *step {
            Step::Block(piece, block) | Step::BadBlock(piece, block) => {
                let Some(span) = geometry.block(PieceIndex(piece), block) else {
                    return;
                };
                let bad = Bytes::from(vec![0x55; span.length as usize]);
                let is_bad = matches!(step, Step::BadBlock(..));
                let data = if is_bad { bad } else { self.sample.block(span) };
                if !self.store.verified().has(span.piece) {
                    self.store.add_block(span, data).unwrap();
                }
            }
            Step::Complete(piece) => drop(self.store.complete(&[PieceIndex(piece)])),
            Step::Checkpoint => {
                self.saved = Some(resume(&self.sample, &self.store).encode());
            }
            Step::FailedSync => {
                self.faults
                    .inject(Fault::next(OperationKind::Sync, ErrorKind::Other));
                assert!(self.store.checkpoint().is_err());
                // As the system does: what it could not write it forgets.
                self.cache.crash(|_, _| 0).unwrap();
            }
            Step::Crash(ref kept) => {
                let kept = |number: usize, _| kept[number % kept.len()] as usize;
                self.cache.crash(kept).unwrap();
                self.restart();
            }
        }
    }

    fn restart(&mut self) {
        self.store = store(&self.sample, self.faults.clone(), self.budget);
        let Some(saved) = &self.saved else { return };
        let saved = ResumeData::decode(saved).unwrap();
        let trusted = saved
            .validate(&*self.sample, &self.disk.stamps().unwrap())
            .unwrap();
        for piece in trusted.have.ones() {
            let mut bytes = vec![0; self.sample.geometry().piece_size(piece) as usize];
            let start = self.sample.geometry().piece_start(piece);
            self.disk.read_at(start, &mut bytes).unwrap();
            assert!(bytes == self.sample.piece(piece), "{piece:?} was claimed");
            self.trusted += 1;
        }
        self.store.trust(&trusted.have);
        for (piece, blocks) in &trusted.partial {
            self.store.restore_partial(*piece, blocks);
        }
    }

    fn finish(&self) {
        for piece in self.store.verified().zeros() {
            // A bad block may have come before: then the piece fails once.
            for _ in 0..2 {
                for block in self.sample.geometry().blocks(piece) {
                    self.store
                        .add_block(block, self.sample.block(block))
                        .unwrap();
                }
                let result = self.store.complete(&[piece]).remove(0).1.unwrap();
                if result == PieceCheck::Passed {
                    break;
                }
            }
        }
        let mut all = vec![0; self.sample.data().len()];
        self.store.read(0, &mut all).unwrap();
        assert!(all == self.sample.data()[..]);
        assert!(self.store.checkpoint().is_ok());
    }
}

proptest! {
    #[test]
    fn no_claim_outlives_its_data(steps in steps(), budget in prop_oneof![Just(0), Just(20_000), Just(1 << 20)]) {
        let mut download = Download::new(budget);
        for step in &steps {
            download.run(step);
        }
        if !steps.iter().any(|step| matches!(step, Step::FailedSync)) {
            download.finish();
        }
    }
}

#[test]
fn claims_are_trusted_when_nothing_happened() {
    let mut download = Download::new(1 << 20);
    for piece in 0..4 {
        for block in 0..2 {
            download.run(&Step::Block(piece, block));
        }
        download.run(&Step::Complete(piece));
    }
    download.run(&Step::Block(4, 1));
    download.run(&Step::Checkpoint);
    download.run(&Step::Crash(vec![0]));
    assert_eq!(download.trusted, 4);
    download.run(&Step::Block(4, 0));
    download.run(&Step::Complete(4));
    assert!(
        download.store.verified().has(PieceIndex(4)),
        "its other block came from the disk"
    );
}

#[test]
fn what_a_failed_sync_left_in_doubt_is_not_claimed() {
    let mut download = Download::new(1 << 20);
    let fetch = |download: &mut Download, piece| {
        download.run(&Step::Block(piece, 0));
        download.run(&Step::Block(piece, 1));
        download.run(&Step::Complete(piece));
    };
    fetch(&mut download, 0);
    download.run(&Step::Checkpoint);
    fetch(&mut download, 1);
    download.run(&Step::FailedSync);
    fetch(&mut download, 2);
    let claimed = resume(&download.sample, &download.store).have;
    assert_eq!(
        claimed.ones().collect::<Vec<_>>(),
        [PieceIndex(0), PieceIndex(2)]
    );
    // Written once more, it may be claimed.
    for block in download.sample.geometry().blocks(PieceIndex(1)) {
        download
            .store
            .add_block(block, download.sample.block(block))
            .unwrap();
    }
    download.run(&Step::Complete(1));
    assert!(
        resume(&download.sample, &download.store)
            .have
            .has(PieceIndex(1))
    );
}

#[test]
fn only_changed_files_lose_their_pieces() {
    let sample = sample();
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let storage = FileStorage::new(sample.clone(), dir.path(), FileOptions::default());
        Arc::new(storage.unwrap())
    };
    let storage = open();
    storage.prepare().unwrap();
    let first = store(&sample, storage, 1 << 20);
    for piece in sample.geometry().pieces() {
        for block in sample.geometry().blocks(piece) {
            first.add_block(block, sample.block(block)).unwrap();
        }
        assert_eq!(
            first.complete(&[piece]).remove(0).1.unwrap(),
            PieceCheck::Passed
        );
    }
    let state = dir.path().join("state");
    resume(&sample, &first).save(&state).unwrap();
    drop(first);

    let saved = ResumeData::load(&state).unwrap();
    let trusted = saved.validate(&*sample, &open().stamps().unwrap()).unwrap();
    assert!(trusted.have.is_full() && trusted.changed.is_empty());

    // File c lies in pieces 2 and 3.
    fs::write(dir.path().join("c"), "something else").unwrap();
    let trusted = saved.validate(&*sample, &open().stamps().unwrap()).unwrap();
    let expected: Vec<_> = [0, 1, 4, 5].map(PieceIndex).into();
    assert_eq!(trusted.have.ones().collect::<Vec<_>>(), expected);
    assert_eq!(
        trusted.to_check(&*sample).ones().collect::<Vec<_>>(),
        [2, 3].map(PieceIndex)
    );
    fs::remove_file(dir.path().join("a")).unwrap();
    let trusted = saved.validate(&*sample, &open().stamps().unwrap()).unwrap();
    assert_eq!(trusted.have.count(), 2);
}

#[test]
fn resume_data_of_another_torrent_or_version_is_refused() {
    let sample = sample();
    let other = Arc::new(Sample::new([("a", 70_000)], 32_768));
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new(sample.layout()));
    let resume = resume(&sample, &store(&sample, storage.clone(), 0));
    let stamps = storage.stamps().unwrap();
    assert!(matches!(
        resume.validate(&*other, &stamps),
        Err(ResumeError::OtherTorrent)
    ));
    let mut bytes = resume.encode();
    bytes[11] = 2;
    assert!(matches!(
        ResumeData::decode(&bytes),
        Err(ResumeError::Version(2))
    ));
    assert!(matches!(
        ResumeData::decode(b"HW"),
        Err(ResumeError::NotResumeData)
    ));
}

#[test]
fn saving_replaces_in_one_step_and_leaves_nothing_behind() {
    let sample = sample();
    let storage = Arc::new(MemoryStorage::new(sample.layout()));
    let mut resume = resume(&sample, &store(&sample, storage, 0));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    for uploaded in 1..4 {
        resume.uploaded = uploaded;
        resume.save(&path).unwrap();
        assert_eq!(ResumeData::load(&path).unwrap(), resume);
    }
    // A folder in the way: an error, and no temporary file.
    let folder = dir.path().join("folder");
    fs::create_dir_all(folder.join("full")).unwrap();
    assert!(matches!(resume.save(&folder), Err(ResumeError::Io { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    assert!(ResumeData::load(dir.path().join("absent")).is_err());
}

#[test]
fn blocks_of_incomplete_pieces_in_doubt_are_not_claimed_either() {
    let mut download = Download::new(0);
    download.run(&Step::Block(0, 0));
    download
        .faults
        .inject(Fault::next(OperationKind::Sync, ErrorKind::Other));
    assert!(download.store.checkpoint().is_err());
    assert!(download.store.flush().unwrap().is_empty());
    // The page cache still has it, so the piece is complete; it is not claimed.
    download.run(&Step::Block(0, 1));
    download.run(&Step::Complete(0));
    assert!(download.store.verified().has(PieceIndex(0)));
    assert!(resume(&download.sample, &download.store).have.is_clear());
}

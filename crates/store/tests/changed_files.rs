//! What is served of files that another program changes under us.
#![cfg(unix)]

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use headwater_metainfo::{BlockSpan, PieceIndex};
use headwater_store::testing::Sample;
use headwater_store::{
    Contents, FileOptions, FileStorage, Options, PieceCheck, PieceStore, Pool, PoolOptions,
    Storage, StorageErrorKind,
};

const BLOCK: u32 = 16_384;
const LENGTH: u64 = 20 * BLOCK as u64 + 777;

struct Place {
    sample: Arc<Sample>,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sample = Arc::new(Sample::new([("file", LENGTH)], 2 * u64::from(BLOCK)));
        let path = dir.path().join("file");
        fs::write(&path, sample.data()).unwrap();
        // Long enough ago for any clock to tell.
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let time = SystemTime::now() - Duration::from_mins(1);
        file.set_modified(time).unwrap();
        Self { sample, dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("file")
    }

    /// A store that only reads, with every piece checked.
    fn seed(&self, max_mapped_bytes: u64) -> PieceStore {
        let options = FileOptions {
            read_only: true,
            pool: Pool::new(PoolOptions {
                max_mapped_bytes,
                ..PoolOptions::default()
            }),
            ..FileOptions::default()
        };
        let storage = FileStorage::new(self.sample.clone(), self.dir.path(), options).unwrap();
        storage.stamps().unwrap();
        let store = PieceStore::new(self.sample.clone(), Arc::new(storage), Options::default());
        for piece in self.sample.geometry().pieces() {
            assert_eq!(store.check(piece).unwrap(), PieceCheck::Passed);
        }
        store
    }

    fn block(&self, piece: u32, block: u32) -> BlockSpan {
        let geometry = self.sample.geometry();
        geometry.block(PieceIndex(piece), block).unwrap()
    }
}

fn cut(path: &Path, length: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

/// What comes out of a socket into which a block is written.
fn sent(block: &Bytes) -> Vec<u8> {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    // An error is what the writer of a session gets too: it closes the connection then.
    let _ = here.write_all(block);
    drop(here);
    let mut got = Vec::new();
    there.read_to_end(&mut got).unwrap();
    got
}

#[test]
fn a_block_that_was_given_out_is_right_though_its_file_is_cut_before_it_is_sent() {
    let place = Place::new();
    let store = place.seed(PoolOptions::default().max_mapped_bytes);
    let span = place.block(4, 0);
    let block = store.read_block(span).unwrap();
    // Inside of the block's last page: what is left of the page reads as zeros, through a map.
    cut(&place.path(), 9 * u64::from(BLOCK) - 2_000);
    let got = sent(&block);
    assert!(
        place.sample.block(span).starts_with(&got),
        "zeros were sent"
    );
}

#[test]
fn a_cut_file_gives_its_beginning_and_nothing_else() {
    let place = Place::new();
    let store = place.seed(0);
    let end = 8 * u64::from(BLOCK) + 5_000;
    cut(&place.path(), end);
    let error = store.read_block(place.block(4, 0)).unwrap_err();
    assert_eq!(error.storage().unwrap().kind(), StorageErrorKind::Truncated);
    // What is left has to be checked before it is given out.
    let error = store.read_block(place.block(1, 0)).unwrap_err();
    assert_eq!(error.storage().unwrap().kind(), StorageErrorKind::Changed);
    assert_eq!(store.verified().count(), 0);
    assert_eq!(store.check(PieceIndex(1)).unwrap(), PieceCheck::Passed);
    assert_eq!(store.check(PieceIndex(4)).unwrap(), PieceCheck::Failed);
    let span = place.block(1, 1);
    assert_eq!(store.read_block(span).unwrap(), place.sample.block(span));
}

#[test]
fn a_file_that_was_cut_and_made_long_again_is_not_taken_for_what_it_was() {
    for max_mapped_bytes in [0, 1 << 20] {
        let place = Place::new();
        let store = place.seed(max_mapped_bytes);
        let span = place.block(9, 0);
        store.read_block(span).unwrap();
        cut(&place.path(), LENGTH / 2 + 1);
        cut(&place.path(), LENGTH);
        assert!(store.read_block_cached(span).is_none());
        let error = store.read_block(span).unwrap_err();
        assert_eq!(error.storage().unwrap().kind(), StorageErrorKind::Changed);
        assert_eq!(store.check(span.piece).unwrap(), PieceCheck::Failed);
        assert_eq!(store.check(PieceIndex(0)).unwrap(), PieceCheck::Passed);
        assert!(store.read_block(place.block(0, 0)).is_ok());
    }
}

#[test]
fn a_file_that_was_written_to_or_replaced_is_not_taken_for_what_it_was() {
    let overwrite = |path: &Path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&[0; 100], 100).unwrap();
    };
    let replace = |path: &Path| {
        let other = path.with_extension("other");
        fs::write(&other, vec![0; LENGTH as usize]).unwrap();
        fs::rename(other, path).unwrap();
    };
    for (change, must_forget) in [(overwrite as fn(&Path), false), (replace, true)] {
        let place = Place::new();
        let store = place.seed(0);
        change(&place.path());
        if must_forget {
            // Until its descriptor is closed, the old file goes on being served, which does no harm.
            store.storage().release().unwrap();
        }
        let error = store.read_block(place.block(0, 0)).unwrap_err();
        assert_eq!(error.storage().unwrap().kind(), StorageErrorKind::Changed);
        assert_eq!(store.verified().count(), 0);
        assert_eq!(store.check(PieceIndex(0)).unwrap(), PieceCheck::Failed);
    }
}

#[test]
fn resume_data_of_a_seed_does_not_claim_a_file_that_has_changed() {
    let place = Place::new();
    let store = place.seed(0);
    let file = OpenOptions::new().write(true).open(place.path()).unwrap();
    file.write_all_at(b"other", 1_000).unwrap();
    let checkpoint = store.checkpoint().unwrap();
    let info_hash = place.sample.info_hash();
    let resume = headwater_store::ResumeData::new(info_hash, checkpoint);
    let options = FileOptions::default();
    let again = FileStorage::new(place.sample.clone(), place.dir.path(), options).unwrap();
    let trusted = resume.validate(&*place.sample, &again.stamps().unwrap());
    assert_eq!(trusted.unwrap().have.count(), 0);
}

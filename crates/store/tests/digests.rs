//! What a store says of the blocks of bad pieces and of good ones.

use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use headwater_metainfo::{Bitfield, BlockDigest, BlockSpan, PieceIndex};
use headwater_store::testing::{Fault, FaultStorage, OperationKind, Sample};
use headwater_store::{
    Completed, Contents, MemoryStorage, Options, PieceCheck, PieceStore, Storage, StoreError,
};

const PIECE: PieceIndex = PieceIndex(1);

struct Rig {
    sample: Arc<Sample>,
    storage: Arc<FaultStorage>,
    store: PieceStore,
}

impl Rig {
    /// Two pieces of four blocks; the last block is short.
    fn new(write_back_bytes: usize) -> Self {
        let sample = Arc::new(Sample::new([("a", 50_000), ("b", 80_000)], 65_536));
        let memory = Arc::new(MemoryStorage::new(sample.layout()));
        let storage = Arc::new(FaultStorage::new(memory));
        let options = Options { write_back_bytes };
        Self {
            store: PieceStore::new(sample.clone(), storage.clone(), options),
            sample,
            storage,
        }
    }

    fn blocks(&self) -> Vec<BlockSpan> {
        self.sample.geometry().blocks(PIECE).collect()
    }

    /// What a block is, or what it is when somebody spoils it.
    fn block(&self, span: BlockSpan, is_good: bool) -> Bytes {
        let mut data = self.sample.block(span).to_vec();
        data[7] ^= u8::from(!is_good);
        data.into()
    }

    fn add(&self, index: usize, is_good: bool) {
        let span = self.blocks()[index];
        let data = self.block(span, is_good);
        self.store.add_block(span, data).unwrap();
    }

    fn digest(&self, index: usize, is_good: bool) -> BlockDigest {
        BlockDigest::of(&self.block(self.blocks()[index], is_good))
    }

    fn complete(&self) -> Completed {
        let mut results = self.store.complete_with_digests(&[PIECE]);
        assert_eq!(results.len(), 1);
        results.remove(0).1.unwrap()
    }

    /// What is said of a bad piece of which block 2 is bad.
    fn third_is_bad(&self) -> Completed {
        let digests = (0..4).map(|index| Some(self.digest(index, index != 2)));
        Completed::Failed(digests.collect())
    }
}

#[test]
fn each_block_of_a_bad_piece_is_known_by_what_was_in_it() {
    // In memory; on disk, read back; some of both.
    for write_back_bytes in [1 << 20, 0, 30_000] {
        let rig = Rig::new(write_back_bytes);
        (0..4).for_each(|index| rig.add(index, index != 2));
        assert_eq!(rig.complete(), rig.third_is_bad());
        // It is gone, and a good copy passes.
        (0..4).for_each(|index| rig.add(index, true));
        assert_eq!(rig.complete(), Completed::Passed);
    }
}

#[test]
fn several_pieces_are_told_apart() {
    let rig = Rig::new(1 << 20);
    for span in rig.sample.geometry().blocks(PieceIndex(0)) {
        rig.store.add_block(span, rig.sample.block(span)).unwrap();
    }
    (0..4).for_each(|index| rig.add(index, index != 2));
    let results = rig.store.complete_with_digests(&[PieceIndex(0), PIECE]);
    let results: Vec<_> = results
        .into_iter()
        .map(|(_, result)| result.unwrap())
        .collect();
    assert_eq!(results, [Completed::Passed, rig.third_is_bad()]);
}

#[test]
fn what_was_there_before_is_nobodys() {
    let rig = Rig::new(1 << 20);
    let start = rig.sample.geometry().piece_start(PIECE);
    rig.storage
        .write_at(start, &[IoSlice::new(&vec![0; 32_768])])
        .unwrap();
    let mut restored = Bitfield::new(4);
    restored.set(PieceIndex(1));
    rig.store.restore_partial(PIECE, &restored);
    // It is dropped, because there is one already.
    (0..4).for_each(|index| rig.add(index, true));
    let mut expected: Vec<_> = (0..4).map(|index| Some(rig.digest(index, true))).collect();
    expected[1] = None;
    assert_eq!(rig.complete(), Completed::Failed(expected));
}

#[test]
fn what_a_failed_sync_may_have_lost_is_nobodys() {
    let rig = Rig::new(1 << 20);
    (0..2).for_each(|index| rig.add(index, true));
    rig.storage
        .inject(Fault::next(OperationKind::Sync, ErrorKind::Other));
    rig.store.checkpoint().unwrap_err();
    // The system has dropped what it could not write.
    let start = rig.sample.geometry().piece_start(PIECE);
    rig.storage
        .write_at(start, &[IoSlice::new(&[0; 16_384])])
        .unwrap();
    (2..4).for_each(|index| rig.add(index, true));
    let late = (2..4).map(|index| Some(rig.digest(index, true)));
    let expected = [None, None].into_iter().chain(late).collect();
    assert_eq!(rig.complete(), Completed::Failed(expected));
}

#[test]
fn each_block_of_a_good_piece_is_known_by_what_is_in_it() {
    let rig = Rig::new(1 << 20);
    let error = rig.store.block_digests(PIECE).unwrap_err();
    assert!(matches!(error, StoreError::NotVerified(PIECE)), "{error}");
    (0..4).for_each(|index| rig.add(index, true));
    assert_eq!(rig.complete(), Completed::Passed);
    let good: Vec<_> = (0..4).map(|index| rig.digest(index, true)).collect();
    assert_eq!(rig.store.block_digests(PIECE).unwrap(), good);
    let error = rig.store.block_digests(PieceIndex(2)).unwrap_err();
    assert!(matches!(error, StoreError::OutOfRange(_)), "{error}");
}

#[test]
fn what_is_not_good_any_more_shows_nothing() {
    let rig = Rig::new(1 << 20);
    (0..4).for_each(|index| rig.add(index, true));
    assert_eq!(rig.complete(), Completed::Passed);
    // Somebody writes to the file.
    let start = rig.sample.geometry().piece_start(PIECE);
    rig.storage
        .write_at(start, &[IoSlice::new(&[0; 100])])
        .unwrap();
    let error = rig.store.block_digests(PIECE).unwrap_err();
    assert!(matches!(error, StoreError::NotVerified(PIECE)), "{error}");
    assert!(!rig.store.verified().has(PIECE));
    assert_eq!(rig.store.check(PIECE).unwrap(), PieceCheck::Failed);
}

//! The lane's order and batches.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use headwater_metainfo::PieceIndex;
use headwater_store::testing::Sample;
use headwater_store::{Contents, MemoryStorage, Options, PieceCheck, PieceStore};

use super::{DiskEvent, DiskPool, Lane, Op};

const PATIENCE: Duration = Duration::from_mins(1);

struct Rig {
    sample: Arc<Sample>,
    pool: Arc<DiskPool>,
    lane: Arc<Lane>,
    events: Receiver<DiskEvent>,
}

impl Rig {
    fn new(threads: usize, pieces: usize) -> Self {
        let sample = Arc::new(Sample::new([("f", pieces as u64 * 32_768)], 32_768));
        let storage = Arc::new(MemoryStorage::new(sample.layout()));
        let store = PieceStore::new(sample.clone(), storage, Options::default());
        let pool = Arc::new(DiskPool::start(threads).unwrap());
        let (report, events) = channel();
        let report = move |event| drop(report.send(event));
        let lane = Lane::new(Arc::new(store), pool.clone(), Box::new(report));
        Self {
            sample,
            pool,
            lane,
            events,
        }
    }

    /// Submits a piece's blocks and its completion.
    fn submit(&self, piece: u32) {
        let piece = PieceIndex(piece);
        let blocks = self.sample.geometry().blocks(piece);
        let stores = blocks.map(|block| Op::Store(block, self.sample.block(block)));
        self.lane.submit(stores.chain([Op::Complete(piece)]));
    }

    /// The size of the next batch, all of it good.
    fn next_batch(&self) -> usize {
        match self.events.recv_timeout(PATIENCE).unwrap() {
            DiskEvent::Checked(results) => {
                let good = |result: &Result<_, _>| matches!(result, Ok(PieceCheck::Passed));
                assert!(
                    results.iter().all(|(_, result)| good(result)),
                    "{results:?}"
                );
                results.len()
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_waits_together_is_hashed_together() {
    let rig = Rig::new(1, 8);
    let (release, held) = channel::<()>();
    rig.pool.submit(move || {
        let _ = held.recv();
    });
    (0..8).for_each(|piece| rig.submit(piece));
    drop(release);
    assert_eq!(rig.next_batch(), 8);
}

#[test]
fn one_that_comes_alone_is_hashed_at_once() {
    let rig = Rig::new(1, 2);
    rig.submit(0);
    assert_eq!(rig.next_batch(), 1);
    rig.submit(1);
    assert_eq!(rig.next_batch(), 1);
}

#[test]
fn several_threads_lose_nothing_and_keep_each_piece_in_order() {
    let rig = Rig::new(4, 200);
    (0..200).for_each(|piece| rig.submit(piece));
    let mut checked = 0;
    while checked < 200 {
        checked += rig.next_batch();
    }
    assert_eq!(checked, 200);
    assert!(rig.events.try_recv().is_err(), "nothing is said twice");
}

#[test]
fn a_job_that_panics_takes_no_thread_with_it() {
    let pool = DiskPool::start(1).unwrap();
    pool.submit(|| panic!("as the test wants it"));
    let (done, wait) = channel();
    pool.submit(move || done.send(()).unwrap());
    wait.recv_timeout(PATIENCE).unwrap();
}

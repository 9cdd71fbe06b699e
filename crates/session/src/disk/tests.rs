//! The lane's order and batches.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use std::io::IoSlice;

use bytes::Bytes;
use headwater_metainfo::{Bitfield, BlockDigest, BlockSpan, FileIndex, PieceIndex};
use headwater_store::testing::Sample;
use headwater_store::{
    Completed, Contents, FileStamp, MemoryStorage, Options, PieceStore, Storage, StorageError,
};
use headwater_wire::Message;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{DiskEvent, DiskPool, Lane, Op};
use crate::peer::testing::key;
use crate::peer::{Outbound, Outbox};

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
                let good = |result: &Result<_, _>| matches!(result, Ok(Completed::Passed));
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
fn a_bad_piece_is_told_by_its_blocks_and_so_is_a_good_copy() {
    let rig = Rig::new(1, 1);
    let piece = PieceIndex(0);
    let blocks: Vec<_> = rig.sample.geometry().blocks(piece).collect();
    let (good, bad) = (rig.sample.block(blocks[0]), Bytes::from(vec![0; 16_384]));
    rig.lane.submit([
        Op::Store(blocks[0], good.clone()),
        Op::Store(blocks[1], bad.clone()),
        Op::Complete(piece),
    ]);
    let told = [&good, &bad].map(|block| Some(BlockDigest::of(block)));
    match rig.events.recv_timeout(PATIENCE).unwrap() {
        DiskEvent::Checked(mut results) => {
            let result = results.remove(0).1.unwrap();
            assert_eq!(result, Completed::Failed(told.to_vec()));
        }
        other => panic!("{other:?}"),
    }
    rig.submit(0);
    assert_eq!(rig.next_batch(), 1);
    rig.lane.digest(piece);
    match rig.events.recv_timeout(PATIENCE).unwrap() {
        DiskEvent::Digested(_, digests) => {
            let good = blocks.iter().map(|&block| rig.sample.block(block));
            let good: Vec<_> = good.map(|block| BlockDigest::of(&block)).collect();
            assert_eq!(digests.unwrap(), good);
        }
        other => panic!("{other:?}"),
    }
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

/// Notes what is read, and reads one piece only when it is let.
#[derive(Debug)]
struct Gated {
    data: Bytes,
    reads: Mutex<Vec<(u64, usize)>>,
    /// Bytes that have to wait, and what they wait for.
    gate: (std::ops::Range<u64>, Mutex<Receiver<()>>),
}

impl Storage for Gated {
    fn read_shared(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        self.reads.lock().push((offset, length));
        if self.gate.0.contains(&offset) {
            let _ = self.gate.1.lock().recv();
        }
        Ok(self.data.slice(offset as usize..offset as usize + length))
    }

    fn prepare(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn write_at(&self, _: u64, _: &[IoSlice<'_>]) -> Result<(), StorageError> {
        unreachable!("nothing is written")
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> Result<(), StorageError> {
        unreachable!("blocks are shared")
    }

    fn set_wanted(&self, _: &[bool]) -> Result<(), StorageError> {
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn finish_file(&self, _: FileIndex) -> Result<(), StorageError> {
        Ok(())
    }

    fn release(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn stamps(&self) -> Result<Vec<FileStamp>, StorageError> {
        Ok(Vec::new())
    }
}

/// A lane over 8 pieces of 256 KiB, of which one waits at a gate.
struct Server {
    lane: Arc<Lane>,
    storage: Arc<Gated>,
    sample: Arc<Sample>,
    gate: std::sync::mpsc::Sender<()>,
}

impl Server {
    fn new(threads: usize, gated: u32) -> Self {
        let sample = Arc::new(Sample::new([("f", 8 << 18)], 1 << 18));
        let (gate, waits) = channel();
        let start = u64::from(gated) << 18;
        let storage = Arc::new(Gated {
            data: sample.data().clone(),
            reads: Mutex::default(),
            gate: (start..start + (1 << 18), Mutex::new(waits)),
        });
        let store = PieceStore::new(sample.clone(), storage.clone(), Options::default());
        store.trust(&Bitfield::full(8));
        let pool = Arc::new(DiskPool::start(threads).unwrap());
        let lane = Lane::new(Arc::new(store), pool, Box::new(|_| {}));
        Self {
            lane,
            storage,
            sample,
            gate,
        }
    }

    fn block(&self, piece: u32, block: u32) -> BlockSpan {
        self.sample
            .geometry()
            .block(PieceIndex(piece), block)
            .unwrap()
    }
}

struct Peer {
    outbox: Outbox,
    receiver: mpsc::UnboundedReceiver<Vec<Outbound>>,
}

impl Peer {
    fn new() -> Self {
        let (outbox, receiver) = Outbox::new(key());
        Self { outbox, receiver }
    }

    fn ask(&mut self, lane: &Arc<Lane>, blocks: &[BlockSpan]) {
        for block in blocks {
            self.outbox.serve(*block);
        }
        let (target, blocks) = self.outbox.flush(|_| None).unwrap();
        lane.serve(target, blocks);
    }

    /// The blocks of the next delivery, whose bytes must be right.
    async fn next(&mut self, sample: &Sample) -> Vec<BlockSpan> {
        let delivery = tokio::time::timeout(PATIENCE, self.receiver.recv()).await;
        let delivery = delivery.expect("a delivery in time").unwrap();
        delivery
            .into_iter()
            .map(|outbound| match outbound {
                Outbound::Message(Message::Piece {
                    piece,
                    offset,
                    data,
                }) => {
                    let length = data.len() as u32;
                    let block = BlockSpan {
                        piece,
                        offset,
                        length,
                    };
                    assert_eq!(data, sample.block(block));
                    block
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

#[tokio::test]
async fn neighbouring_blocks_are_read_at_once() {
    let server = Server::new(1, 7);
    let mut peer = Peer::new();
    let blocks: Vec<_> = [(0, 1), (0, 2), (0, 3), (0, 5), (1, 0), (1, 1), (0, 0)]
        .map(|(piece, block)| server.block(piece, block))
        .into();
    peer.ask(&server.lane, &blocks);
    let mut got = Vec::new();
    while got.len() < blocks.len() {
        got.extend(peer.next(&server.sample).await);
    }
    assert_eq!(got, blocks);
    let block = 16_384;
    let expected = [
        (block, 3 * block),
        (5 * block, block),
        (1 << 18, 2 * block),
        (0, block),
    ];
    let expected = expected.map(|(offset, length)| (offset as u64, length));
    assert_eq!(*server.storage.reads.lock(), expected);

    // A whole piece goes in halves of 128 KiB.
    server.storage.reads.lock().clear();
    let blocks: Vec<_> = (0..16).map(|block| server.block(2, block)).collect();
    peer.ask(&server.lane, &blocks);
    let mut got = peer.next(&server.sample).await;
    got.extend(peer.next(&server.sample).await);
    assert_eq!(got, blocks);
    let half = 1 << 17;
    let reads = server.storage.reads.lock().clone();
    assert_eq!(reads, [(2 << 18, half), ((2 << 18) + half as u64, half)]);
}

#[tokio::test]
async fn a_slow_read_holds_up_nobody_else() {
    let server = Server::new(2, 3);
    let (mut slow, mut quick) = (Peer::new(), Peer::new());
    // What was read before the disk makes it wait is with the peer already.
    slow.ask(
        &server.lane,
        &[server.block(0, 0), server.block(3, 0), server.block(1, 0)],
    );
    assert_eq!(slow.next(&server.sample).await, [server.block(0, 0)]);
    for block in 0..16 {
        quick.ask(&server.lane, &[server.block(4, block)]);
        assert_eq!(quick.next(&server.sample).await, [server.block(4, block)]);
    }
    assert!(slow.receiver.try_recv().is_err());
    server.gate.send(()).unwrap();
    assert_eq!(slow.next(&server.sample).await, [server.block(3, 0)]);
    assert_eq!(slow.next(&server.sample).await, [server.block(1, 0)]);
}

//! Disks that take their time: nobody else waits, and what they say late does not count against a new attempt.
#![allow(missing_docs)]

mod common;

use std::io::{ErrorKind, IoSlice};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use common::{PATIENCE, Sample, address, builder, seed, session, soon, until};
use headwater_session::{Event, FileIndex, MemoryStorage, Storage, StorageError};
use headwater_store::{FileOptions, FileStamp, FileStorage, Operation};
use parking_lot::Mutex;

/// A storage in front of one range of which a gate stands.
#[derive(Debug)]
struct Gated {
    inner: Arc<dyn Storage>,
    range: Range<u64>,
    reached: Mutex<Sender<()>>,
    gate: Mutex<Receiver<()>>,
    /// Syncs and writes fail, the first write after it has waited at the gate.
    fails: AtomicBool,
    has_waited: AtomicBool,
}

/// The far ends: says when somebody waits, and lets them through.
struct Gate {
    reached: Receiver<()>,
    open: Sender<()>,
}

impl Gated {
    fn new(inner: Arc<dyn Storage>, range: Range<u64>) -> (Arc<Self>, Gate) {
        let (reached, says) = channel();
        let (open, gate) = channel();
        let gated = Self {
            inner,
            range,
            reached: Mutex::new(reached),
            gate: Mutex::new(gate),
            fails: AtomicBool::new(false),
            has_waited: AtomicBool::new(false),
        };
        let gate = Gate {
            reached: says,
            open,
        };
        (Arc::new(gated), gate)
    }

    fn pass(&self, offset: u64) {
        if self.range.contains(&offset) {
            let _ = self.reached.lock().send(());
            let _ = self.gate.lock().recv_timeout(PATIENCE);
        }
    }
}

impl Storage for Gated {
    fn prepare(&self) -> Result<(), StorageError> {
        self.inner.prepare()
    }

    fn write_at(&self, offset: u64, data: &[IoSlice<'_>]) -> Result<(), StorageError> {
        if self.fails.load(SeqCst) {
            if !self.has_waited.swap(true, SeqCst) {
                self.pass(offset);
            }
            let full = ErrorKind::StorageFull.into();
            return Err(StorageError::from_io(Operation::Write, "gated", full));
        }
        self.inner.write_at(offset, data)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.inner.read_at(offset, buf)
    }

    fn read_shared(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        self.pass(offset);
        self.inner.read_shared(offset, length)
    }

    fn set_wanted(&self, wanted: &[bool]) -> Result<(), StorageError> {
        self.inner.set_wanted(wanted)
    }

    fn sync(&self) -> Result<(), StorageError> {
        if self.fails.load(SeqCst) {
            let broken = ErrorKind::Other.into();
            return Err(StorageError::from_io(Operation::Sync, "gated", broken));
        }
        self.inner.sync()
    }

    fn finish_file(&self, file: FileIndex) -> Result<(), StorageError> {
        self.inner.finish_file(file)
    }

    fn release(&self) -> Result<(), StorageError> {
        self.inner.release()
    }

    fn stamps(&self) -> Result<Vec<FileStamp>, StorageError> {
        self.inner.stamps()
    }
}

#[tokio::test]
async fn a_page_that_has_to_be_fetched_holds_up_nobody_else() {
    let sample = Sample::new(&[("cold", 16_384), ("warm", 100 * 16_384)], 16_384);
    let source = tempfile::tempdir().unwrap();
    sample.write(source.path());
    let info = sample.metainfo.info();
    let files = FileStorage::new(info.clone(), source.path(), FileOptions::default()).unwrap();
    let (gated, gate) = Gated::new(Arc::new(files), 0..16_384);
    let seeder = builder().disk_threads(2).start().await.unwrap();
    let add = seeder.add(sample.metainfo.clone()).read_only(true);
    let seeded = add
        .storage(move |_| Ok(gated as Arc<dyn Storage>))
        .await
        .unwrap();
    soon("the check", seeded.wait_complete()).await.unwrap();

    // One wants what is cold, the other one what is not.
    let get = async |skipped: u32| {
        let leecher = session().await;
        let dir = tempfile::tempdir().unwrap();
        let add = leecher.add(sample.metainfo.clone()).dir(dir.path());
        let add = add.priority(FileIndex(skipped), 0);
        let torrent = add.peers([address(&seeder)]).await.unwrap();
        (leecher, dir, torrent)
    };
    let (waiting, cold_dir, cold) = get(1).await;
    let reached = tokio::task::spawn_blocking(move || gate.reached.recv_timeout(PATIENCE));
    reached.await.unwrap().expect("the cold page is asked for");
    let (quick, warm_dir, warm) = get(0).await;
    soon("what is warm", warm.wait_complete()).await.unwrap();
    assert!(!cold.is_complete());
    gate.open.send(()).unwrap();
    soon("what was cold", cold.wait_complete()).await.unwrap();
    sample.assert_file(cold_dir.path(), 0);
    sample.assert_file(warm_dir.path(), 1);
    for session in [waiting, quick, seeder] {
        soon("the end", session.shutdown()).await;
    }
}

#[tokio::test]
async fn a_failure_that_comes_late_does_not_stop_the_next_attempt() {
    let sample = Sample::single(40 * 16_384, 16_384);
    let source = tempfile::tempdir().unwrap();
    sample.write(source.path());
    let (seeder, _) = seed(&sample, source.path()).await;
    let memory = MemoryStorage::new(sample.metainfo.info().layout());
    let (gated, gate) = Gated::new(Arc::new(memory), 0..40 * 16_384);
    gated.fails.store(true, SeqCst);
    let storage = gated.clone();
    let leecher = builder().disk_threads(2).start().await.unwrap();
    let add = leecher.add(sample.metainfo.clone());
    let add = add.storage(move |_| Ok(storage as Arc<dyn Storage>));
    let add = add.peers([address(&seeder)]);
    let (torrent, mut events) = add.start_with_events().await.unwrap();
    let Gate { reached, open } = gate;
    let reached = tokio::task::spawn_blocking(move || reached.recv_timeout(PATIENCE));
    reached.await.unwrap().expect("a write that waits");
    // Something else fails while it does.
    let saved = soon("saving", torrent.resume_data()).await;
    assert!(saved.is_err());
    until(&mut events, |event| matches!(event, Event::Failed(_))).await;
    gated.fails.store(false, SeqCst);
    torrent.start();
    // So that the torrent's loop, on this very thread, has heard of it.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    open.send(()).unwrap();
    soon("the download", torrent.wait_complete()).await.unwrap();
    assert!(torrent.error().is_none());
    leecher.shutdown().await;
    seeder.shutdown().await;
}

//! Faults on demand.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use headwater_metainfo::{FileIndex, SafePath};
use parking_lot::Mutex;

use crate::{FileStamp, Leftovers, Operation, Step, Storage, StorageError};

/// Which calls a [`Fault`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperationKind {
    /// [`Storage::read_at`], [`Storage::read_shared`] and [`Storage::read_cached`].
    Read,
    /// [`Storage::write_at`].
    Write,
    /// [`Storage::sync`].
    Sync,
    /// [`Storage::prepare`].
    Prepare,
    /// The [steps](Step) of [`Storage::relocate`]: one for each file when it gets its second place, then one for each when
    /// that takes effect.
    Relocate,
    /// [`Storage::rename_file`].
    Rename,
    /// The [steps](Step) of [`Storage::delete`]: one for each file.
    Delete,
}

/// Something that is to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The calls that are counted.
    pub operation: OperationKind,
    /// How many of them go well first.
    pub after: usize,
    /// How many fail then; `usize::MAX`: all.
    pub times: usize,
    /// What the system says.
    pub error: io::ErrorKind,
    /// A failing write still writes this many of its bytes.
    pub written: usize,
}

impl Fault {
    /// The next `operation` fails, once, with nothing done.
    pub fn next(operation: OperationKind, error: io::ErrorKind) -> Self {
        Self {
            operation,
            after: 0,
            times: 1,
            error,
            written: 0,
        }
    }

    /// All writes fail because the disk is full.
    pub fn disk_full() -> Self {
        Self {
            times: usize::MAX,
            ..Self::next(OperationKind::Write, io::ErrorKind::StorageFull)
        }
    }
}

/// A [`Storage`] around another one, which fails as it is told.
///
/// ```
/// use std::io::IoSlice;
/// use headwater_metainfo::FileLayout;
/// use headwater_store::{MemoryStorage, Storage, StorageErrorKind, testing::{Fault, FaultStorage}};
///
/// let layout = FileLayout::new([("a", 100)])?;
/// let storage = FaultStorage::new(std::sync::Arc::new(MemoryStorage::new(&layout)));
/// storage.inject(Fault::disk_full());
/// let error = storage.write_at(0, &[IoSlice::new(b"data")]).unwrap_err();
/// assert_eq!(error.kind(), StorageErrorKind::DiskFull);
/// storage.heal();
/// storage.write_at(0, &[IoSlice::new(b"data")])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FaultStorage {
    inner: Arc<dyn Storage>,
    faults: Mutex<Vec<Fault>>,
}

impl FaultStorage {
    /// Nothing goes wrong yet.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self {
            inner,
            faults: Mutex::default(),
        }
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.faults.lock().push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.faults.lock().clear();
    }

    fn strike(&self, operation: OperationKind) -> Option<Fault> {
        let mut faults = self.faults.lock();
        let due = faults
            .iter_mut()
            .filter(|fault| fault.operation == operation);
        let mut struck = None;
        for fault in due {
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 && struck.is_none() {
                fault.times -= usize::from(fault.times != usize::MAX);
                struck = Some(*fault);
            }
        }
        struck
    }

    fn call(&self, kind: OperationKind, operation: Operation) -> Result<(), StorageError> {
        match self.strike(kind) {
            Some(fault) => Err(error(operation, fault)),
            None => Ok(()),
        }
    }
}

impl Storage for FaultStorage {
    fn prepare(&self) -> Result<(), StorageError> {
        self.call(OperationKind::Prepare, Operation::Reserve)?;
        self.inner.prepare()
    }

    fn write_at(&self, offset: u64, data: &[IoSlice<'_>]) -> Result<(), StorageError> {
        let Some(fault) = self.strike(OperationKind::Write) else {
            return self.inner.write_at(offset, data);
        };
        let mut bytes: Vec<u8> = data.iter().flat_map(|part| part.to_vec()).collect();
        bytes.truncate(fault.written);
        if !bytes.is_empty() {
            self.inner.write_at(offset, &[IoSlice::new(&bytes)])?;
        }
        Err(error(Operation::Write, fault))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.call(OperationKind::Read, Operation::Read)?;
        self.inner.read_at(offset, buf)
    }

    fn read_shared(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        self.call(OperationKind::Read, Operation::Read)?;
        self.inner.read_shared(offset, length)
    }

    fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        self.call(OperationKind::Read, Operation::Read).ok()?;
        self.inner.read_cached(offset, length)
    }

    fn set_wanted(&self, wanted: &[bool]) -> Result<(), StorageError> {
        self.inner.set_wanted(wanted)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.call(OperationKind::Sync, Operation::Sync)?;
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

    fn relocate(&self, dir: &Path, step: Step<'_>) -> Result<Leftovers, StorageError> {
        let mut step = |file| {
            self.call(OperationKind::Relocate, Operation::Move)?;
            step(file)
        };
        self.inner.relocate(dir, &mut step)
    }

    fn rename_file(&self, file: FileIndex, path: &SafePath) -> Result<Leftovers, StorageError> {
        self.call(OperationKind::Rename, Operation::Move)?;
        self.inner.rename_file(file, path)
    }

    fn delete(&self, step: Step<'_>) -> Result<(), StorageError> {
        let mut step = |file| {
            self.call(OperationKind::Delete, Operation::Remove)?;
            step(file)
        };
        self.inner.delete(&mut step)
    }
}

fn error(operation: Operation, fault: Fault) -> StorageError {
    StorageError::from_io(operation, "injected", fault.error.into())
}

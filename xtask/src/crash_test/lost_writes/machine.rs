//! A machine that can be switched off.

use std::io::{self, IoSlice};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use headwater_metainfo::FileIndex;
use headwater_store::testing::CrashStorage;
use headwater_store::{FileStamp, Operation, Storage, StorageError};

/// A [`CrashStorage`] that does nothing more after its crash, whatever the session that used it still tries.
#[derive(Debug)]
pub(super) struct Machine {
    cache: CrashStorage,
    /// Held shared by what may happen side by side.
    is_on: RwLock<bool>,
}

impl Machine {
    pub(super) fn new(disk: Arc<dyn Storage>) -> Self {
        Self {
            cache: CrashStorage::new(disk),
            is_on: RwLock::new(true),
        }
    }

    /// Switches off; see [`CrashStorage::crash`].
    pub(super) fn crash(
        &self,
        kept: impl FnMut(usize, usize) -> usize,
    ) -> Result<(), StorageError> {
        let mut is_on = self.is_on.write().unwrap_or_else(PoisonError::into_inner);
        *is_on = false;
        self.cache.crash(kept)
    }

    fn with<T>(
        &self,
        operation: Operation,
        work: impl FnOnce(&CrashStorage) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let is_on = self.is_on.read().unwrap_or_else(PoisonError::into_inner);
        if *is_on {
            work(&self.cache)
        } else {
            Err(switched_off(operation))
        }
    }
}

fn switched_off(operation: Operation) -> StorageError {
    StorageError::from_io(operation, "machine", io::Error::other("switched off"))
}

impl Storage for Machine {
    fn prepare(&self) -> Result<(), StorageError> {
        self.with(Operation::Create, Storage::prepare)
    }

    fn write_at(&self, offset: u64, data: &[IoSlice<'_>]) -> Result<(), StorageError> {
        self.with(Operation::Write, |cache| cache.write_at(offset, data))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.with(Operation::Read, |cache| cache.read_at(offset, buf))
    }

    fn read_shared(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        self.with(Operation::Read, |cache| cache.read_shared(offset, length))
    }

    fn set_wanted(&self, wanted: &[bool]) -> Result<(), StorageError> {
        self.with(Operation::Change, |cache| cache.set_wanted(wanted))
    }

    /// Alone: the cache hands its writes down one by one, and meanwhile a reader would find some of them nowhere.
    fn sync(&self) -> Result<(), StorageError> {
        let is_on = self.is_on.write().unwrap_or_else(PoisonError::into_inner);
        if *is_on {
            self.cache.sync()
        } else {
            Err(switched_off(Operation::Sync))
        }
    }

    fn finish_file(&self, file: FileIndex) -> Result<(), StorageError> {
        self.with(Operation::Change, |cache| cache.finish_file(file))
    }

    fn release(&self) -> Result<(), StorageError> {
        self.with(Operation::Change, Storage::release)
    }

    fn stamps(&self) -> Result<Vec<FileStamp>, StorageError> {
        self.with(Operation::Open, Storage::stamps)
    }
}

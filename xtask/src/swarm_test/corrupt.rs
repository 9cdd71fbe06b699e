//! A seed that means harm.

use std::io::IoSlice;

use bytes::Bytes;
use headwater_metainfo::FileIndex;
use headwater_store::{FileStamp, Storage, StorageError};

/// Gives out every fourth block with wrong bytes, and the others as they are.
#[derive(Debug)]
pub(super) struct CorruptStorage<S>(pub(super) S);

impl<S: Storage> Storage for CorruptStorage<S> {
    fn prepare(&self) -> Result<(), StorageError> {
        self.0.prepare()
    }

    fn write_at(&self, offset: u64, data: &[IoSlice<'_>]) -> Result<(), StorageError> {
        self.0.write_at(offset, data)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.0.read_at(offset, buf)
    }

    fn read_shared(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        let mut data = vec![0; length];
        self.0.read_at(offset, &mut data)?;
        if (offset >> 14).is_multiple_of(4) {
            for byte in &mut data {
                *byte ^= 0x5a;
            }
        }
        Ok(data.into())
    }

    fn set_wanted(&self, wanted: &[bool]) -> Result<(), StorageError> {
        self.0.set_wanted(wanted)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.0.sync()
    }

    fn finish_file(&self, file: FileIndex) -> Result<(), StorageError> {
        self.0.finish_file(file)
    }

    fn release(&self) -> Result<(), StorageError> {
        self.0.release()
    }

    fn stamps(&self) -> Result<Vec<FileStamp>, StorageError> {
        self.0.stamps()
    }
}

//! A machine that loses what was not synced.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use headwater_metainfo::{FileIndex, SafePath};
use parking_lot::Mutex;

use crate::ranges::RangeSet;
use crate::{FileStamp, Leftovers, Step, Storage, StorageError};

/// A [`Storage`] around another one that holds writes back until they are synced, as a page cache does. A
/// [crash](Self::crash) loses them.
///
/// ```
/// use std::io::IoSlice;
/// use std::sync::Arc;
/// use headwater_metainfo::FileLayout;
/// use headwater_store::{MemoryStorage, Storage, testing::CrashStorage};
///
/// let disk = Arc::new(MemoryStorage::new(&FileLayout::new([("a", 100)])?));
/// let storage = CrashStorage::new(disk.clone());
/// storage.write_at(0, &[IoSlice::new(b"synced")])?;
/// storage.sync()?;
/// storage.write_at(50, &[IoSlice::new(b"not")])?;
/// storage.read_at(50, &mut [0; 3])?;
/// storage.crash(|_, _| 0)?;
/// disk.read_at(0, &mut [0; 6])?;
/// assert!(disk.read_at(50, &mut [0; 3]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CrashStorage {
    disk: Arc<dyn Storage>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    /// In the order in which they came.
    writes: Vec<(u64, Vec<u8>)>,
    ranges: RangeSet,
}

impl CrashStorage {
    /// Nothing is held back yet.
    pub fn new(disk: Arc<dyn Storage>) -> Self {
        Self {
            disk,
            cache: Mutex::default(),
        }
    }

    /// Loses what was not synced, but for what the disk happened to have written: `kept` gets each lost write's number and
    /// length and says how many of its bytes made it.
    pub fn crash(&self, mut kept: impl FnMut(usize, usize) -> usize) -> Result<(), StorageError> {
        let cache = std::mem::take(&mut *self.cache.lock());
        for (number, (offset, data)) in cache.writes.iter().enumerate() {
            let kept = kept(number, data.len()).min(data.len());
            if kept > 0 {
                self.disk
                    .write_at(*offset, &[IoSlice::new(&data[..kept])])?;
            }
        }
        Ok(())
    }
}

impl Storage for CrashStorage {
    fn prepare(&self) -> Result<(), StorageError> {
        self.disk.prepare()
    }

    fn write_at(&self, offset: u64, data: &[IoSlice<'_>]) -> Result<(), StorageError> {
        let data: Vec<u8> = data.iter().flat_map(|part| part.iter().copied()).collect();
        let mut cache = self.cache.lock();
        cache.ranges.insert(offset..offset + data.len() as u64);
        cache.writes.push((offset, data));
        Ok(())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        let cache = self.cache.lock();
        let range = offset..offset + buf.len() as u64;
        let mut position = range.start;
        for cached in cache
            .ranges
            .within(range.clone())
            .chain(std::iter::once(range.end..range.end))
        {
            let gap = (position - offset) as usize..(cached.start - offset) as usize;
            if !gap.is_empty() {
                self.disk.read_at(position, &mut buf[gap])?;
            }
            position = cached.end;
        }
        for (start, data) in &cache.writes {
            let end = start + data.len() as u64;
            let (from, to) = (range.start.max(*start), range.end.min(end));
            if from < to {
                let source = &data[(from - start) as usize..(to - start) as usize];
                buf[(from - offset) as usize..(to - offset) as usize].copy_from_slice(source);
            }
        }
        Ok(())
    }

    fn read_shared(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        let mut buf = vec![0; length];
        self.read_at(offset, &mut buf)?;
        Ok(buf.into())
    }

    fn set_wanted(&self, wanted: &[bool]) -> Result<(), StorageError> {
        self.disk.set_wanted(wanted)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.crash(|_, length| length)?;
        self.disk.sync()
    }

    fn finish_file(&self, file: FileIndex) -> Result<(), StorageError> {
        self.disk.finish_file(file)
    }

    fn release(&self) -> Result<(), StorageError> {
        self.disk.release()
    }

    fn stamps(&self) -> Result<Vec<FileStamp>, StorageError> {
        self.disk.stamps()
    }

    fn relocate(&self, dir: &Path, step: Step<'_>) -> Result<Leftovers, StorageError> {
        self.disk.relocate(dir, step)
    }

    fn rename_file(&self, file: FileIndex, path: &SafePath) -> Result<Leftovers, StorageError> {
        self.disk.rename_file(file, path)
    }

    fn delete(&self, step: Step<'_>) -> Result<(), StorageError> {
        self.disk.delete(step)?;
        *self.cache.lock() = Cache::default();
        Ok(())
    }
}

//! A torrent's bytes in memory.

use std::collections::HashMap;
use std::io::IoSlice;
use std::ops::Range;

use bytes::Bytes;
use headwater_metainfo::{FileEntry, FileIndex, FileLayout};
use parking_lot::RwLock;

use crate::ranges::RangeSet;
use crate::{FileStamp, Operation, Step, Storage, StorageError, StorageErrorKind};

/// Bytes are kept in pieces of this size, so that a torrent costs what was written of it.
const CHUNK: u64 = 64 * 1024;

/// A [`Storage`] that keeps everything in memory and nothing beyond its own life.
///
/// ```
/// use std::io::IoSlice;
/// use headwater_store::{MemoryStorage, Storage};
/// use headwater_metainfo::FileLayout;
/// let layout = FileLayout::new([("a", 100), ("b", 100)])?;
///
/// let storage = MemoryStorage::new(&layout);
/// storage.write_at(90, &[IoSlice::new(b"across "), IoSlice::new(b"two files")])?;
/// let mut read = [0; 16];
/// storage.read_at(90, &mut read)?;
/// assert_eq!(&read, b"across two files");
/// assert!(storage.read_at(0, &mut read).is_err(), "never written");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MemoryStorage {
    total_size: u64,
    /// Each file's bytes in the torrent.
    files: Box<[Range<u64>]>,
    pads: Box<[Range<u64>]>,
    data: RwLock<Data>,
}

#[derive(Debug, Default)]
struct Data {
    chunks: HashMap<u64, Box<[u8]>>,
    /// What has been written; pad files count as written from the start.
    written: RangeSet,
    /// Number of the last write to each file, which stands for the time in stamps.
    versions: Box<[i64]>,
    writes: i64,
}

impl MemoryStorage {
    /// An empty storage for files that lie like this.
    pub fn new(layout: &FileLayout) -> Self {
        let mut data = Data {
            versions: vec![0; layout.len()].into(),
            ..Data::default()
        };
        let pads = layout.files().iter().filter(|file| file.is_pad());
        let pads: Box<[_]> = pads.map(FileEntry::range).collect();
        for pad in &pads {
            data.written.insert(pad.clone());
        }
        Self {
            total_size: layout.total_size(),
            files: layout.files().iter().map(FileEntry::range).collect(),
            pads,
            data: RwLock::new(data),
        }
    }

    /// A pad file's bytes have to be zeros, as in every back end.
    fn check_pads(&self, range: &Range<u64>, data: &[IoSlice<'_>]) -> Result<(), StorageError> {
        let first = self.pads.partition_point(|pad| pad.end <= range.start);
        let pads = &self.pads[first..];
        if pads.first().is_none_or(|pad| pad.start >= range.end) {
            return Ok(());
        }
        let bytes = data.iter().flat_map(|part| part.iter());
        let is_bad =
            |(at, byte): (u64, &u8)| *byte != 0 && pads.iter().any(|pad| pad.contains(&at));
        if (range.start..).zip(bytes).any(is_bad) {
            return Err(error(Operation::Write, StorageErrorKind::Unsupported));
        }
        Ok(())
    }

    fn files_touching(&self, range: &Range<u64>) -> impl Iterator<Item = usize> + use<'_> {
        let Range { start, end } = *range;
        let first = self.files.partition_point(|file| file.end <= start);
        let files = self.files[first..].iter().zip(first..);
        files
            .take_while(move |(file, _)| file.start < end)
            .map(|(_, index)| index)
    }

    fn check_range(
        &self,
        operation: Operation,
        offset: u64,
        length: u64,
    ) -> Result<Range<u64>, StorageError> {
        let end = offset.checked_add(length);
        match end.filter(|&end| end <= self.total_size) {
            Some(end) => Ok(offset..end),
            None => Err(error(operation, StorageErrorKind::OutOfRange)),
        }
    }
}

impl Storage for MemoryStorage {
    fn prepare(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[IoSlice<'_>]) -> Result<(), StorageError> {
        let length = data.iter().map(|part| part.len() as u64).sum();
        let range = self.check_range(Operation::Write, offset, length)?;
        self.check_pads(&range, data)?;
        let mut kept = self.data.write();
        let mut position = offset;
        for part in data {
            kept.write(position, part);
            position += part.len() as u64;
        }
        kept.writes += 1;
        for file in self.files_touching(&range) {
            kept.versions[file] = kept.writes;
        }
        kept.written.insert(range);
        Ok(())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        let range = self.check_range(Operation::Read, offset, buf.len() as u64)?;
        let kept = self.data.read();
        if !kept.written.covers(range) {
            return Err(error(Operation::Read, StorageErrorKind::Missing));
        }
        kept.read(offset, buf);
        Ok(())
    }

    fn read_shared(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        self.check_range(Operation::Read, offset, length as u64)?;
        let mut buf = vec![0; length];
        self.read_at(offset, &mut buf)?;
        Ok(buf.into())
    }

    fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        self.read_shared(offset, length).ok()
    }

    fn set_wanted(&self, _wanted: &[bool]) -> Result<(), StorageError> {
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn finish_file(&self, _file: FileIndex) -> Result<(), StorageError> {
        Ok(())
    }

    fn release(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn stamps(&self) -> Result<Vec<FileStamp>, StorageError> {
        let kept = self.data.read();
        let stamp = |(file, version): (&Range<u64>, &i64)| FileStamp {
            size: Some(file.end - file.start),
            modified: *version,
            in_part_file: false,
        };
        Ok(self.files.iter().zip(&kept.versions).map(stamp).collect())
    }

    fn delete(&self, _step: Step<'_>) -> Result<(), StorageError> {
        let mut kept = self.data.write();
        kept.chunks.clear();
        kept.written = RangeSet::default();
        for pad in &self.pads {
            kept.written.insert(pad.clone());
        }
        kept.writes += 1;
        let now = kept.writes;
        kept.versions.fill(now);
        Ok(())
    }
}

impl Data {
    fn write(&mut self, mut offset: u64, mut data: &[u8]) {
        while !data.is_empty() {
            let within = (offset % CHUNK) as usize;
            let (now, rest) = data.split_at(data.len().min(CHUNK as usize - within));
            let chunk = self.chunks.entry(offset / CHUNK);
            let chunk = chunk.or_insert_with(|| vec![0; CHUNK as usize].into());
            chunk[within..within + now.len()].copy_from_slice(now);
            offset += now.len() as u64;
            data = rest;
        }
    }

    fn read(&self, mut offset: u64, mut buf: &mut [u8]) {
        while !buf.is_empty() {
            let within = (offset % CHUNK) as usize;
            let length = buf.len().min(CHUNK as usize - within);
            let (now, rest) = buf.split_at_mut(length);
            match self.chunks.get(&(offset / CHUNK)) {
                Some(chunk) => now.copy_from_slice(&chunk[within..within + length]),
                None => now.fill(0),
            }
            offset += length as u64;
            buf = rest;
        }
    }
}

fn error(operation: Operation, kind: StorageErrorKind) -> StorageError {
    let cause = match kind {
        StorageErrorKind::Missing => "never written",
        StorageErrorKind::Unsupported => "a pad file must be zeros",
        _ => "outside of the torrent",
    };
    StorageError::new(operation, "memory", kind, cause)
}

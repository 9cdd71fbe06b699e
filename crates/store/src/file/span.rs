//! One file at a time: opening it, writing and reading a run of it, and the part file beside it.

use std::io::{self, Error as IoError, ErrorKind as IoErrorKind, IoSlice};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use headwater_metainfo::{FileIndex, FileSpan};

use super::open::Purpose;
use super::pool::{Key, OpenFile};
use super::{FileStorage, Open, map};
use crate::positioned::{read_cached_at, read_exact_at, write_all_at};
use crate::{Operation, StorageError, StorageErrorKind};

/// A smaller file is read, which costs less than to map it.
const MIN_MAPPED_FILE: u64 = 128 * 1024;

impl FileStorage {
    pub(super) fn open_for_reading(&self, file: FileIndex) -> Result<Arc<OpenFile>, StorageError> {
        self.open_existing(self.key(file), |_| {})
    }

    /// Opens a file that is there, for reading; `advise` is called with one that was not open.
    pub(super) fn open_existing(
        &self,
        key: Key,
        advise: fn(&std::fs::File),
    ) -> Result<Arc<OpenFile>, StorageError> {
        if let Some(open) = self.pool.get(key, false) {
            return Ok(open);
        }
        let file = FileIndex(key.file);
        let names = self.names();
        let opened = self.location(&names, file).open(Purpose::Read);
        opened
            .inspect(advise)
            .and_then(|opened| self.keep_open(key, opened, false))
            .map_err(|error| self.error(Operation::Open, file, error))
    }

    pub(super) fn open_for_writing(&self, file: FileIndex) -> Result<Arc<OpenFile>, StorageError> {
        let key = self.key(file);
        if let Some(open) = self.pool.get(key, true) {
            return Ok(open);
        }
        let names = self.names();
        let location = self.location(&names, file);
        let opened = if self.seen.knows(file) {
            // Were it made anew, nobody would notice that its data is gone.
            let opened = location.open(Purpose::Write).map(|file| (file, false));
            opened.map_err(|error| self.error(Operation::Open, file, error))?
        } else {
            location
                .open_or_create(self.entry(file).is_executable())
                .map_err(|error| self.error(Operation::Create, file, error))?
        };
        if opened.1 {
            self.note_new_entry(file);
            self.seen.touch(file);
        }
        self.keep_open(key, opened.0, true)
            .map_err(|error| self.error(Operation::Open, file, error))
    }

    fn keep_open(
        &self,
        key: Key,
        file: std::fs::File,
        writable: bool,
    ) -> io::Result<Arc<OpenFile>> {
        let identity = self.seen.opened(FileIndex(key.file), &file)?;
        let open = Arc::new(OpenFile {
            file,
            writable,
            identity,
        });
        self.pool.put(key, open.clone());
        Ok(open)
    }

    /// Remembers to make the folders durable that lead to a new file.
    pub(super) fn note_new_entry(&self, file: FileIndex) {
        let names = self.names();
        let path = names.path(self.contents.layout(), file);
        let folders = path.ancestors().skip(1);
        let inside = folders.take_while(|folder| folder.starts_with(&names.base));
        self.dirty_folders
            .lock()
            .extend(inside.map(Path::to_path_buf));
    }

    pub(super) fn write_span(
        &self,
        span: FileSpan,
        data: &mut [IoSlice<'_>],
    ) -> Result<(), StorageError> {
        let open = self.open_for_writing(span.file)?;
        let checked = open.identity.check(&open.file);
        let written = checked
            .and_then(|()| write_all_at(&open.file, data, span.offset, self.portable))
            .inspect(|()| open.identity.reaches(span.offset + span.length));
        // Afterwards: a sync at this moment must leave the mark for the next one.
        self.dirty[span.file.as_usize()].store(true, Ordering::Release);
        self.seen.touch(span.file);
        written.map_err(|error| {
            self.pool.forget(self.key(span.file));
            self.error(Operation::Write, span.file, error)
        })
    }

    fn read_span(&self, span: FileSpan, buf: &mut [u8], open: Open) -> Result<(), StorageError> {
        let open = open(self, span.file)?;
        read_exact_at(&open.file, buf, span.offset).map_err(|error| {
            self.pool.forget(self.key(span.file));
            self.error(Operation::Read, span.file, error)
        })
    }

    /// Reads a range of one file, part of which may lie in the part file.
    pub(super) fn read_mixed(
        &self,
        span: FileSpan,
        buf: &mut [u8],
        open: Open,
    ) -> Result<(), StorageError> {
        let file_start = self.entry(span.file).offset();
        let start = file_start + span.offset;
        let range = start..start + span.length;
        let part = self.part.read();
        if !part.touches(range.clone()) {
            drop(part);
            return self.read_span(span, buf, open);
        }
        let mut position = range.start;
        let end_mark = range.end..range.end;
        for extent in part.extents(range.clone()).chain([end_mark]) {
            let gap = FileSpan {
                file: span.file,
                offset: position - file_start,
                length: extent.start - position,
            };
            let at = (position - range.start) as usize;
            let middle = (extent.start - range.start) as usize;
            let end = (extent.end - range.start) as usize;
            if gap.length > 0 {
                self.read_span(gap, &mut buf[at..middle], open)?;
            }
            if middle < end {
                part.read(extent.start, &mut buf[middle..end])
                    .map_err(|error| StorageError::from_io(Operation::Read, part.path(), error))?;
            }
            position = extent.end;
        }
        Ok(())
    }

    pub(super) fn write_part(
        &self,
        range: Range<u64>,
        data: &[IoSlice<'_>],
    ) -> Result<(), StorageError> {
        let mut part = self.part.write();
        part.write(range.start, data)
            .map_err(|error| StorageError::from_io(Operation::Write, part.path(), error))?;
        self.dirty_folders.lock().insert(self.base_dir());
        Ok(())
    }

    pub(super) fn forget_in_part(&self, range: Range<u64>) -> Result<(), StorageError> {
        if !self.part.read().touches(range.clone()) {
            return Ok(());
        }
        let mut part = self.part.write();
        part.forget(range)
            .map_err(|error| StorageError::from_io(Operation::Write, part.path(), error))
    }

    /// Whether what was just read from `range` is what was verified there: to be asked *after* reading, because a file that is
    /// cut meanwhile reads as zeros up to the end of its last page.
    pub(super) fn check_unchanged(&self, range: Range<u64>) -> Result<(), StorageError> {
        for span in self
            .contents
            .layout()
            .spans(range.start, range.end - range.start)
        {
            let start = self.entry(span.file).offset() + span.offset;
            let in_part = self.part.read().touches(start..start + span.length);
            if !in_part && !self.entry(span.file).is_pad() {
                let open = self.open_for_reading(span.file)?;
                self.is_unchanged(&open, span)
                    .inspect_err(|_| self.pool.forget(self.key(span.file)))?;
            }
        }
        Ok(())
    }

    fn is_unchanged(&self, open: &OpenFile, span: FileSpan) -> Result<(), StorageError> {
        let metadata = open.file.metadata();
        let metadata = metadata.map_err(|error| self.error(Operation::Read, span.file, error))?;
        if metadata.len() < span.offset + span.length {
            let cut = IoErrorKind::UnexpectedEof.into();
            return Err(self.error(Operation::Read, span.file, cut));
        }
        if self.times.is_same(span.file, &metadata) {
            return Ok(());
        }
        let path = self.path(span.file);
        let cause = "it was changed by another program";
        let kind = StorageErrorKind::Changed;
        Err(StorageError::new(Operation::Read, path, kind, cause))
    }

    /// From a map, if that is possible.
    pub(super) fn share_span(&self, span: FileSpan) -> Result<Option<Bytes>, StorageError> {
        let open = self.open_for_reading(span.file)?;
        let end = span.offset + span.length;
        let shared = file_reaches(&open.file, end).and_then(|()| {
            let windows = self.pool.windows();
            let length = self.entry(span.file).length();
            windows.share(self.key(span.file), &open.file, span.offset..end, length)
        });
        let shared = shared.map_err(|error| self.error(Operation::Read, span.file, error));
        shared
            .and_then(|bytes| self.is_unchanged(&open, span).map(|()| bytes))
            .inspect_err(|_| self.pool.forget(self.key(span.file)))
    }

    /// What the page cache holds, as long as it holds all of it.
    pub(super) fn read_without_waiting(&self, range: &Range<u64>) -> Option<Bytes> {
        let span = self.only_span(range)?;
        if self.cannot_tell.load(Ordering::Relaxed) || self.part.try_read()?.touches(range.clone())
        {
            return None;
        }
        let open = self.pool.get(self.key(span.file), false)?;
        let mut buffer = self.pool.buffers().take(span.length as usize);
        match read_cached_at(&open.file, buffer.as_mut(), span.offset) {
            Ok(true) => {
                let unchanged = self.is_unchanged(&open, span);
                unchanged.ok().map(|()| buffer.into_bytes())
            }
            Ok(false) => None,
            Err(_) => {
                self.cannot_tell.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    /// The one file that holds all of the range, if there is one.
    fn only_span(&self, range: &Range<u64>) -> Option<FileSpan> {
        let length = range.end - range.start;
        let span = self.contents.layout().spans(range.start, length).next()?;
        let whole = span.length == length && !self.entry(span.file).is_pad();
        whole.then_some(span)
    }

    /// The one file that holds all of the range, if it may be mapped.
    pub(super) fn mappable(&self, range: &Range<u64>) -> Option<FileSpan> {
        let length = range.end - range.start;
        if self.portable || length > map::MAX_LENGTH as u64 || !self.pool.windows().are_allowed() {
            return None;
        }
        let span = self.only_span(range)?;
        let worth_it = self.entry(span.file).length() >= MIN_MAPPED_FILE;
        (worth_it && !self.part.read().touches(range.clone())).then_some(span)
    }
}

fn file_reaches(file: &std::fs::File, end: u64) -> Result<(), IoError> {
    if file.metadata()?.len() < end {
        return Err(IoErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

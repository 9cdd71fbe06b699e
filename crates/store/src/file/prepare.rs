//! Making files ready, finishing them, making them durable, and looking at them.

use std::fs::Metadata;
use std::io;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use headwater_metainfo::{FileEntry, FileIndex};

use super::places::Place;
use super::{Allocation, FileStorage, reserve};
use crate::{FileStamp, Operation, StorageError};

/// From this many files on, the whole file system is written back at once before each file is asked for its errors.
#[cfg(target_os = "linux")]
const MANY_FILES: usize = 32;

impl FileStorage {
    pub(super) fn prepare_all(&self) -> Result<(), StorageError> {
        let _changing = self.changing.lock();
        let base = self.base_dir();
        std::fs::create_dir_all(&base)
            .map_err(|error| StorageError::from_io(Operation::Create, base, error))?;
        let places = self.places.write();
        for (file, entry) in self.contents.layout().iter() {
            let place = places.of[file.as_usize()];
            if matches!(place, Place::Real | Place::Kept) {
                self.move_out_of_part(file, entry)?;
            }
            if place == Place::Real {
                self.prepare_file(file, entry)?;
            }
        }
        self.is_prepared.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Creates what has no bytes that would create it, and reserves space.
    pub(super) fn prepare_file(
        &self,
        file: FileIndex,
        entry: &FileEntry,
    ) -> Result<(), StorageError> {
        if let Some(target) = entry.symlink_target() {
            let names = self.names();
            let text = target.from_link(names.relative(self.contents.layout(), file));
            return self.create_link(file, &text);
        }
        if entry.length() == 0 {
            return self.open_for_writing(file).map(drop);
        }
        if self.allocation == Allocation::Sparse || self.portable {
            return Ok(());
        }
        if reserve::is_reserved(&self.path(file), entry.length()) {
            return Ok(());
        }
        let open = self.open_for_writing(file)?;
        self.seen.touch(file);
        reserve::reserve(&open.file, entry.length())
            .map_err(|error| self.error(Operation::Reserve, file, error))
    }

    #[cfg(unix)]
    fn create_link(&self, file: FileIndex, text: &str) -> Result<(), StorageError> {
        let names = self.names();
        let location = self.location(&names, file);
        let made = location
            .create_parents()
            .and_then(|()| std::os::unix::fs::symlink(text, location.full_path()));
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(self.error(Operation::Create, file, error))
            }
            _ => {
                self.note_new_entry(file);
                Ok(())
            }
        }
    }

    /// Links need a privilege here that few users have.
    #[cfg(not(unix))]
    fn create_link(&self, _file: FileIndex, _text: &str) -> Result<(), StorageError> {
        Ok(())
    }

    pub(super) fn finish(&self, file: FileIndex) -> Result<(), StorageError> {
        let _changing = self.changing.lock();
        let _places = self.places.read();
        let entry = self.entry(file);
        if entry.is_pad() || entry.symlink_target().is_some() || !self.exists(file) {
            return Ok(());
        }
        // Opened for writing only if there is something to do: a file that is whole may be one that is only read.
        let is_long = std::fs::metadata(self.path(file))
            .is_ok_and(|metadata| metadata.len() > entry.length());
        if !is_long && !entry.is_executable() {
            return Ok(());
        }
        let open = self.open_for_writing(file)?;
        let cut = || -> io::Result<()> {
            if open.file.metadata()?.len() > entry.length() {
                open.file.set_len(entry.length())?;
                open.identity.was_cut(entry.length());
                self.seen.touch(file);
                self.dirty[file.as_usize()].store(true, Ordering::Release);
            }
            if entry.is_executable() {
                make_executable(&open.file)?;
            }
            Ok(())
        };
        cut().map_err(|error| self.error(Operation::Change, file, error))
    }

    pub(super) fn sync_all(&self) -> Result<(), StorageError> {
        let places = self.places.read();
        let dirty: Vec<_> = (0u32..)
            .map(FileIndex)
            .zip(&self.dirty)
            .filter(|(_, flag)| flag.swap(false, Ordering::AcqRel))
            .map(|(file, _)| file)
            .collect();
        self.start_write_back(dirty.len());
        let mut result = Ok(());
        for file in dirty {
            if let Err(error) = self.sync_file(file) {
                self.dirty[file.as_usize()].store(true, Ordering::Release);
                result = Err(error);
            }
        }
        drop(places);
        result?;
        {
            let mut part = self.part.write();
            part.sync()
                .map_err(|error| StorageError::from_io(Operation::Sync, part.path(), error))?;
        }
        self.sync_folders()
    }

    fn sync_file(&self, file: FileIndex) -> Result<(), StorageError> {
        let open = self.open_for_reading(file)?;
        // Not only the data: resume data compares times.
        open.file
            .sync_all()
            .and_then(|()| open.identity.check(&open.file))
            .and_then(|()| open.identity.check_place(&self.path(file)))
            .inspect_err(|_| self.pool.forget(self.key(file)))
            .map_err(|error| self.error(Operation::Sync, file, error))
    }

    /// Speeds up what follows, and nothing more: errors are asked of each file.
    #[cfg(target_os = "linux")]
    fn start_write_back(&self, files: usize) {
        if files >= MANY_FILES
            && let Ok(base) = std::fs::File::open(self.base_dir())
        {
            let _ = rustix::fs::syncfs(base);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn start_write_back(&self, _files: usize) {}

    /// Makes new names durable.
    pub(super) fn sync_folders(&self) -> Result<(), StorageError> {
        let folders = std::mem::take(&mut *self.dirty_folders.lock());
        for folder in &folders {
            if let Err(error) = sync_folder(folder)
                // One that was removed has no entries left that could be lost.
                && error.kind() != io::ErrorKind::NotFound
            {
                let failed = StorageError::from_io(Operation::Sync, folder, error);
                self.dirty_folders.lock().extend(folders);
                return Err(failed);
            }
        }
        Ok(())
    }

    pub(super) fn all_stamps(&self) -> Vec<FileStamp> {
        let places = self.places.read();
        let part = self.part.read();
        let part_stamp = FileStamp {
            in_part_file: true,
            ..stamp_of(std::fs::metadata(part.path()))
        };
        let names = self.names();
        let layout = self.contents.layout();
        let stamps = layout
            .iter()
            .zip(&*places.of)
            .map(|((file, entry), place)| match place {
                Place::Pad => FileStamp::MISSING,
                Place::Real | Place::Kept if !part.touches(entry.range()) => {
                    let stamp = stamp_of(std::fs::metadata(names.path(layout, file)));
                    self.times.judge(file, stamp)
                }
                Place::Real | Place::Kept | Place::Part => part_stamp,
            });
        self.seen.judge(stamps.collect())
    }
}

pub(super) fn stamp_of(metadata: io::Result<Metadata>) -> FileStamp {
    let Ok(metadata) = metadata else {
        return FileStamp::MISSING;
    };
    FileStamp {
        size: Some(metadata.len()),
        modified: metadata.modified().map_or(0, nanoseconds),
        in_part_file: false,
    }
}

fn nanoseconds(time: std::time::SystemTime) -> i64 {
    let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(0);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => nanos(after),
        Err(before) => -nanos(before.duration()),
    }
}

#[cfg(unix)]
pub(super) fn sync_folder(folder: &std::path::Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Folders cannot be opened like files here; their entries are the system's care.
#[cfg(not(unix))]
pub(super) fn sync_folder(_folder: &std::path::Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn make_executable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = file.metadata()?.permissions();
    // Whoever may read may execute.
    let mode = permissions.mode() | ((permissions.mode() & 0o444) >> 2);
    if mode != permissions.mode() {
        permissions.set_mode(mode);
        file.set_permissions(permissions)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_executable(_file: &std::fs::File) -> io::Result<()> {
    Ok(())
}

//! Moving and renaming files while they are read and written.
//!
//! # The order
//!
//! 1. Each file gets a second place: a hard link, or on another file system a copy under a hidden name, synced. Reads and
//!    writes go on at the old place; what is written is noted.
//! 2. What was written meanwhile is copied again, until little is left.
//! 3. With everybody else kept out: the last of it is copied and synced, files that came meanwhile get their second place, copies
//!    get their real names, the new folders are synced. From here on reads and writes go to the new place.
//! 4. The caller puts on record where the files are now: it saves resume data.
//! 5. The old names are removed ([`Leftovers::remove`]), and folders that this leaves empty.
//!
//! An error in the first three steps undoes everything. A process that is killed in them leaves the old place whole; links and copies
//! that it leaves at the new place are never taken for data of ours unless somebody adds the torrent there, and then they
//! are checked. One that is killed later leaves both places whole, or the new one.
//!
//! Where the file system has no hard links, files are renamed in step 3, one by one; killed then, each is at one of
//! the two places.

#[cfg(all(test, unix))]
mod tests;
mod transfer;

use std::io::Error as IoError;
use std::path::Path;
use std::sync::Arc;

use headwater_metainfo::{FileIndex, SafePath};

use super::FileStorage;
use super::places::Places;
use super::tidy::Leftovers;
use crate::{Operation, Step, StorageError, StorageErrorKind};
use transfer::{Transfer, Way};

/// Rounds of copying again what was written meanwhile before everybody has to wait.
const ROUNDS: usize = 8;
/// Bytes left to copy that nobody minds waiting for.
const LITTLE: u64 = 4 * 1024 * 1024;

impl FileStorage {
    pub(super) fn move_to(&self, dir: &Path, step: Step<'_>) -> Result<Leftovers, StorageError> {
        self.move_by(Way::Link, dir, step)
    }

    fn move_by(&self, way: Way, dir: &Path, step: Step<'_>) -> Result<Leftovers, StorageError> {
        let _changing = self.changing.lock();
        let base = std::path::absolute(dir).map_err(|error| move_error(dir, error))?;
        let from = self.names();
        if is_same_folder(&from.base, &base) {
            *self.names.write() = Arc::new(from.below(base));
            return Ok(Leftovers::default());
        }
        let to = from.below(base);
        let files = self.contents.layout().iter();
        let files = files.filter(|(_, entry)| !entry.is_pad());
        let files = files.map(|(file, _)| file).collect();
        self.transfer(Transfer::new(self, from, to, files, way), step)
    }

    pub(super) fn rename_to(
        &self,
        file: FileIndex,
        path: &SafePath,
    ) -> Result<Leftovers, StorageError> {
        let _changing = self.changing.lock();
        let layout = self.contents.layout();
        let from = self.names();
        if self.entry(file).is_pad() || from.relative(layout, file) == path {
            return Ok(Leftovers::default());
        }
        let to = from.with(layout, file, path.clone()).ok_or_else(|| {
            let cause = "the place is taken by another file of the torrent";
            let path = path.under(&from.base);
            StorageError::new(Operation::Move, path, StorageErrorKind::Exists, cause)
        })?;
        let transfer = Transfer::new(self, from, to, vec![file], Way::Link);
        self.transfer(transfer, &mut |_| Ok(()))
    }

    fn transfer(
        &self,
        mut transfer: Transfer<'_>,
        step: Step<'_>,
    ) -> Result<Leftovers, StorageError> {
        self.places.write().written = Some(parking_lot::Mutex::default());
        let begun = transfer.begin(step).and_then(|()| self.catch_up(&transfer));
        // From here on alone, also for undoing: what was renamed must be back before anybody opens it.
        let mut places = self.places.write();
        let ended = begun.and_then(|()| self.switch(&mut transfer, &places, step));
        places.written = None;
        if ended.is_err() {
            transfer.undo();
        }
        ended?;
        Ok(transfer.leftovers())
    }

    /// Copies again what was written meanwhile, while more of it is written.
    fn catch_up(&self, transfer: &Transfer<'_>) -> Result<(), StorageError> {
        for _ in 0..ROUNDS {
            let written = take_written(&self.places.read());
            if transfer.copy_again(&written)? < LITTLE {
                break;
            }
        }
        Ok(())
    }

    fn switch(
        &self,
        transfer: &mut Transfer<'_>,
        places: &Places,
        step: Step<'_>,
    ) -> Result<(), StorageError> {
        let mut part = self.part.write();
        transfer.begin_late(&part)?;
        transfer.copy_again(&take_written(places))?;
        transfer.take_effect(step)?;
        let path = transfer.to().part_file(self.contents.info_hash());
        part.moved_to(path.clone())
            .map_err(|error| move_error(&path, error))?;
        *self.names.write() = Arc::new(transfer.to().clone());
        // The entries at the new place are durable, and those at the old one do not matter any more.
        self.dirty_folders.lock().clear();
        self.forget_open();
        Ok(())
    }
}

fn take_written(places: &Places) -> Vec<std::ops::Range<u64>> {
    let written = places.written.as_ref();
    let written = written.map(|written| std::mem::take(&mut *written.lock()));
    written.map_or_else(Vec::new, |written| written.iter().collect())
}

fn is_same_folder(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn move_error(path: &Path, cause: IoError) -> StorageError {
    StorageError::from_io(Operation::Move, path, cause)
}

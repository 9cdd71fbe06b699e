//! What a move has done so far, and how it is undone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_metainfo::FileIndex;

use super::super::copy::{
    CopyError, copy_data, copy_link, copy_range, create_anew, is_all_reserved, seal,
};
use super::super::names::Names;
use super::super::open::{Purpose, refuse_links_out_of};
use super::super::prepare::sync_folder;
use super::super::tidy::{
    Leftovers, is_file_or_link, may_be_removed, missing_folders, rename_new, sync_folders_of,
};
use super::super::{Allocation, FileStorage, reserve};
use super::move_error;
use crate::part::PartFile;
use crate::{Step, StorageError};

/// How a file comes to its new place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By a link, or as the file system has it.
    Link,
    /// To another file system.
    Copy,
    /// In one step, at the end: there are no links.
    Rename,
}

/// A file that has its second place, or is to get it at the end.
#[derive(Debug)]
enum Staged {
    Linked,
    /// Under this hidden name.
    Copied(PathBuf),
    ToRename,
}

/// What has been done and how it is undone.
#[derive(Debug)]
enum Done {
    /// This folder or file is new.
    Folder(PathBuf),
    File(PathBuf),
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
}

/// A file of the torrent; `None` is the part file.
type Which = Option<FileIndex>;

pub(super) struct Transfer<'a> {
    storage: &'a FileStorage,
    from: Arc<Names>,
    to: Names,
    files: Vec<FileIndex>,
    way: Way,
    staged: BTreeMap<Which, Staged>,
    done: Vec<Done>,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(
        storage: &'a FileStorage,
        from: Arc<Names>,
        to: Names,
        files: Vec<FileIndex>,
        way: Way,
    ) -> Self {
        Self {
            storage,
            from,
            to,
            files,
            way,
            staged: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    pub(super) fn to(&self) -> &Names {
        &self.to
    }

    /// Gives every file that is there its second place.
    pub(super) fn begin(&mut self, step: Step<'_>) -> Result<(), StorageError> {
        self.look_ahead()?;
        for file in self.files.clone() {
            let path = self.path(&self.from, Some(file));
            if is_file_or_link(&path) {
                step(file)?;
                self.stage(Some(file), step)?;
            }
        }
        Ok(())
    }

    /// Gives those files their second place that came meanwhile, and the part file. Nobody else is at work.
    pub(super) fn begin_late(&mut self, part: &PartFile) -> Result<(), StorageError> {
        let missing = self.files.iter().map(|file| Some(*file));
        let mut late: Vec<Which> = missing
            .filter(|which| !self.staged.contains_key(which))
            .filter(|which| is_file_or_link(&self.path(&self.from, *which)))
            .collect();
        if part.exists() && self.from.base != self.to.base {
            late.push(None);
        }
        late.into_iter()
            .try_for_each(|which| self.stage(which, &mut |_| Ok(())))
    }

    /// Copies these positions of the torrent again, of files that were copied; how many bytes that was.
    pub(super) fn copy_again(&self, written: &[Range<u64>]) -> Result<u64, StorageError> {
        let layout = self.storage.contents.layout();
        let mut bytes = 0;
        let mut touched: BTreeMap<FileIndex, Vec<Range<u64>>> = BTreeMap::new();
        for range in written {
            for span in layout.spans(range.start, range.end - range.start) {
                let range = span.offset..span.offset + span.length;
                touched.entry(span.file).or_default().push(range);
            }
        }
        for (file, ranges) in touched {
            if let Some(Staged::Copied(copy)) = self.staged.get(&Some(file)) {
                self.refresh(file, copy, &ranges)
                    .map_err(|error| move_error(&self.path(&self.to, Some(file)), error))?;
                bytes += ranges
                    .iter()
                    .map(|range| range.end - range.start)
                    .sum::<u64>();
            }
        }
        Ok(bytes)
    }

    /// Gives copies their real names, renames what could not be linked, and makes the new names durable.
    pub(super) fn take_effect(&mut self, step: Step<'_>) -> Result<(), StorageError> {
        for which in self.staged.keys().copied().collect::<Vec<_>>() {
            if let Some(file) = which {
                step(file)?;
            }
            let (old, new) = (self.path(&self.from, which), self.path(&self.to, which));
            let outcome = match &self.staged[&which] {
                Staged::Linked => continue,
                Staged::Copied(copy) => rename_new(copy, &new).map(|()| Done::File(new.clone())),
                Staged::ToRename => rename_new(&old, &new).map(|()| Done::Renamed {
                    from: old,
                    to: new.clone(),
                }),
            };
            self.done
                .push(outcome.map_err(|error| move_error(&new, error))?);
        }
        self.make_names_durable()
            .map_err(|error| move_error(&self.to.base, error))
    }

    /// Takes everything back, as far as that is possible, last things first.
    pub(super) fn undo(&mut self) {
        for done in self.done.drain(..).rev() {
            let undone = match &done {
                Done::Folder(path) => fs::remove_dir(path),
                Done::File(path) => fs::remove_file(path),
                Done::Renamed { from, to } => rename_new(to, from),
            };
            // A copy that has its real name has not got its hidden one any more, and a folder that somebody uses stays.
            if let (Err(error), Done::Renamed { .. }) = (undone, &done) {
                tracing::error!(%error, ?done, "a file cannot be moved back");
            }
        }
    }

    /// The names at the old place.
    pub(super) fn leftovers(self) -> Leftovers {
        let path = |which: &Which| self.path(&self.from, *which);
        let is_renamed = |(_, staged): &(&Which, &Staged)| matches!(staged, Staged::ToRename);
        let (renamed, left): (Vec<_>, Vec<_>) = self.staged.iter().partition(is_renamed);
        Leftovers {
            base: self.from.base.clone(),
            paths: left.iter().map(|(which, _)| path(which)).collect(),
            gone: renamed.iter().map(|(which, _)| path(which)).collect(),
        }
    }

    fn path(&self, names: &Names, which: Which) -> PathBuf {
        let contents = &self.storage.contents;
        match which {
            Some(file) => names.path(contents.layout(), file),
            None => names.part_file(contents.info_hash()),
        }
    }

    /// Finds out what would go wrong in any case: something in the way, or an old place that cannot be left.
    fn look_ahead(&self) -> Result<(), StorageError> {
        let mut targets: Vec<Which> = self.files.iter().map(|file| Some(*file)).collect();
        if self.from.base != self.to.base {
            targets.push(None);
        }
        for which in targets {
            let (old, new) = (self.path(&self.from, which), self.path(&self.to, which));
            if fs::symlink_metadata(&new).is_ok() {
                return Err(move_error(&new, ErrorKind::AlreadyExists.into()));
            }
            if is_file_or_link(&old) {
                may_be_removed(&old).map_err(|error| move_error(&old, error))?;
            }
        }
        Ok(())
    }

    fn stage(&mut self, which: Which, step: Step<'_>) -> Result<(), StorageError> {
        let (old, new) = (self.path(&self.from, which), self.path(&self.to, which));
        self.stays_inside(&self.from, &old)
            .map_err(|error| move_error(&old, error))?;
        self.make_parents(which)
            .map_err(|error| move_error(&new, error))?;
        let way = match self.way {
            Way::Link => link(&old, &new).map_err(|error| move_error(&new, error))?,
            way => way,
        };
        let staged = match way {
            Way::Link => {
                self.done.push(Done::File(new));
                Staged::Linked
            }
            Way::Copy => self.copy(which, &old, &new, step)?,
            Way::Rename => Staged::ToRename,
        };
        self.staged.insert(which, staged);
        Ok(())
    }

    fn copy(
        &mut self,
        which: Which,
        old: &Path,
        new: &Path,
        step: Step<'_>,
    ) -> Result<Staged, StorageError> {
        let failed = |error| move_error(new, error);
        if old.is_symlink() {
            copy_link(old, new).map_err(failed)?;
            self.done.push(Done::File(new.to_path_buf()));
            return Ok(Staged::Linked);
        }
        let hidden = self.hidden_beside(new, which);
        let source = self
            .open_source(which, old)
            .map_err(|error| move_error(old, error))?;
        let copy = create_anew(&hidden).map_err(failed)?;
        self.done.push(Done::File(hidden.clone()));
        let mut go_on = || which.map_or(Ok(()), |file| step(file).map_err(CopyError::Stopped));
        self.fill(&source, &copy, &mut go_on)
            .map_err(|error| match error {
                CopyError::Io(error) => move_error(new, error),
                CopyError::Stopped(error) => error,
            })?;
        Ok(Staged::Copied(hidden))
    }

    fn fill(
        &self,
        source: &File,
        copy: &File,
        go_on: &mut dyn FnMut() -> Result<(), CopyError>,
    ) -> Result<(), CopyError> {
        let before = source.metadata()?;
        copy.set_permissions(before.permissions())?;
        if self.storage.allocation == Allocation::Reserve && is_all_reserved(&before) {
            reserve::reserve(copy, before.len())?;
        }
        copy.set_len(before.len())?;
        copy_data(source, copy, before.len(), go_on)?;
        seal(source, copy, &before)?;
        Ok(())
    }

    fn refresh(&self, file: FileIndex, copy: &Path, ranges: &[Range<u64>]) -> io::Result<()> {
        let source = self.open_source(Some(file), &self.path(&self.from, Some(file)))?;
        let copy = File::options().write(true).open(copy)?;
        let before = source.metadata()?;
        copy.set_len(before.len())?;
        for range in ranges {
            copy_range(&source, &copy, range.start..range.end.min(before.len()))?;
        }
        seal(&source, &copy, &before)
    }

    fn open_source(&self, which: Which, path: &Path) -> io::Result<File> {
        match which {
            Some(file) => self.storage.location(&self.from, file).open(Purpose::Read),
            None => File::open(path),
        }
    }

    /// Beside its real name, so that it is on the same file system, and the same at every attempt, so that what a killed process
    /// left is used up by the next.
    fn hidden_beside(&self, path: &Path, which: Which) -> PathBuf {
        let number = which.map_or_else(|| "parts".to_owned(), |file| file.to_string());
        let hash = self.storage.contents.info_hash();
        path.with_file_name(format!(".{hash}-{number}.moving"))
    }

    fn make_parents(&mut self, which: Which) -> io::Result<()> {
        let new = self.path(&self.to, which);
        let missing = missing_folders(new.parent());
        let made = match which {
            Some(file) => self.storage.location(&self.to, file).create_parents(),
            None => fs::create_dir_all(&self.to.base),
        };
        self.done.extend(missing.into_iter().map(Done::Folder));
        made.and_then(|()| self.stays_inside(&self.to, &new))
    }

    /// Whether no link on the way leads out of the base directory.
    fn stays_inside(&self, names: &Names, path: &Path) -> io::Result<()> {
        if self.storage.follow_links {
            return Ok(());
        }
        refuse_links_out_of(&names.base, path.parent().unwrap_or(path))
    }

    fn make_names_durable(&self) -> io::Result<()> {
        if self.staged.is_empty() {
            return Ok(());
        }
        let new: Vec<_> = self
            .staged
            .keys()
            .map(|which| self.path(&self.to, *which))
            .collect();
        sync_folders_of(&self.to.base, &new)?;
        let folders = self.done.iter().filter_map(|done| match done {
            Done::Folder(folder) => folder.parent(),
            Done::File(_) | Done::Renamed { .. } => None,
        });
        folders.into_iter().try_for_each(sync_folder)
    }
}

/// Makes a link, or says what is to be done instead.
fn link(old: &Path, new: &Path) -> io::Result<Way> {
    match fs::hard_link(old, new) {
        Ok(()) => Ok(Way::Link),
        Err(error) => match error.kind() {
            ErrorKind::CrossesDevices => Ok(Way::Copy),
            // No links here, no more links to this file, or not to somebody else's file: renaming will tell.
            ErrorKind::Unsupported | ErrorKind::TooManyLinks | ErrorKind::PermissionDenied => {
                Ok(Way::Rename)
            }
            _ => Err(error),
        },
    }
}

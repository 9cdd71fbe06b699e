//! Removing a torrent's data, all of it or none.
//!
//! # The order
//!
//! 1. Every file is renamed into a hidden folder, `.INFOHASH.deleting`, in the base directory. An error here, and what is in there goes
//!    back to where it was.
//! 2. That folder is renamed to `.INFOHASH.deleted`. From here on the data is gone.
//! 3. The folder and what is in it is removed, and the folders that are empty now.
//!
//! A process that is killed leaves one of these folders; the next [`FileStorage::new`] puts the files back, or
//! removes them.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use headwater_metainfo::FileIndex;

use super::FileStorage;
use super::names::Names;
use super::open::refuse_links_out_of;
use super::places::Place;
use super::tidy::{is_file_or_link, remove_empty_folders, rename_new};
use crate::{Contents, Operation, Step, StorageError};

/// The part file's name in the hidden folder; others have their numbers.
const PART: &str = "parts";

/// Where files wait to be removed.
struct Trash {
    deleting: PathBuf,
    deleted: PathBuf,
}

impl Trash {
    fn new(names: &Names, contents: &dyn Contents) -> Self {
        let hash = contents.info_hash();
        Self {
            deleting: names.base.join(format!(".{hash}.deleting")),
            deleted: names.base.join(format!(".{hash}.deleted")),
        }
    }
}

/// Ends what a killed process began.
pub(super) fn settle_interrupted(
    names: &Names,
    contents: &dyn Contents,
) -> Result<(), StorageError> {
    let trash = Trash::new(names, contents);
    let deleting = put_back(&trash.deleting, names, contents);
    deleting.map_err(|error| remove_error(&trash.deleting, error))?;
    empty(&trash.deleted).map_err(|error| remove_error(&trash.deleted, error))
}

impl FileStorage {
    pub(super) fn delete_all(&self, step: Step<'_>) -> Result<(), StorageError> {
        let _changing = self.changing.lock();
        let names = self.names();
        let trash = Trash::new(&names, &*self.contents);
        let mut places = self.places.write();
        let mut part = self.part.write();
        let thrown = self.throw_away(&trash, &names, step).inspect_err(|_| {
            if let Err(error) = put_back(&trash.deleting, &names, &*self.contents) {
                tracing::error!(%error, "a file that was to be removed cannot be put back");
            }
        })?;
        part.clear();
        self.forget_open();
        self.dirty
            .iter()
            .for_each(|dirty| dirty.store(false, Ordering::Relaxed));
        self.is_prepared.store(false, Ordering::Relaxed);
        for place in &mut *places.of {
            // It was kept because it existed.
            if *place == Place::Kept {
                *place = Place::Part;
            }
        }
        drop((part, places));
        self.remove_thrown(&trash, &names, &thrown)
    }

    /// Puts every file where it can be removed from; those that cannot be put there, because a file system is mounted in the
    /// torrent's folder, are returned.
    fn throw_away(
        &self,
        trash: &Trash,
        names: &Names,
        step: Step<'_>,
    ) -> Result<Vec<PathBuf>, StorageError> {
        let mut elsewhere = Vec::new();
        let part = names.part_file(self.contents.info_hash());
        let part = is_file_or_link(&part).then_some((PART.to_owned(), part));
        for (file, path) in names.all(self.contents.layout()) {
            if !is_file_or_link(&path) {
                continue;
            }
            step(file)?;
            if !self.throw(trash, names, &path, &file.to_string())? {
                elsewhere.push(path);
            }
        }
        if let Some((name, path)) = part {
            self.throw(trash, names, &path, &name)?;
        }
        if trash.deleting.exists() {
            // An earlier one that could not be removed wholly.
            let settled =
                empty(&trash.deleted).and_then(|()| rename_new(&trash.deleting, &trash.deleted));
            settled.map_err(|error| remove_error(&trash.deleting, error))?;
        }
        Ok(elsewhere)
    }

    fn throw(
        &self,
        trash: &Trash,
        names: &Names,
        path: &Path,
        name: &str,
    ) -> Result<bool, StorageError> {
        let thrown = || {
            if !self.follow_links {
                refuse_links_out_of(&names.base, path.parent().unwrap_or(path))?;
            }
            match fs::create_dir(&trash.deleting) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            rename_new(path, &trash.deleting.join(name))
        };
        match thrown() {
            Ok(()) => Ok(true),
            Err(error)
                if error.kind() == ErrorKind::CrossesDevices && self.is_inside(names, path) =>
            {
                Ok(false)
            }
            Err(error) => Err(remove_error(path, error)),
        }
    }

    fn is_inside(&self, names: &Names, path: &Path) -> bool {
        let folder = path.parent().unwrap_or(path);
        self.follow_links || refuse_links_out_of(&names.base, folder).is_ok()
    }

    fn remove_thrown(
        &self,
        trash: &Trash,
        names: &Names,
        elsewhere: &[PathBuf],
    ) -> Result<(), StorageError> {
        let mut result = empty(&trash.deleted).map_err(|error| remove_error(&trash.deleted, error));
        for path in elsewhere {
            let removed = fs::remove_file(path).map_err(|error| remove_error(path, error));
            result = result.and(removed);
        }
        let paths: Vec<_> = names
            .all(self.contents.layout())
            .map(|(_, path)| path)
            .collect();
        remove_empty_folders(&names.base, &paths);
        result
    }
}

/// Puts back what is in the folder, and removes it. What has been made anew meanwhile stays, and so does what it replaces.
fn put_back(folder: &Path, names: &Names, contents: &dyn Contents) -> io::Result<()> {
    for (name, path) in files_in(folder)? {
        let place = if name == PART {
            names.part_file(contents.info_hash())
        } else {
            let file = name.parse().ok().map(FileIndex);
            let Some(file) = file.filter(|file| contents.layout().file(*file).is_some()) else {
                continue;
            };
            names.path(contents.layout(), file)
        };
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        rename_new(&path, &place)?;
    }
    remove_folder(folder)
}

/// Removes the folder and what we have put there.
fn empty(folder: &Path) -> io::Result<()> {
    for (_, path) in files_in(folder)? {
        fs::remove_file(path)?;
    }
    remove_folder(folder)
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    // Asked first: where nothing may be removed, the error is about that.
    if fs::symlink_metadata(folder).is_err() {
        return Ok(());
    }
    match fs::remove_dir(folder) {
        // Somebody else has put something there: it stays, and so does the folder.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

/// Name and path of what we have put into `folder`; nothing if it is not there.
fn files_in(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    if !fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if name == PART || name.parse::<u32>().is_ok() {
            files.push((name, entry.path()));
        }
    }
    Ok(files)
}

fn remove_error(path: &Path, cause: io::Error) -> StorageError {
    StorageError::from_io(Operation::Remove, path, cause)
}

//! Placing and removing directory entries with care: nothing is written over, and only what is empty is tidied away.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::prepare::sync_folder;
use crate::{Operation, StorageError};

/// What a [move](crate::Storage::relocate) or a [renaming](crate::Storage::rename_file) has left at the old place: names that
/// nobody uses any more. To be [removed](Self::remove) once it is on record where the files are now; without that,
/// they stay.
#[derive(Debug, Default)]
#[must_use = "the old files stay until they are removed"]
pub struct Leftovers {
    /// Folders inside of it are removed when they are empty, but never itself.
    pub(super) base: PathBuf,
    pub(super) paths: Vec<PathBuf>,
    /// Names that are gone already, whose folders may be empty.
    pub(super) gone: Vec<PathBuf>,
}

impl Leftovers {
    /// Whether nothing is left at the old place.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Removes the old files, and the folders that this leaves empty. All are tried; the first error is returned.
    pub fn remove(self) -> Result<(), StorageError> {
        let mut result = Ok(());
        for path in &self.paths {
            if let Err(error) = fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                let error = StorageError::from_io(Operation::Change, path, error);
                result = result.and(Err(error));
            }
        }
        remove_empty_folders(&self.base, &self.paths);
        remove_empty_folders(&self.base, &self.gone);
        result
    }
}

/// Removes the folders that led to `paths`, up to `base`, as long as they are empty.
pub(super) fn remove_empty_folders(base: &Path, paths: &[PathBuf]) {
    // The inner ones come last.
    for folder in folders_of(base, paths).iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

/// The folders between `base` and `paths`.
pub(super) fn folders_of(base: &Path, paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for path in paths {
        for folder in path.ancestors().skip(1) {
            let is_inside = folder != base && folder.starts_with(base);
            if !is_inside || !folders.insert(folder.to_path_buf()) {
                break;
            }
        }
    }
    folders
}

/// Makes the entries of `paths` durable, and those of the folders that lead to them.
pub(super) fn sync_folders_of(base: &Path, paths: &[PathBuf]) -> io::Result<()> {
    let mut folders = folders_of(base, paths);
    folders.insert(base.to_path_buf());
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

/// Renames, but never over anything.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => {}
            renamed => return Ok(renamed?),
        }
    }
    rename_portably(from, to)
}

/// A program that makes `to` between the look and the renaming is not seen.
fn rename_portably(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

/// Whether a file of the torrent may lie there; a folder or a device in its way is somebody else's.
pub(super) fn is_file_or_link(path: &Path) -> bool {
    let kind = fs::symlink_metadata(path).map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_file() || kind.is_symlink())
}

/// The folders on the way to and including `folder` that are not there, outermost first.
pub(in crate::file) fn missing_folders(folder: Option<&Path>) -> Vec<PathBuf> {
    let folders = folder.into_iter().flat_map(Path::ancestors);
    let missing = folders.take_while(|folder| fs::symlink_metadata(folder).is_err());
    let mut missing: Vec<_> = missing.map(Path::to_path_buf).collect();
    missing.reverse();
    missing
}

/// Whether the folder that holds the file lets it go.
#[cfg(unix)]
pub(in crate::file) fn may_be_removed(path: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    let folder = path.parent().unwrap_or(path);
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(not(unix))]
pub(in crate::file) fn may_be_removed(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_renamed_over_anything() {
        for rename in [rename_new, rename_portably] {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| dir.path().join(name);
            fs::write(path("a"), "a").unwrap();
            fs::write(path("b"), "b").unwrap();
            let error = rename(&path("a"), &path("b")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(path("b")).unwrap(), b"b");
            rename(&path("a"), &path("c")).unwrap();
            assert_eq!(fs::read(path("c")).unwrap(), b"a");
        }
    }

    #[test]
    fn folders_with_other_content_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("a/b/c")).unwrap();
        fs::create_dir_all(path("a/d")).unwrap();
        fs::write(path("a/foreign"), "").unwrap();
        remove_empty_folders(dir.path(), &[path("a/b/c/file"), path("a/d/file")]);
        assert!(path("a/foreign").exists() && !path("a/b").exists() && !path("a/d").exists());
        fs::remove_file(path("a/foreign")).unwrap();
        remove_empty_folders(dir.path(), &[path("a/b/c/file")]);
        assert!(dir.path().exists() && !path("a").exists());
    }
}

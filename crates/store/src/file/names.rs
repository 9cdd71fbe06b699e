//! Where each file lies: below which directory, and under which name.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use headwater_metainfo::{FileIndex, FileLayout, InfoHash, SafePath};

use crate::{Operation, StorageError, StorageErrorKind};

/// The base directory, and the files that lie elsewhere below it than the torrent says.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) base: PathBuf,
    renamed: BTreeMap<FileIndex, SafePath>,
}

impl Names {
    /// An error if two files would lie in one place.
    pub(super) fn new(
        base: PathBuf,
        layout: &FileLayout,
        renamed: Vec<(FileIndex, SafePath)>,
    ) -> Result<Self, StorageError> {
        let renamed: BTreeMap<_, _> = renamed.into_iter().collect();
        if !are_distinct(layout, &renamed) {
            let cause = "a file was renamed to where another one lies";
            let kind = StorageErrorKind::OutOfRange;
            return Err(StorageError::new(Operation::Open, base, kind, cause));
        }
        Ok(Self { base, renamed })
    }

    /// The same files below another directory.
    pub(super) fn below(&self, base: PathBuf) -> Self {
        let renamed = self.renamed.clone();
        Self { base, renamed }
    }

    /// With `file` under another name; `None` if that is, leads through or holds another file's place.
    pub(super) fn with(
        &self,
        layout: &FileLayout,
        file: FileIndex,
        path: SafePath,
    ) -> Option<Self> {
        let mut new = self.clone();
        if layout.files()[file.as_usize()].path() == &path {
            new.renamed.remove(&file);
        } else {
            new.renamed.insert(file, path);
        }
        are_distinct(layout, &new.renamed).then_some(new)
    }

    /// Relative to the base directory.
    pub(super) fn relative<'a>(&'a self, layout: &'a FileLayout, file: FileIndex) -> &'a SafePath {
        place(layout, &self.renamed, file)
    }

    pub(super) fn path(&self, layout: &FileLayout, file: FileIndex) -> PathBuf {
        self.relative(layout, file).under(&self.base)
    }

    pub(super) fn part_file(&self, info_hash: InfoHash) -> PathBuf {
        self.base.join(format!(".{info_hash}.parts"))
    }

    /// Every file that can be on disk, with its path.
    pub(super) fn all<'a>(
        &'a self,
        layout: &'a FileLayout,
    ) -> impl Iterator<Item = (FileIndex, PathBuf)> + 'a {
        let files = layout.iter().filter(|(_, entry)| !entry.is_pad());
        files.map(|(file, _)| (file, self.path(layout, file)))
    }
}

fn place<'a>(
    layout: &'a FileLayout,
    renamed: &'a BTreeMap<FileIndex, SafePath>,
    file: FileIndex,
) -> &'a SafePath {
    renamed
        .get(&file)
        .unwrap_or_else(|| layout.files()[file.as_usize()].path())
}

/// Whether every renamed file is one of the torrent's, and has a place that no other file has or leads through, on file
/// systems without letter case as well.
pub(crate) fn are_distinct(layout: &FileLayout, renamed: &BTreeMap<FileIndex, SafePath>) -> bool {
    if renamed.is_empty() {
        return true;
    }
    let mut places = HashSet::new();
    let mut folders = HashSet::new();
    for (file, _) in layout.iter().filter(|(_, entry)| !entry.is_pad()) {
        let path = place(layout, renamed, file).as_str().to_lowercase();
        let outer = Path::new(&path).ancestors().skip(1);
        folders.extend(outer.map(Path::to_path_buf));
        if !places.insert(PathBuf::from(path)) {
            return false;
        }
    }
    let is_known = |file: &FileIndex| {
        let entry = layout.file(*file);
        entry.is_some_and(|entry| !entry.is_pad())
    };
    // A hidden name at the top may be one that we use ourselves.
    let is_ours =
        |path: &SafePath| path.components().count() == 1 && path.as_str().starts_with('.');
    renamed.keys().all(is_known) && !renamed.values().any(is_ours) && folders.is_disjoint(&places)
}

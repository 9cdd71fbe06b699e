//! From what a torrent holds to its place on disk: which files are wanted, the back end, and what is there already.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_metainfo::{FileIndex, Info, InfoHash, InfoHashes};
use headwater_store::{
    Allocation, FileOptions, FileStorage, Pool, ResumeData, Storage, StorageError,
};

use crate::resume::{Loaded, Start};
use crate::torrent::Pieces;
use crate::{AddError, NoSuchFile, ResumePolicy, SelectionError, TorrentError};

pub(crate) type StorageMaker =
    Box<dyn FnOnce(&Arc<Info>) -> Result<Arc<dyn Storage>, StorageError> + Send>;
type Refusal = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Chooser = Box<dyn FnOnce(&Info) -> Result<Vec<u32>, Refusal> + Send>;

/// What the user said that matters when it is known what the torrent holds. Can be used again after it failed.
pub(crate) struct Opening {
    pub(crate) dir: PathBuf,
    pub(crate) selection: Selection,
    pub(crate) backend: Backend,
    pub(crate) allocation: Allocation,
    pub(crate) read_only: bool,
    pub(crate) resume: Option<ResumeData>,
    /// Where resume data is kept.
    pub(crate) resume_path: Option<PathBuf>,
    pub(crate) trust: bool,
}

/// Which files are wanted.
#[derive(Default)]
pub(crate) struct Selection {
    pub(crate) priorities: Vec<u32>,
    pub(crate) priority_of: Vec<(FileIndex, u32)>,
    /// The files that a magnet link names (BEP 53).
    pub(crate) linked: Vec<RangeInclusive<u32>>,
    pub(crate) choose: Option<Chooser>,
    /// What came of it: nobody is asked twice.
    made: Option<Result<Box<[u32]>, SelectionError>>,
}

/// Where the data goes.
#[derive(Default)]
pub(crate) enum Backend {
    #[default]
    Files,
    Custom(StorageMaker),
    /// A custom one that could not be made; it cannot be tried again.
    Broken(StorageError),
}

/// A torrent that can begin.
pub(crate) struct Opened {
    pub(crate) pieces: Pieces,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) start: Loaded,
}

/// Why it cannot.
pub(crate) enum OpenError {
    Selection(SelectionError),
    Storage(StorageError),
}

impl Opening {
    /// Unless given otherwise: everything, in files below the current directory.
    pub(crate) fn new() -> Self {
        Self {
            dir: absolute(".".into()),
            selection: Selection::default(),
            backend: Backend::default(),
            allocation: Allocation::Reserve,
            read_only: false,
            resume: None,
            resume_path: None,
            trust: false,
        }
    }

    /// Settles where resume data is kept.
    pub(crate) fn keep_resume(&mut self, policy: &ResumePolicy, info_hash: InfoHash) {
        self.resume_path = policy.path(info_hash, &self.dir);
    }

    /// The metadata that an earlier run got from peers. Blocks.
    pub(crate) fn kept_metadata(&self, hashes: InfoHashes) -> Option<Arc<Info>> {
        let loaded = || ResumeData::load(self.resume_path.as_deref()?).ok();
        let metadata = match &self.resume {
            Some(given) => given.metadata.clone(),
            None => loaded()?.metadata,
        };
        let info = Info::from_bytes(&metadata?).ok()?;
        (info.info_hashes().v1() == hashes.v1()).then(|| Arc::new(info))
    }

    /// Makes the back end and reads the resume data. Blocks.
    pub(crate) fn open(&mut self, info: &Arc<Info>, pool: Pool) -> Result<Opened, OpenError> {
        let priorities = self.selection.make(info)?;
        let pieces = Pieces::new(info.clone(), priorities);
        // First, because it knows which files were renamed.
        let start = Start {
            given: self.resume.clone(),
            path: self.resume_path.clone(),
            trust: self.trust,
        };
        let start = start.load(info);
        let options = FileOptions {
            allocation: self.allocation,
            read_only: self.read_only,
            wanted: pieces.wanted_files(),
            renamed: start.renamed(),
            pool,
            ..FileOptions::default()
        };
        let storage = self.backend.make(info, &self.dir, options)?;
        Ok(Opened {
            pieces,
            storage,
            start,
        })
    }
}

impl Backend {
    fn make(
        &mut self,
        info: &Arc<Info>,
        dir: &Path,
        options: FileOptions,
    ) -> Result<Arc<dyn Storage>, StorageError> {
        match std::mem::take(self) {
            Self::Files => Ok(Arc::new(FileStorage::new(info.clone(), dir, options)?)),
            Self::Custom(make) => make(info).inspect_err(|error| {
                *self = Self::Broken(error.clone());
            }),
            Self::Broken(error) => {
                *self = Self::Broken(error.clone());
                Err(error)
            }
        }
    }
}

impl Selection {
    /// One priority a file.
    fn make(&mut self, info: &Info) -> Result<Box<[u32]>, SelectionError> {
        let made = match self.made.take() {
            Some(made) => made,
            None => self.choose(info),
        };
        self.made.insert(made).clone()
    }

    fn choose(&mut self, info: &Info) -> Result<Box<[u32]>, SelectionError> {
        let count = info.layout().len();
        let mut priorities = match self.choose.take() {
            Some(choose) => choose(info).map_err(|why| SelectionError::Refused(why.into()))?,
            None if self.priorities.is_empty() => linked(&self.linked, count as u32)?,
            None => self.priorities.clone(),
        };
        if priorities.len() > count {
            return Err(no_such_file(FileIndex(count as u32), count));
        }
        priorities.resize(count, 1);
        for &(file, priority) in &self.priority_of {
            let slot = priorities.get_mut(file.as_usize());
            *slot.ok_or_else(|| no_such_file(file, count))? = priority;
        }
        Ok(priorities.into())
    }
}

/// The priorities that a magnet link's selection makes. A link may name some files that are not there; one that names none that is
/// there is wrong.
fn linked(selected: &[RangeInclusive<u32>], count: u32) -> Result<Vec<u32>, SelectionError> {
    let Some(first) = selected.first() else {
        return Ok(Vec::new());
    };
    let mut priorities = vec![0; count as usize];
    // In order, so that overlapping ranges do not cost more than one.
    let mut ranges: Vec<_> = selected.iter().map(|it| (*it.start(), *it.end())).collect();
    ranges.sort_unstable();
    let mut next = 0;
    for (first, last) in ranges {
        let (from, to) = (first.max(next), last.saturating_add(1).min(count));
        if let Some(files) = priorities.get_mut(from as usize..to as usize) {
            files.fill(1);
            next = to;
        }
    }
    if !priorities.contains(&1) {
        return Err(no_such_file(FileIndex(*first.start()), count as usize));
    }
    Ok(priorities)
}

fn no_such_file(file: FileIndex, count: usize) -> SelectionError {
    let count = count as u32;
    NoSuchFile { file, count }.into()
}

/// As seen from the current directory. If there is none, the back end will say so.
pub(crate) fn absolute(dir: PathBuf) -> PathBuf {
    std::path::absolute(&dir).unwrap_or(dir)
}

impl From<SelectionError> for OpenError {
    fn from(error: SelectionError) -> Self {
        Self::Selection(error)
    }
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<OpenError> for AddError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Selection(SelectionError::NoSuchFile(error)) => error.into(),
            OpenError::Selection(error) => error.into(),
            OpenError::Storage(error) => error.into(),
        }
    }
}

impl From<OpenError> for TorrentError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Selection(error) => crate::MetadataError::Selection(error).into(),
            OpenError::Storage(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_selects_files_that_are_there() {
        let selected = |ranges: &[RangeInclusive<u32>]| linked(ranges, 4);
        assert_eq!(selected(&[]).unwrap(), []);
        assert_eq!(selected(&[0..=0, 2..=3]).unwrap(), [1, 0, 1, 1]);
        assert_eq!(selected(&[3..=u32::MAX, 9..=9]).unwrap(), [0, 0, 0, 1]);
        assert!(selected(&[4..=9]).is_err());
        assert!(linked(&[0..=0], 0).is_err());
    }
}

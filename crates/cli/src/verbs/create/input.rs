//! Reading what goes into a torrent.

use std::fs::{self, File, Metadata};
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use headwater_metainfo::create::{InputFile, Source};
use headwater_store::scan;
use lru::LruCache;
use parking_lot::Mutex;

use super::faults::{changed, vanished};
use super::walk::Found;
use crate::exit::Result;
use crate::source::shown;

/// Files that are kept open at a time: more than are read side by side.
const OPEN_FILES: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// The files of a torrent in the making.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) files: Vec<InputFile>,
    /// Where each of `files` lies, and what it was like when it was found.
    places: Vec<(PathBuf, Stamp)>,
    /// By their places in the list.
    open: Mutex<LruCache<usize, Arc<File>>>,
}

/// What changes when a file is written to.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

impl Input {
    pub(super) fn new(found: Vec<Found>) -> Self {
        let entries = found.into_iter();
        let (files, places) = entries
            .map(|it| (it.file, (it.path, Stamp::of(&it.metadata))))
            .unzip();
        Self {
            files,
            places,
            open: Mutex::new(LruCache::new(OPEN_FILES)),
        }
    }

    /// Fails if a file is not what it was when it was found: what was read of it may be of both.
    pub(super) fn require_unchanged(&self) -> Result {
        for (path, stamp) in &self.places {
            match fs::metadata(path) {
                Ok(metadata) if Stamp::of(&metadata) == *stamp => {}
                Ok(_) => return Err(changed(path)),
                Err(_) => return Err(vanished(&shown(path))),
            }
        }
        Ok(())
    }

    /// Kept open for the next read, which is likely of the same file.
    fn opened(&self, file: usize) -> io::Result<Arc<File>> {
        if let Some(open) = self.open.lock().get(&file) {
            return Ok(open.clone());
        }
        let open = Arc::new(scan::open(&self.places[file].0)?);
        let closed = self.open.lock().push(file, open.clone());
        drop(closed);
        Ok(open)
    }
}

impl Source for Input {
    fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        read_at(&*self.opened(file)?, offset, buffer)
    }

    // A file that cannot be opened says so when it is read.

    fn read_ahead(&self, file: usize, range: Range<u64>) -> Vec<Range<u64>> {
        let opened = self.opened(file);
        opened.map_or_else(|_| Vec::new(), |open| scan::read_ahead(&open, range))
    }

    fn let_go(&self, file: usize, brought: Range<u64>) {
        if let Ok(open) = self.opened(file) {
            scan::let_go(&open, brought);
        }
    }

    fn is_hole(&self, file: usize, range: Range<u64>) -> bool {
        self.opened(file)
            .is_ok_and(|open| scan::is_hole(&open, range))
    }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_noticed_that_leave_the_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "before").unwrap();
        let found = Found {
            file: InputFile::single(6),
            path: path.clone(),
            metadata: fs::metadata(&path).unwrap(),
        };
        let input = Input::new(vec![found]);
        assert!(input.require_unchanged().is_ok());
        let file = File::options().write(true).open(&path).unwrap();
        // As if it were written to later; the clock of a file system may stand still for some milliseconds.
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        file.set_modified(later).unwrap();
        let failure = input.require_unchanged().unwrap_err();
        assert!(failure.message.contains("has changed"), "{failure:?}");
        fs::remove_file(&path).unwrap();
        let failure = input.require_unchanged().unwrap_err();
        assert!(failure.message.contains("has vanished"), "{failure:?}");
    }
}

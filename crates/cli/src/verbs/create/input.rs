//! Reading what goes into a torrent.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use headwater_metainfo::create::{InputFile, Source};
use parking_lot::Mutex;

use super::faults::{changed, vanished};
use super::walk::Found;
use crate::exit::Result;
use crate::source::shown;

/// Files that are kept open at a time.
const OPEN_FILES: usize = 16;

/// The files of a torrent in the making.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) files: Vec<InputFile>,
    /// Where each of `files` lies, and what it was like when it was found.
    places: Vec<(PathBuf, Stamp)>,
    open: [Mutex<Option<OpenFile>>; OPEN_FILES],
}

/// A file and its place in the list.
type OpenFile = (usize, Arc<File>);

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
            open: Default::default(),
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
        let mut slot = self.open[file % OPEN_FILES].lock();
        match &*slot {
            Some((number, open)) if *number == file => Ok(Arc::clone(open)),
            _ => {
                let open = Arc::new(File::open(&self.places[file].0)?);
                *slot = Some((file, Arc::clone(&open)));
                Ok(open)
            }
        }
    }
}

impl Source for Input {
    fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        read_at(&*self.opened(file)?, offset, buffer)
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

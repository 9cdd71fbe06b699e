//! Noticing what others do to our files.
//!
//! An open file that is moved away, deleted or replaced goes on taking writes, and they are lost; one that is cut and written to
//! again has a hole where data was. So each file is compared, whenever it is opened, written or synced, with what it
//! was before. And a file that has changed though we did not touch it is never claimed in resume data.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use headwater_metainfo::FileIndex;
use parking_lot::Mutex;

use crate::FileStamp;

/// What is known of one storage's files.
#[derive(Debug)]
pub(super) struct Seen {
    files: Mutex<HashMap<FileIndex, Arc<Identity>>>,
    /// Files that we changed since their stamps were taken.
    touched: Box<[AtomicBool]>,
    /// The stamps that were taken last; empty before the first time.
    stamps: Mutex<Vec<FileStamp>>,
}

/// Device, number, and when it was made: numbers are given out again.
type Id = (u64, u64, Option<SystemTime>);

/// Which file it is, and how long it is at least.
#[derive(Debug)]
pub(super) struct Identity {
    id: Id,
    length: AtomicU64,
}

impl Seen {
    pub(super) fn new(files: usize) -> Self {
        Self {
            files: Mutex::default(),
            touched: (0..files).map(|_| AtomicBool::new(false)).collect(),
            stamps: Mutex::default(),
        }
    }

    /// Notes a file that was opened; an error if it is another one than before.
    pub(super) fn opened(&self, file: FileIndex, opened: &File) -> io::Result<Arc<Identity>> {
        let metadata = opened.metadata()?;
        let mut files = self.files.lock();
        let identity = files
            .entry(file)
            .or_insert_with(|| Arc::new(Identity::of(&metadata)));
        if identity.id != id(&metadata) {
            return Err(replaced());
        }
        Ok(identity.clone())
    }

    /// Whether it was opened before.
    pub(super) fn knows(&self, file: FileIndex) -> bool {
        self.files.lock().contains_key(&file)
    }

    /// Whatever comes next is taken for what it should be.
    pub(super) fn forget(&self) {
        self.files.lock().clear();
    }

    /// We change a file's time or length.
    pub(super) fn touch(&self, file: FileIndex) {
        self.touched[file.as_usize()].store(true, Ordering::Release);
    }

    /// The stamps as resume data may have them: a file that somebody else has changed since they were taken last counts as
    /// not there, so that it will be checked.
    pub(super) fn judge(&self, stamps: Vec<FileStamp>) -> Vec<FileStamp> {
        let mut last = self.stamps.lock();
        if last.len() != stamps.len() {
            last.clone_from(&stamps);
            return stamps;
        }
        let files = stamps.into_iter().zip(&mut *last).zip(&self.touched);
        files
            .map(|((now, last), touched)| {
                let is_ours = touched.swap(false, Ordering::AcqRel);
                // The part file holds many files' data, and is ours alone.
                if is_ours || now.in_part_file || last.in_part_file {
                    *last = now;
                }
                if *last == now {
                    now
                } else {
                    FileStamp::MISSING
                }
            })
            .collect()
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            id: id(metadata),
            length: AtomicU64::new(metadata.len()),
        }
    }

    /// It is at least this long now.
    pub(super) fn reaches(&self, length: u64) {
        self.length.fetch_max(length, Ordering::AcqRel);
    }

    /// It was cut by us.
    pub(super) fn was_cut(&self, length: u64) {
        self.length.store(length, Ordering::Release);
    }

    /// Whether an open file is still one that has a name, and as long as it was.
    pub(super) fn check(&self, file: &File) -> io::Result<()> {
        // Before the file is looked at: it may grow meanwhile.
        let length = self.length.load(Ordering::Acquire);
        let metadata = file.metadata()?;
        if is_deleted(&metadata) {
            let cause = "it was deleted while it was open";
            return Err(io::Error::new(ErrorKind::NotFound, cause));
        }
        if metadata.len() < length {
            let cause = "it was cut by another program";
            return Err(io::Error::new(ErrorKind::UnexpectedEof, cause));
        }
        Ok(())
    }

    /// Whether it is what stands at `path`.
    pub(super) fn check_place(&self, path: &Path) -> io::Result<()> {
        let there = std::fs::metadata(path)?;
        if id(&there) == self.id {
            Ok(())
        } else {
            Err(replaced())
        }
    }
}

fn replaced() -> io::Error {
    // The kind that means it and nothing else here.
    io::Error::new(
        ErrorKind::StaleNetworkFileHandle,
        "another file has taken its place",
    )
}

#[cfg(unix)]
pub(crate) fn id(metadata: &Metadata) -> Id {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino(), metadata.created().ok())
}

/// There are no numbers here without unstable calls.
#[cfg(not(unix))]
pub(crate) fn id(metadata: &Metadata) -> Id {
    (0, 0, metadata.created().ok())
}

#[cfg(unix)]
fn is_deleted(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.nlink() == 0
}

#[cfg(not(unix))]
fn is_deleted(_metadata: &Metadata) -> bool {
    false
}

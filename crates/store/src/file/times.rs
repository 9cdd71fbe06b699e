//! Noticing that files which are only read have changed all the same.
//!
//! Nobody can know when another program is done with a file, but everything that it does to the data changes the file's time.
//! So what was verified holds as long as the time is the one that was seen before the data was looked at.

use std::fs::Metadata;
use std::sync::atomic::{AtomicI64, Ordering};

use headwater_metainfo::FileIndex;

use super::prepare::stamp_of;
use crate::FileStamp;

/// No file has this time.
const UNKNOWN: i64 = i64::MIN;

/// The time of each file, or none for files that we change ourselves.
#[derive(Debug)]
pub(super) struct Times(Box<[AtomicI64]>);

impl Times {
    pub(super) fn new(files: usize) -> Self {
        Self((0..files).map(|_| AtomicI64::new(UNKNOWN)).collect())
    }

    /// Whether a file is as it was. One that nobody has looked at yet is.
    pub(super) fn is_same(&self, file: FileIndex, metadata: &Metadata) -> bool {
        self.is_since(file, stamp_of(Ok(metadata.clone())).modified)
    }

    /// The stamp as resume data may have it: a file that has changed counts as not there, so that it will be checked.
    pub(super) fn judge(&self, file: FileIndex, stamp: FileStamp) -> FileStamp {
        if stamp.size.is_none() || self.is_since(file, stamp.modified) {
            stamp
        } else {
            FileStamp::MISSING
        }
    }

    /// Takes a file as it is now.
    pub(super) fn renew(&self, file: FileIndex, stamp: FileStamp) {
        if let Some(time) = self.0.get(file.as_usize()) {
            let is_there = stamp.size.is_some();
            let now = if is_there { stamp.modified } else { UNKNOWN };
            time.store(now, Ordering::Release);
        }
    }

    fn is_since(&self, file: FileIndex, modified: i64) -> bool {
        let Some(time) = self.0.get(file.as_usize()) else {
            return true;
        };
        let known = time.compare_exchange(UNKNOWN, modified, Ordering::AcqRel, Ordering::Acquire);
        known.is_ok() || known == Err(modified)
    }
}

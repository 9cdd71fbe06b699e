//! Files that are read once: see [`scan`].

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use headwater_metainfo::{FileIndex, FileSpan};

use super::FileStorage;
use super::pool::{Key, OpenFile};
use crate::{StorageError, scan};

impl FileStorage {
    pub(super) fn open_for_scan(&self, file: FileIndex) -> Result<Arc<OpenFile>, StorageError> {
        let key = Key {
            for_scan: true,
            ..self.key(file)
        };
        let advise = if self.portable {
            |_: &File| {}
        } else {
            scan::advise_random
        };
        self.open_existing(key, advise)
    }

    pub(super) fn scan_ahead(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut brought = Vec::new();
        let _places = self.places.read();
        for (span, start) in self.scannable(&range) {
            if let Ok(open) = self.open_for_scan(span.file) {
                let part = span.offset..span.offset + span.length;
                let new = scan::read_ahead(&open.file, part);
                brought.extend(
                    new.into_iter()
                        .map(|part| part.start + start..part.end + start),
                );
            }
        }
        brought
    }

    pub(super) fn scan_behind(&self, brought: Range<u64>) {
        let _places = self.places.read();
        for (span, _) in self.scannable(&brought) {
            if let Ok(open) = self.open_for_scan(span.file) {
                scan::let_go(&open.file, span.offset..span.offset + span.length);
            }
        }
    }

    /// The caller learns nothing from a file that cannot be opened: reading it says why.
    pub(super) fn is_unwritten(&self, range: Range<u64>) -> bool {
        let length = range.end.saturating_sub(range.start);
        if self.portable || range.end > self.contents.layout().total_size() {
            return false;
        }
        let _places = self.places.read();
        if self.part.read().touches(range.clone()) {
            return false;
        }
        let mut spans = self.contents.layout().spans(range.start, length);
        spans.all(|span| {
            let part = span.offset..span.offset + span.length;
            let is_hole = || {
                let open = self.open_for_scan(span.file);
                open.is_ok_and(|open| scan::is_hole(&open.file, part))
            };
            self.entry(span.file).is_pad() || is_hole()
        })
    }

    /// The runs of `range` that lie in files, and where each one's file starts in the torrent.
    fn scannable(&self, range: &Range<u64>) -> impl Iterator<Item = (FileSpan, u64)> + '_ {
        let end = range.end.min(self.contents.layout().total_size());
        let length = end.saturating_sub(range.start);
        let length = if self.portable { 0 } else { length };
        let spans = self.contents.layout().spans(range.start, length);
        spans
            .map(|span| (span, self.entry(span.file)))
            .filter(|(_, entry)| !entry.is_pad())
            .map(|(span, entry)| (span, entry.offset()))
    }
}

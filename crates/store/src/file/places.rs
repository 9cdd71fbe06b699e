//! Which file's bytes go where.

use std::io::IoSlice;
use std::ops::Range;
use std::sync::atomic::Ordering;

use headwater_metainfo::{FileEntry, FileIndex, FileLayout, FileSpan};
use parking_lot::Mutex;

use super::FileStorage;
use crate::positioned::write_all_at;
use crate::ranges::RangeSet;
use crate::{Operation, StorageError, StorageErrorKind};

/// Bytes that move at a time.
const MOVE_LENGTH: u64 = 256 * 1024;

/// Where a file's writes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// To the file itself.
    Real,
    /// To the file itself, which is skipped but exists; nothing is reserved for it.
    Kept,
    /// To the part file: the file is skipped and does not exist.
    Part,
    /// Nowhere.
    Pad,
}

/// Where every file's writes go, and what is written while files are copied to elsewhere.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) of: Box<[Place]>,
    /// Positions in the torrent that were written since they may have been copied; `None` unless files move.
    pub(super) written: Option<Mutex<RangeSet>>,
}

impl Places {
    pub(super) fn note_write(&self, range: Range<u64>) {
        if let Some(written) = &self.written {
            written.lock().insert(range);
        }
    }
}

/// A run of a write that goes to one place.
#[derive(Debug, Clone)]
pub(super) enum Segment {
    Real(FileSpan),
    /// Positions in the torrent, of one or more files.
    Part(Range<u64>),
    Pad(FileSpan),
}

impl Segment {
    /// The segment's positions in the torrent.
    pub(super) fn range(&self, layout: &FileLayout) -> Range<u64> {
        match self {
            Self::Part(range) => range.clone(),
            Self::Real(span) | Self::Pad(span) => {
                let start = layout.files()[span.file.as_usize()].offset() + span.offset;
                start..start + span.length
            }
        }
    }
}

/// Cuts `range` by where its bytes go; neighbours that go to the part file stay together.
pub(super) fn segments<'a>(
    layout: &'a FileLayout,
    places: &'a [Place],
    range: Range<u64>,
) -> impl Iterator<Item = Segment> + 'a {
    let mut position = range.start;
    let mut spans = layout
        .spans(range.start, range.end - range.start)
        .peekable();
    std::iter::from_fn(move || {
        let span = spans.next()?;
        let start = position;
        position += span.length;
        match places[span.file.as_usize()] {
            Place::Real | Place::Kept => Some(Segment::Real(span)),
            Place::Pad => Some(Segment::Pad(span)),
            Place::Part => {
                while let Some(next) =
                    spans.next_if(|next| places[next.file.as_usize()] == Place::Part)
                {
                    position += next.length;
                }
                Some(Segment::Part(start..position))
            }
        }
    })
}

impl FileStorage {
    pub(super) fn initial_places(&self, wanted: &[bool]) -> Result<Box<[Place]>, StorageError> {
        self.check_wanted(wanted)?;
        let place = |(file, entry): (FileIndex, &FileEntry)| {
            if entry.is_pad() {
                return Place::Pad;
            }
            match wanted.get(file.as_usize()) {
                Some(false) if self.exists(file) => Place::Kept,
                Some(false) => Place::Part,
                _ => Place::Real,
            }
        };
        Ok(self.contents.layout().iter().map(place).collect())
    }

    fn check_wanted(&self, wanted: &[bool]) -> Result<(), StorageError> {
        let files = self.contents.layout().len();
        if wanted.is_empty() || wanted.len() == files {
            return Ok(());
        }
        let cause = format!("{} priorities for {files} files", wanted.len());
        let kind = StorageErrorKind::OutOfRange;
        Err(StorageError::new(
            Operation::Change,
            self.base_dir(),
            kind,
            cause,
        ))
    }

    pub(super) fn exists(&self, file: FileIndex) -> bool {
        std::fs::symlink_metadata(self.path(file)).is_ok()
    }

    /// Changes which files are wanted, and moves data to where it now belongs.
    pub(super) fn move_to_places(&self, wanted: &[bool]) -> Result<(), StorageError> {
        let _changing = self.changing.lock();
        let mut places = self.places.write();
        let new = self.initial_places(wanted)?;
        if self.read_only {
            places.of = new;
            return Ok(());
        }
        let is_prepared = self.is_prepared.load(Ordering::Relaxed);
        for (file, entry) in self.contents.layout().iter() {
            let at = file.as_usize();
            if matches!(new[at], Place::Real | Place::Kept) {
                self.move_out_of_part(file, entry)?;
            }
            if is_prepared && new[at] == Place::Real && places.of[at] != Place::Real {
                self.prepare_file(file, entry)?;
            }
            places.of[at] = new[at];
        }
        Ok(())
    }

    /// Moves what the part file holds of `file` to the file itself: copied, made durable, and only then forgotten.
    pub(super) fn move_out_of_part(
        &self,
        file: FileIndex,
        entry: &FileEntry,
    ) -> Result<(), StorageError> {
        if !self.part.read().touches(entry.range()) {
            return Ok(());
        }
        let open = self.open_for_writing(file)?;
        let part = self.part.read();
        let part_error =
            |error| StorageError::from_io(Operation::Read, part.path().to_path_buf(), error);
        let mut buf = Vec::new();
        for extent in part.extents(entry.range()) {
            for piece in chunks(extent) {
                buf.resize((piece.end - piece.start) as usize, 0);
                part.read(piece.start, &mut buf).map_err(part_error)?;
                let offset = piece.start - entry.offset();
                write_all_at(&open.file, &mut [IoSlice::new(&buf)], offset, self.portable)
                    .map_err(|error| self.error(Operation::Write, file, error))?;
                open.identity.reaches(offset + buf.len() as u64);
            }
        }
        drop(part);
        self.seen.touch(file);
        open.file
            .sync_all()
            .map_err(|error| self.error(Operation::Sync, file, error))?;
        self.sync_folders()?;
        self.forget_in_part(entry.range())
    }

    /// A pad file's bytes are not kept, so they have to be zeros.
    pub(super) fn check_pad(
        &self,
        span: FileSpan,
        data: &[IoSlice<'_>],
    ) -> Result<(), StorageError> {
        let is_zero = |part: &IoSlice<'_>| part.iter().all(|&byte| byte == 0);
        if data.iter().all(is_zero) {
            return Ok(());
        }
        let path = self.path(span.file);
        let cause = "a pad file must be zeros";
        let kind = StorageErrorKind::Unsupported;
        Err(StorageError::new(Operation::Write, path, kind, cause))
    }
}

fn chunks(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let Range { start, end } = range;
    (start..end)
        .step_by(MOVE_LENGTH as usize)
        .map(move |from| from..end.min(from + MOVE_LENGTH))
}

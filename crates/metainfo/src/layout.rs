//! Where each file of a torrent lies among its bytes.

mod builder;
mod names;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use crate::{PieceGeometry, SafePath};

pub use builder::{Attributes, LayoutBuilder, LayoutError};

/// Position of a file in its torrent, from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileIndex(pub u32);

impl FileIndex {
    /// As an index into a slice with an entry for each file.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for FileIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FileIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileIndex({})", self.0)
    }
}

/// A run of bytes inside one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileSpan {
    /// The file.
    pub file: FileIndex,
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// Bytes; never 0.
    pub length: u64,
}

/// One file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    path: SafePath,
    /// Kept only where it differs from `path`.
    raw_path: Option<Box<[Box<[u8]>]>>,
    offset: u64,
    length: u64,
    flags: Flags,
    symlink_target: Option<Box<SafePath>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Flags {
    pad: bool,
    executable: bool,
    hidden: bool,
}

impl FileEntry {
    /// Where the file belongs, relative to the base directory; in a torrent of several files the top folder comes first.
    ///
    /// Unique in its torrent, letter case aside, and never the folder of another file; pad files, which are never
    /// written, are the exception.
    pub const fn path(&self) -> &SafePath {
        &self.path
    }

    /// The components as the torrent spells them, the torrent's name first. **Not safe to open.**
    pub fn raw_path(&self) -> impl Iterator<Item = &[u8]> {
        let raw = self.raw_path.as_deref();
        let safe = raw.is_none().then(|| self.path.components());
        let raw = raw.into_iter().flatten().map(|component| &**component);
        raw.chain(safe.into_iter().flatten().map(str::as_bytes))
    }

    /// Position of the file's first byte in the torrent.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes in the file.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The bytes of the torrent that the file holds.
    pub const fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.length
    }

    /// Whether the file only fills up a piece (BEP 47): its bytes are zeros, and it does not belong on disk.
    pub const fn is_pad(&self) -> bool {
        self.flags.pad
    }

    /// Whether the file is to be executable (BEP 47).
    pub const fn is_executable(&self) -> bool {
        self.flags.executable
    }

    /// Whether the file is to be hidden (BEP 47).
    pub const fn is_hidden(&self) -> bool {
        self.flags.hidden
    }

    /// Where the file leads if it is a symbolic link (BEP 47): a file or folder of the same torrent, relative to the same
    /// base directory as [`path`](Self::path). Its length is 0. [`SafePath::from_link`] gives the text of the link.
    ///
    /// A link that leads anywhere else, or nowhere, is no link but an empty file.
    pub fn symlink_target(&self) -> Option<&SafePath> {
        self.symlink_target.as_deref()
    }

    const fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// The files of a torrent, laid end to end in the torrent's order.
///
/// ```
/// use headwater_metainfo::{FileIndex, FileLayout, FileSpan};
///
/// let layout = FileLayout::new([("album/one.flac", 100), ("album/cover.png", 0), ("album/two.flac", 50)])?;
/// let spans: Vec<_> = layout.spans(90, 20).collect();
/// assert_eq!(spans, [
///     FileSpan { file: FileIndex(0), offset: 90, length: 10 },
///     FileSpan { file: FileIndex(2), offset: 0, length: 10 },
/// ]);
/// # Ok::<(), headwater_metainfo::LayoutError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLayout {
    files: Box<[FileEntry]>,
    /// The files that have bytes, where not all have: a run of empty files then costs a search nothing.
    filled: Option<Box<[u32]>>,
    total_size: u64,
}

impl FileLayout {
    /// Lays out files given as a path with `/` between components, and a length in bytes. Paths are made safe and unique.
    ///
    /// [`LayoutBuilder`] takes raw names and attributes as well.
    pub fn new<P: AsRef<str>>(
        files: impl IntoIterator<Item = (P, u64)>,
    ) -> Result<Self, LayoutError> {
        let mut builder = LayoutBuilder::new();
        for (path, length) in files {
            let components: Vec<_> = path.as_ref().split('/').collect();
            builder.push(&components, length, &Attributes::default())?;
        }
        builder.finish()
    }

    fn from_entries(files: Vec<FileEntry>) -> Self {
        let total_size = files.last().map_or(0, FileEntry::end);
        let has_empty = files.iter().any(|file| file.length == 0);
        let filled = has_empty.then(|| {
            (0u32..)
                .zip(&files)
                .filter(|(_, file)| file.length > 0)
                .map(|(index, _)| index)
                .collect()
        });
        Self {
            files: files.into(),
            filled,
            total_size,
        }
    }

    /// Every file, in the torrent's order.
    pub const fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// The file at `index`, if the torrent has that many.
    pub fn file(&self, index: FileIndex) -> Option<&FileEntry> {
        self.files.get(index.as_usize())
    }

    /// Every file with its index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (FileIndex, &FileEntry)> {
        let entries = self.files.iter().enumerate();
        entries.map(|(index, file)| (FileIndex(index as u32), file))
    }

    /// Files, empty ones and pad files included.
    pub const fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file at all.
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Bytes in all files together, pad files included.
    pub const fn total_size(&self) -> u64 {
        self.total_size
    }

    /// The runs of file bytes that make up `length` bytes of the torrent from `offset`, in order, pad files included.
    ///
    /// Empty files are passed over, and what lies past the torrent's end is left out. Costs O(log files + spans).
    pub fn spans(&self, offset: u64, length: u64) -> impl Iterator<Item = FileSpan> {
        let end = offset.saturating_add(length).min(self.total_size);
        let mut position = offset;
        let mut rank = self.rank_at(offset);
        std::iter::from_fn(move || {
            if position >= end {
                return None;
            }
            let file = self.filled_file(rank);
            let entry = &self.files[file.as_usize()];
            let span = FileSpan {
                file,
                offset: position - entry.offset,
                length: end.min(entry.end()) - position,
            };
            position += span.length;
            rank += 1;
            Some(span)
        })
    }

    /// The file that holds the torrent's byte at `offset`; `None` past the end.
    pub fn file_at(&self, offset: u64) -> Option<FileIndex> {
        (offset < self.total_size).then(|| self.filled_file(self.rank_at(offset)))
    }

    /// The pieces that hold any byte of `file`; empty for an empty or unknown file.
    pub fn pieces_of(&self, file: FileIndex, geometry: &PieceGeometry) -> Range<u32> {
        self.file(file)
            .map_or(0..0, |entry| geometry.pieces_touching(entry.range()))
    }

    /// How many files with bytes end at or before `offset`.
    fn rank_at(&self, offset: u64) -> usize {
        match &self.filled {
            Some(filled) => {
                filled.partition_point(|&index| self.files[index as usize].end() <= offset)
            }
            None => self.files.partition_point(|file| file.end() <= offset),
        }
    }

    /// The file with bytes that has `rank` such files before it.
    fn filled_file(&self, rank: usize) -> FileIndex {
        match &self.filled {
            Some(filled) => FileIndex(filled[rank]),
            None => FileIndex(rank as u32),
        }
    }
}

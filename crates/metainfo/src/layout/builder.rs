//! Building a layout from what a torrent says.

use super::names::NameTable;
use super::{FileEntry, FileLayout, Flags};
use crate::SafePath;
use crate::path::{PathBuilder, Platform};

/// Files that cannot be laid end to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// There is no file.
    #[error("there are no files")]
    NoFiles,
    /// More files than [`LayoutBuilder::MAX_FILES`].
    #[error("there are more than {} files", LayoutBuilder::MAX_FILES)]
    TooManyFiles,
    /// The sizes add up to more than 2^63 - 1 bytes.
    #[error("the file sizes add up to more than 2^63 - 1 bytes")]
    TooLarge,
}

/// What a torrent says about a file beside its path and length (BEP 47).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes<'a> {
    /// Fills up a piece with zeros and does not belong on disk (`p`).
    pub pad: bool,
    /// Is to be executable (`x`).
    pub executable: bool,
    /// Is to be hidden (`h`).
    pub hidden: bool,
    /// Is a symbolic link (`l`) to these components below the top folder.
    pub symlink: Option<&'a [&'a str]>,
}

/// Gathers the files of a torrent in order, makes their paths safe and unique, and gives the [`FileLayout`].
///
/// ```
/// use headwater_metainfo::{Attributes, LayoutBuilder};
///
/// let mut builder = LayoutBuilder::in_folder("album", b"album");
/// builder.push(&["Cover.png"], 10, &Attributes::default())?;
/// builder.push(&["..", "cover.PNG"], 20, &Attributes::default())?;
/// let layout = builder.finish()?;
/// assert_eq!(layout.files()[1].path().as_str(), "album/cover (2).PNG");
/// # Ok::<(), headwater_metainfo::LayoutError>(())
/// ```
pub struct LayoutBuilder {
    path: PathBuilder,
    /// The folder that holds all files: what the file system gets, and how the torrent spells it.
    folder: Option<(SafePath, Box<[u8]>)>,
    platform: Platform,
    files: Vec<FileEntry>,
    end: u64,
}

impl LayoutBuilder {
    /// Most files that a torrent has: 2^19.
    pub const MAX_FILES: usize = 1 << 19;

    /// For files that lie directly in the base directory.
    pub fn new() -> Self {
        Self::with_folder(None, Platform::HOST)
    }

    /// For files that share a top folder, whose raw spelling is `raw_name`.
    pub fn in_folder(name: &str, raw_name: &[u8]) -> Self {
        let folder = (SafePath::new([name]), raw_name.into());
        Self::with_folder(Some(folder), Platform::HOST)
    }

    fn with_folder(folder: Option<(SafePath, Box<[u8]>)>, platform: Platform) -> Self {
        Self {
            path: PathBuilder::new(platform),
            folder,
            platform,
            files: Vec::new(),
            end: 0,
        }
    }

    /// Adds a file of `length` bytes after those already there; `components` are its path below the top folder.
    pub fn push<C: AsRef<str>>(
        &mut self,
        components: &[C],
        length: u64,
        attributes: &Attributes<'_>,
    ) -> Result<(), LayoutError> {
        let raw: Vec<&[u8]> = components.iter().map(|c| c.as_ref().as_bytes()).collect();
        self.push_raw(components, &raw, length, attributes)
    }

    /// Like [`push`](Self::push), for a file whose path stands in the torrent as `raw` and was decoded to `components`.
    pub fn push_raw<C: AsRef<str>>(
        &mut self,
        components: &[C],
        raw: &[&[u8]],
        length: u64,
        attributes: &Attributes<'_>,
    ) -> Result<(), LayoutError> {
        let end = self.end_after(length)?;
        let path = self.safe_path(components);
        let symlink_target = match attributes.symlink {
            Some(target) if length == 0 => self.symlink_target(target),
            _ => None,
        };
        self.files.push(FileEntry {
            raw_path: self.raw_path(&path, raw),
            path,
            offset: self.end,
            length,
            flags: Flags {
                pad: attributes.pad,
                executable: attributes.executable,
                hidden: attributes.hidden,
            },
            symlink_target,
        });
        self.end = end;
        Ok(())
    }

    /// Renames what collides, settles links, and gives the layout.
    pub fn finish(mut self) -> Result<FileLayout, LayoutError> {
        if self.files.is_empty() {
            return Err(LayoutError::NoFiles);
        }
        NameTable::new(&self.files).settle(&mut self.files);
        Ok(FileLayout::from_entries(self.files))
    }

    fn end_after(&self, length: u64) -> Result<u64, LayoutError> {
        if self.files.len() == Self::MAX_FILES {
            return Err(LayoutError::TooManyFiles);
        }
        // Signed offsets are what systems take, and sums below never overflow.
        let end = self.end.checked_add(length);
        end.filter(|&end| i64::try_from(end).is_ok())
            .ok_or(LayoutError::TooLarge)
    }

    fn safe_path<C: AsRef<str>>(&mut self, components: &[C]) -> SafePath {
        let depth_before = self.push_folder();
        for component in components {
            self.path.push(component.as_ref());
        }
        if self.path.depth() == depth_before {
            self.path.push(crate::path::PLACEHOLDER);
        }
        self.path.finish()
    }

    /// The raw components, if they differ from `path`.
    fn raw_path(&self, path: &SafePath, raw: &[&[u8]]) -> Option<Box<[Box<[u8]>]>> {
        let folder = self.folder.as_ref().map(|(_, raw)| &**raw);
        let whole = || folder.into_iter().chain(raw.iter().copied());
        let is_same = whole().eq(path.components().map(str::as_bytes));
        (!is_same).then(|| whole().map(Into::into).collect())
    }

    /// Where a link leads, if every component names something; whether it is there is known only at the end.
    fn symlink_target(&self, components: &[&str]) -> Option<Box<SafePath>> {
        let mut target = PathBuilder::new(self.platform);
        if let Some((folder, _)) = &self.folder {
            target.push(folder.as_str());
        }
        let is_inside = components.iter().all(|component| target.push(component));
        (is_inside && !components.is_empty()).then(|| Box::new(target.finish()))
    }

    fn push_folder(&mut self) -> usize {
        if let Some((folder, _)) = &self.folder {
            self.path.push(folder.as_str());
        }
        self.path.depth()
    }
}

impl Default for LayoutBuilder {
    fn default() -> Self {
        Self::new()
    }
}

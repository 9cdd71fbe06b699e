//! What goes into a torrent, and what is left out.

use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};

use headwater_metainfo::create::InputFile;
use serde::Serialize;
use walkdir::{DirEntry, WalkDir};

use super::exclude::Pattern;
use super::faults;
use super::junk::is_junk;
use crate::exit::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::source::shown;

/// What the user asked for.
pub(super) struct Wish<'a> {
    /// The file or folder.
    pub(super) path: &'a Path,
    /// The torrent's name.
    pub(super) name: &'a str,
    pub(super) exclude: &'a [Pattern],
    pub(super) include_junk: bool,
    /// The torrent that is being made, which is no part of itself.
    pub(super) target: Option<&'a Path>,
}

/// A file that goes in.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: InputFile,
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
}

/// Something that does not go in.
#[derive(Debug, Serialize)]
pub(super) struct LeftOut {
    /// With the torrent's name in front.
    pub(super) path: String,
    pub(super) reason: Reason,
}

/// Why something does not go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    Junk,
    Excluded,
    /// A pipe, a socket or a device.
    Special,
    /// A torrent has no place for folders without files.
    EmptyFolder,
}

/// Everything at a path, sorted by the bytes of the names.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) found: Vec<Found>,
    pub(super) left_out: Vec<LeftOut>,
    /// Links that lead out of the folder in which the torrent's own file or folder lies.
    pub(super) far_links: Vec<PathBuf>,
    /// Patterns that fit nothing.
    pub(super) idle_patterns: Vec<String>,
}

impl Contents {
    /// The file at a path, or all files below the folder there. Each of them could be opened.
    pub(super) fn of(wish: &Wish<'_>, interrupt: &Interrupt) -> Result<Self> {
        let metadata = fs::metadata(wish.path).map_err(|error| {
            Failure::io(format_args!("cannot read {}", shown(wish.path)), &error)
        })?;
        let mut walk = Walk::new(wish);
        if metadata.is_file() {
            walk.note_link(wish.path);
            walk.add(InputFile::single(metadata.len()), wish.path, metadata)?;
        } else if metadata.is_dir() {
            walk.run(interrupt)?;
        } else {
            return Err(Failure::usage(format_args!(
                "{} is neither a file nor a folder",
                shown(wish.path)
            )));
        }
        Ok(walk.finish())
    }
}

/// A walk under way.
struct Walk<'a> {
    wish: &'a Wish<'a>,
    target: Option<Target>,
    /// The folder in which the torrent's own file or folder lies.
    base: Option<PathBuf>,
    contents: Contents,
    /// Whether each pattern has left something out.
    used: Vec<bool>,
    /// The folders around the next entry, from the outermost on.
    folders: Vec<Folder>,
}

/// A folder that is being walked.
struct Folder {
    path: PathBuf,
    depth: usize,
    /// What had been found and left out before it.
    found: usize,
    left_out: usize,
}

/// The torrent that is being made, if it is there already.
struct Target {
    path: PathBuf,
    length: u64,
}

impl<'a> Walk<'a> {
    fn new(wish: &'a Wish<'a>) -> Self {
        Self {
            wish,
            target: wish.target.and_then(Target::of),
            base: folder_of(wish.path),
            contents: Contents::default(),
            used: vec![false; wish.exclude.len()],
            folders: Vec::new(),
        }
    }

    fn run(&mut self, interrupt: &Interrupt) -> Result {
        let mut entries = WalkDir::new(self.wish.path)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter();
        while let Some(entry) = entries.next() {
            if interrupt.is_requested() {
                return Err(Failure::interrupted());
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.pass_over(error)?;
                    continue;
                }
            };
            self.leave_folders(entry.depth());
            let is_folder = entry.file_type().is_dir();
            if let Some(reason) = self.unwanted(entry.path(), is_folder) {
                self.leave_out(entry.path(), reason);
                if is_folder {
                    entries.skip_current_dir();
                }
                continue;
            }
            self.take(&entry)?;
        }
        self.leave_folders(0);
        Ok(())
    }

    /// What cannot be read is a fault, unless it is not wanted anyway.
    fn pass_over(&mut self, error: walkdir::Error) -> Result {
        let path = error.path().unwrap_or(self.wish.path).to_owned();
        match self.unwanted(&path, path.is_dir()) {
            Some(reason) => {
                self.leave_out(&path, reason);
                Ok(())
            }
            None => Err(faults::walk(&path, error)),
        }
    }

    fn take(&mut self, entry: &DirEntry) -> Result {
        let path = entry.path();
        if entry.path_is_symlink() {
            self.note_link(path);
        }
        let metadata = entry
            .metadata()
            .map_err(|error| faults::walk(path, error))?;
        if metadata.is_dir() {
            self.folders.push(Folder {
                path: path.to_owned(),
                depth: entry.depth(),
                found: self.contents.found.len(),
                left_out: self.contents.left_out.len(),
            });
        } else if !metadata.is_file() {
            self.leave_out(path, Reason::Special);
        } else if !self.is_target(path, &metadata) {
            let mut file = InputFile::new(components(self.below(path), path)?, metadata.len());
            file.executable = is_executable(&metadata);
            self.add(file, path, metadata)?;
        }
        Ok(())
    }

    /// A file that cannot be opened is better told of now than when the others are hashed.
    fn add(&mut self, file: InputFile, path: &Path, metadata: Metadata) -> Result {
        File::open(path).map_err(|error| faults::unreadable(path, &error))?;
        self.contents.found.push(Found {
            file,
            path: path.to_owned(),
            metadata,
        });
        Ok(())
    }

    /// Why something is not to go in, as far as its name tells. What the user named is always wanted.
    fn unwanted(&mut self, path: &Path, is_folder: bool) -> Option<Reason> {
        let below = self.below(path);
        if below == Path::new("") {
            return None;
        }
        let (name, patterns) = (self.wish.name, self.wish.exclude);
        let mut is_excluded = false;
        for (pattern, used) in patterns.iter().zip(&mut self.used) {
            let fits = pattern.fits(name, below, is_folder);
            *used |= fits;
            is_excluded |= fits;
        }
        if is_excluded {
            Some(Reason::Excluded)
        } else {
            (!self.wish.include_junk && is_junk(path, is_folder)).then_some(Reason::Junk)
        }
    }

    fn leave_out(&mut self, path: &Path, reason: Reason) {
        let path = Path::new(self.wish.name).join(self.below(path));
        self.contents.left_out.push(LeftOut {
            path: path.to_string_lossy().into_owned(),
            reason,
        });
    }

    /// Tells of the folders that end before an entry of this depth, if nothing at all was in them.
    fn leave_folders(&mut self, depth: usize) {
        while let Some(folder) = self.folders.pop_if(|folder| folder.depth >= depth) {
            let left_out = &mut self.contents.left_out;
            let inner = &left_out[folder.left_out..];
            let is_empty = folder.found == self.contents.found.len()
                && inner.iter().all(|it| it.reason == Reason::EmptyFolder);
            if is_empty && folder.depth > 0 {
                // One line for a folder of empty folders.
                left_out.truncate(folder.left_out);
                self.leave_out(&folder.path, Reason::EmptyFolder);
            }
        }
    }

    fn note_link(&mut self, path: &Path) {
        let stays = |base| fs::canonicalize(path).is_ok_and(|it| it.starts_with(base));
        if !self.base.as_ref().is_some_and(stays) {
            self.contents.far_links.push(path.to_owned());
        }
    }

    fn below<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(self.wish.path).unwrap_or(path)
    }

    fn is_target(&self, path: &Path, metadata: &Metadata) -> bool {
        let target = self.target.as_ref();
        // The length tells nearly always, and for less than the path.
        target.is_some_and(|target| {
            target.length == metadata.len()
                && fs::canonicalize(path).is_ok_and(|path| path == target.path)
        })
    }

    fn finish(self) -> Contents {
        let mut contents = self.contents;
        let patterns = self.wish.exclude.iter().zip(self.used);
        let idle = patterns.filter(|(_, used)| !used);
        contents.idle_patterns = idle.map(|(it, _)| it.text().to_owned()).collect();
        contents
    }
}

impl Target {
    fn of(path: &Path) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        let length = fs::metadata(&path).ok()?.len();
        Some(Self { path, length })
    }
}

/// The folder that holds what lies at `path`, where that is a link: the link, not what it leads to.
fn folder_of(path: &Path) -> Option<PathBuf> {
    if path.file_name().is_none() {
        return fs::canonicalize(path).ok()?.parent().map(Path::to_owned);
    }
    let parent = path.parent().filter(|it| *it != Path::new(""));
    fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()
}

fn components(below: &Path, path: &Path) -> Result<Vec<String>> {
    let components = below.components();
    let texts = components.map(|it| it.as_os_str().to_str().map(str::to_owned));
    texts
        .collect::<Option<_>>()
        .ok_or_else(|| faults::not_unicode(path, ", or leave it out with --exclude"))
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

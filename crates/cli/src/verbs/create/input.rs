//! The files that go into a torrent.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_metainfo::create::{InputFile, Source};
use parking_lot::Mutex;
use walkdir::{DirEntry, WalkDir};

use crate::exit::{Failure, Result};
use crate::output::Output;
use crate::source::shown;

/// Files that are kept open at a time.
const OPEN_FILES: usize = 16;

/// What a torrent is made of.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) files: Vec<InputFile>,
    /// Where each of `files` lies.
    paths: Vec<PathBuf>,
    open: [Mutex<Option<OpenFile>>; OPEN_FILES],
}

/// A file and its place in the list.
type OpenFile = (usize, Arc<File>);

/// The last component of the path, also where it ends in `.` or `..`.
pub(super) fn name_of(path: &Path) -> Result<String> {
    let cannot_read = |error| Failure::io(format_args!("cannot read {}", shown(path)), &error);
    let name = match path.file_name() {
        Some(name) => name.to_owned(),
        None => fs::canonicalize(path)
            .map_err(cannot_read)?
            .file_name()
            .ok_or_else(|| {
                Failure::usage(format_args!(
                    "{} has no name that a torrent could have; name a folder in it",
                    shown(path)
                ))
            })?
            .to_owned(),
    };
    name.into_string().map_err(|_| not_unicode(path))
}

impl Input {
    /// The file at `path`, or all files below the folder there, except the torrent that is being made.
    pub(super) fn find(path: &Path, target: Option<&Path>, output: &Output) -> Result<Self> {
        let metadata = fs::metadata(path)
            .map_err(|error| Failure::io(format_args!("cannot read {}", shown(path)), &error))?;
        if metadata.is_file() {
            return Ok(Self::new(vec![(
                InputFile::single(metadata.len()),
                path.to_owned(),
            )]));
        }
        if !metadata.is_dir() {
            return Err(Failure::usage(format_args!(
                "{} is neither a file nor a folder",
                shown(path)
            )));
        }
        let target = target.and_then(|target| fs::canonicalize(target).ok());
        let mut found = Vec::new();
        for entry in WalkDir::new(path).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| walk_failure(path, error))?;
            if let Some(file) = file_of(path, &entry, output)? {
                let is_target =
                    || target.is_some() && fs::canonicalize(entry.path()).ok() == target;
                if !is_target() {
                    found.push((file, entry.into_path()));
                }
            }
        }
        Ok(Self::new(found))
    }

    fn new(found: Vec<(InputFile, PathBuf)>) -> Self {
        let (files, paths) = found.into_iter().unzip();
        Self {
            files,
            paths,
            open: Default::default(),
        }
    }

    /// Kept open for the next read, which is likely of the same file.
    fn opened(&self, file: usize) -> io::Result<Arc<File>> {
        let mut slot = self.open[file % OPEN_FILES].lock();
        match &*slot {
            Some((number, open)) if *number == file => Ok(Arc::clone(open)),
            _ => {
                let open = Arc::new(File::open(&self.paths[file])?);
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

/// What goes into the torrent for an entry of the folder; nothing for folders and for what holds no data.
fn file_of(base: &Path, entry: &DirEntry, output: &Output) -> Result<Option<InputFile>> {
    let metadata = entry
        .metadata()
        .map_err(|error| walk_failure(base, error))?;
    if !metadata.is_file() {
        if !metadata.is_dir() {
            output.warning(format_args!(
                "{} is left out: it is no regular file",
                shown(entry.path())
            ));
        }
        return Ok(None);
    }
    let below = entry.path().strip_prefix(base).unwrap_or(entry.path());
    let components: Option<Vec<String>> = below
        .components()
        .map(|it| it.as_os_str().to_str().map(str::to_owned))
        .collect();
    let components = components.ok_or_else(|| not_unicode(entry.path()))?;
    let mut file = InputFile::new(components, metadata.len());
    file.executable = is_executable(&metadata);
    Ok(Some(file))
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

fn not_unicode(path: &Path) -> Failure {
    Failure::failed(format_args!(
        "the name of {} is not UTF-8, which a torrent needs; rename it",
        shown(path)
    ))
}

fn walk_failure(base: &Path, error: walkdir::Error) -> Failure {
    let place = shown(error.path().unwrap_or(base));
    if error.loop_ancestor().is_some() {
        return Failure::failed(format_args!(
            "{place} is a link to a folder that holds it; remove the link"
        ));
    }
    Failure::io(format_args!("cannot read {place}"), &error.into())
}

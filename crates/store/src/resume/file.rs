//! Resume data in a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{MAX_RESUME_SIZE, ResumeData, ResumeError};

impl ResumeData {
    /// Reads a file of resume data.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ResumeError> {
        let path = path.as_ref();
        let bytes = read_bounded(path).map_err(|cause| error("read", path, cause))?;
        Self::decode(&bytes)
    }

    /// Replaces the file at `path` in one step, and makes that durable: after a crash the old file is there, or the new one.
    ///
    /// A symbolic link at `path` is replaced as well.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ResumeError> {
        let path = path.as_ref();
        replace_file(path, &self.encode()).map_err(|cause| error("write", path, cause))
    }
}

fn error(operation: &'static str, path: &Path, cause: io::Error) -> ResumeError {
    let path = path.to_path_buf();
    ResumeError::Io {
        operation,
        path,
        cause,
    }
}

/// At most one byte more than is accepted.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_RESUME_SIZE as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Gives a small file new content in one step, and makes that durable: after a crash the old content is there, or the new one.
///
/// A symbolic link at `path` is replaced as well.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    let result = write_durably(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    result?;
    sync_folder_of(path)
}

/// Always the same, so that what a killed process leaves is used up by the next save. Should two save to one place at a time, the
/// checksum tells whose bytes got mixed.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(".tmp");
    Ok(path.with_file_name(temporary))
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| folder != &Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

//! Opening a torrent's files without leaving the base directory.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use headwater_metainfo::SafePath;

/// Where a file is to be found, and by what rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Location<'a> {
    pub(super) base: &'a Path,
    pub(super) path: &'a SafePath,
    /// Follow symbolic links wherever they lead.
    pub(super) follow_links: bool,
    /// Use only what every system has.
    pub(super) portable: bool,
}

/// What for a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    /// Read and write what exists.
    Write,
    /// Read and write, creating the file if it is not there; its folder exists.
    Create {
        executable: bool,
    },
}

impl Location<'_> {
    pub(super) fn full_path(&self) -> PathBuf {
        self.path.under(self.base)
    }

    /// Opens a regular file. An existing file is left as it is.
    pub(super) fn open(&self, purpose: Purpose) -> io::Result<File> {
        let file = self.open_any(purpose)?;
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !kind.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "not a regular file",
            ));
        }
        Ok(file)
    }

    /// Opens for writing, creating the file and its folders as needed; tells whether anything was created.
    pub(super) fn open_or_create(&self, executable: bool) -> io::Result<(File, bool)> {
        match self.open(Purpose::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map(|file| (file, false)),
        }
        self.create_parents()?;
        let file = self.open(Purpose::Create { executable })?;
        Ok((file, true))
    }

    fn open_any(&self, purpose: Purpose) -> io::Result<File> {
        #[cfg(target_os = "linux")]
        if !self.portable && !self.follow_links {
            match linux::open(self.base, self.path.as_str(), purpose) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                opened => return opened,
            }
        }
        let path = self.full_path();
        if !self.follow_links {
            refuse_links_out_of(self.base, &path)?;
        }
        open_plainly(&path, purpose)
    }

    /// Creates the base directory and the folders that lead to the file.
    pub(super) fn create_parents(&self) -> io::Result<()> {
        std::fs::create_dir_all(self.base)?;
        let Some((folders, _)) = self.path.as_str().rsplit_once('/') else {
            return Ok(());
        };
        #[cfg(target_os = "linux")]
        if !self.portable && !self.follow_links {
            match linux::create_folders(self.base, folders) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                created => return created,
            }
        }
        let mut folder = self.base.to_path_buf();
        for component in folders.split('/') {
            folder.push(component);
            if !self.follow_links {
                refuse_links_out_of(self.base, &folder)?;
            }
            match std::fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn open_plainly(path: &Path, purpose: Purpose) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(purpose != Purpose::Read);
    if let Purpose::Create { executable } = purpose {
        options.create(true).truncate(false);
        set_mode(&mut options, executable);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A pipe in the way must not block us.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options.open(path)
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, executable: bool) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(mode(executable));
}

#[cfg(not(unix))]
fn set_mode(_options: &mut OpenOptions, _executable: bool) {}

/// Permissions of a new file, before the user's mask.
#[cfg(unix)]
fn mode(executable: bool) -> u32 {
    if executable { 0o777 } else { 0o666 }
}

/// The portable guard: where `path` would lead, as far as it exists, must lie in `base`.
///
/// A program that swaps folders for links between this look and the opening is not kept out; on Linux the kernel does
/// both in one step.
pub(super) fn refuse_links_out_of(base: &Path, path: &Path) -> io::Result<()> {
    let mut existing = path;
    while std::fs::symlink_metadata(existing).is_err() {
        match existing.parent() {
            Some(parent) if parent.starts_with(base) => existing = parent,
            _ => return Ok(()),
        }
    }
    if existing.canonicalize()?.starts_with(base.canonicalize()?) {
        return Ok(());
    }
    Err(io::ErrorKind::CrossesDevices.into())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    use rustix::io::Errno;

    use super::Purpose;

    /// How often an answer of "try again", given while somebody renames folders, is obeyed.
    const ATTEMPTS: u32 = 16;

    pub(super) fn open(base: &Path, path: &str, purpose: Purpose) -> io::Result<File> {
        let base = open_folder(base)?;
        let common = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let (flags, mode) = match purpose {
            Purpose::Read => (OFlags::RDONLY, Mode::empty()),
            Purpose::Write => (OFlags::RDWR, Mode::empty()),
            Purpose::Create { executable } => (
                OFlags::RDWR | OFlags::CREATE,
                Mode::from_raw_mode(super::mode(executable)),
            ),
        };
        Ok(open_beneath(&base, path, flags | common, mode)?.into())
    }

    pub(super) fn create_folders(base: &Path, folders: &str) -> io::Result<()> {
        let base = open_folder(base)?;
        let ends = folders.match_indices('/').map(|(at, _)| at);
        let mut parent: Option<OwnedFd> = None;
        let mut start = 0;
        for end in ends.chain([folders.len()]) {
            let here = parent.as_ref().unwrap_or(&base);
            match rustix::fs::mkdirat(here, &folders[start..end], Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            parent = Some(open_beneath(&base, &folders[..end], flags, Mode::empty())?);
            start = end + 1;
        }
        Ok(())
    }

    fn open_folder(path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
    }

    fn open_beneath(base: &OwnedFd, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut attempts = 0;
        loop {
            match rustix::fs::openat2(base, path, flags, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) if attempts < ATTEMPTS => attempts += 1,
                Err(Errno::NOSYS) => return Err(io::ErrorKind::Unsupported.into()),
                opened => return Ok(opened?),
            }
        }
    }
}

//! Putting the torrent where it belongs, whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use tempfile::Builder;

use crate::exit::{Failure, Result};
use crate::source::shown;

/// Says so before the work is done, not after.
pub(crate) fn refuse_existing(target: &Path, force: bool) -> Result {
    if target.is_dir() {
        return Err(Failure::io(
            cannot_write(target),
            &io::ErrorKind::IsADirectory.into(),
        ));
    }
    if !force && target.symlink_metadata().is_ok() {
        return Err(exists(target));
    }
    let folder = folder_of(target);
    match folder.metadata() {
        Ok(folder) if folder.is_dir() => Ok(()),
        Ok(_) => Err(Failure::io(
            cannot_write(target),
            &io::ErrorKind::NotADirectory.into(),
        )),
        Err(error) => Err(Failure::io(cannot_write(target), &error)),
    }
}

/// Writes beside the target and moves it there.
pub(crate) fn file(target: &Path, bytes: &[u8], force: bool) -> Result {
    match place(target, bytes, force) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(target)),
        Err(error) => Err(Failure::io(cannot_write(target), &error)),
    }
}

fn place(target: &Path, bytes: &[u8], force: bool) -> io::Result<()> {
    let mut builder = Builder::new();
    builder.prefix(".headwater-");
    #[cfg(unix)]
    builder.permissions(usual_permissions());
    let mut temporary = builder.tempfile_in(folder_of(target))?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    let placed = if force {
        temporary.persist(target)
    } else {
        temporary.persist_noclobber(target)
    };
    placed.map(|_| ()).map_err(|error| error.error)
}

/// What the user's umask leaves of them; a temporary file would be closed to others.
#[cfg(unix)]
fn usual_permissions() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn cannot_write(target: &Path) -> String {
    format!("cannot write {}", shown(target))
}

fn exists(target: &Path) -> Failure {
    Failure::failed(format_args!(
        "{} is there already; choose another with -o, or overwrite it with --force",
        shown(target)
    ))
}

//! Taking space from the disk ahead of time.

use std::fs::File;
use std::io;
use std::path::Path;

/// Whether nothing is left to reserve, so that the file need not even be opened, and may be one that is only read.
#[cfg(unix)]
pub(super) fn is_reserved(path: &Path, length: u64) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|metadata| {
        let is_whole = metadata.len() >= length && metadata.blocks().saturating_mul(512) >= length;
        metadata.is_file() && is_whole
    })
}

#[cfg(not(unix))]
pub(super) fn is_reserved(path: &Path, length: u64) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() >= length)
}

/// Makes `file` at least `length` bytes long, with all of its space taken. Where the file system cannot reserve, nothing is
/// done.
#[cfg(target_os = "linux")]
pub(super) fn reserve(file: &File, length: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    use rustix::io::Errno;

    loop {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                tracing::debug!("the file system cannot reserve space");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// No portable way exists: space is taken as data comes in.
#[cfg(not(target_os = "linux"))]
pub(super) fn reserve(_file: &File, _length: u64) -> io::Result<()> {
    Ok(())
}

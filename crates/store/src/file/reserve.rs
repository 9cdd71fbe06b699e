//! Taking space from the disk ahead of time.

use std::fs::File;
use std::io;

/// Makes `file` at least `length` bytes long, with all of its space taken. Where the file system cannot reserve, nothing is
/// done.
#[cfg(target_os = "linux")]
pub(super) fn reserve(file: &File, length: u64) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    use rustix::fs::FallocateFlags;
    use rustix::io::Errno;

    let metadata = file.metadata()?;
    if metadata.len() >= length && metadata.blocks().saturating_mul(512) >= length {
        return Ok(());
    }
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

//! Copying files to another file system, holes as holes.

use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::Path;

use crate::StorageError;
use crate::positioned::{read_exact_at, write_all_at};

/// Bytes that are copied before somebody may say that it is enough.
const STRIDE: u64 = 16 * 1024 * 1024;
/// Bytes that go through our own memory at a time, where the system copies nothing by itself.
const CHUNK: u64 = 1024 * 1024;

/// Why a copy was not made.
pub(in crate::file) enum CopyError {
    Io(io::Error),
    Stopped(StorageError),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Copies what `from` has of its first `length` bytes, leaving holes out; `go_on` is asked now and then.
pub(super) fn copy_data(
    from: &File,
    to: &File,
    length: u64,
    go_on: &mut dyn FnMut() -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let mut position = 0;
    while let Some(extent) = next_data(from, position, length)? {
        position = extent.start;
        while position < extent.end {
            let end = extent.end.min(position + STRIDE);
            copy_range(from, to, position..end)?;
            position = end;
            if position < extent.end {
                go_on()?;
            }
        }
    }
    Ok(())
}

/// Copies one range to the same place in the other file.
pub(super) fn copy_range(from: &File, to: &File, range: Range<u64>) -> io::Result<()> {
    let mut position = range.start;
    while position < range.end {
        match copy_by_system(from, to, position..range.end)? {
            0 => break,
            copied => position += copied,
        }
    }
    copy_by_hand(from, to, position..range.end)
}

/// Gives a copy the original's length and time and makes it durable. If the original has changed since `before`, by us or by
/// somebody else, the copy keeps its own time: it is copied again, or checked.
pub(in crate::file) fn seal(source: &File, copy: &File, before: &fs::Metadata) -> io::Result<()> {
    let after = source.metadata()?;
    let is_same = before.len() == after.len() && before.modified()? == after.modified()?;
    if is_same {
        copy.set_times(fs::FileTimes::new().set_modified(after.modified()?))?;
    }
    copy.sync_all()
}

/// A new file; what a killed process left there goes first.
pub(in crate::file) fn create_anew(path: &Path) -> io::Result<File> {
    let _ = fs::remove_file(path);
    File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
}

#[cfg(unix)]
pub(in crate::file) fn copy_link(old: &Path, new: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(fs::read_link(old)?, new)
}

#[cfg(not(unix))]
pub(in crate::file) fn copy_link(_old: &Path, _new: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(in crate::file) fn is_all_reserved(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.blocks().saturating_mul(512) >= metadata.len()
}

#[cfg(not(unix))]
pub(in crate::file) fn is_all_reserved(_metadata: &fs::Metadata) -> bool {
    false
}

fn copy_by_hand(from: &File, to: &File, range: Range<u64>) -> io::Result<()> {
    let mut buf = Vec::new();
    let mut position = range.start;
    while position < range.end {
        buf.resize((range.end - position).min(CHUNK) as usize, 0);
        read_exact_at(from, &mut buf, position)?;
        write_all_at(to, &mut [IoSlice::new(&buf)], position, true)?;
        position += buf.len() as u64;
    }
    Ok(())
}

/// Bytes that the system copied; 0 if it does not do that between these two.
#[cfg(target_os = "linux")]
fn copy_by_system(from: &File, to: &File, range: Range<u64>) -> io::Result<u64> {
    use rustix::io::Errno;
    let (mut start, mut target) = (range.start, range.start);
    let length = (range.end - range.start) as usize;
    match rustix::fs::copy_file_range(from, Some(&mut start), to, Some(&mut target), length) {
        Ok(copied) => Ok(copied as u64),
        Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn copy_by_system(_from: &File, _to: &File, _range: Range<u64>) -> io::Result<u64> {
    Ok(0)
}

/// The next run of data from `position` on; everything counts as data where holes cannot be told.
#[cfg(target_os = "linux")]
fn next_data(file: &File, position: u64, length: u64) -> io::Result<Option<Range<u64>>> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;
    if position >= length {
        return Ok(None);
    }
    let start = match seek(file, SeekFrom::Data(position)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(position..length)),
        Err(error) => return Err(error.into()),
    };
    let end = seek(file, SeekFrom::Hole(start))?.min(length);
    Ok((start < end).then_some(start..end))
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it fails")]
fn next_data(_file: &File, position: u64, length: u64) -> io::Result<Option<Range<u64>>> {
    Ok((position < length).then_some(position..length))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn data_comes_over_and_holes_stay_holes() {
        let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let length = 64 << 20;
        from.set_len(length).unwrap();
        to.set_len(length).unwrap();
        for (offset, byte) in [(0, 1), (20 << 20, 2), (length - 1, 3)] {
            from.write_all_at(&[byte; 1], offset).unwrap();
        }
        let mut asked = 0;
        let mut go_on = || {
            asked += 1;
            Ok(())
        };
        assert!(copy_data(&from, &to, length, &mut go_on).is_ok());
        assert_eq!(asked, 0, "no run is long");
        for (offset, byte) in [(0, 1), (1, 0), (20 << 20, 2), (length - 1, 3)] {
            let mut read = [9];
            to.read_exact_at(&mut read, offset).unwrap();
            assert_eq!(read, [byte]);
        }
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::fs::MetadataExt;
            assert!(to.metadata().unwrap().blocks() * 512 < length / 2);
        }
    }

    #[test]
    fn by_hand_is_the_same() {
        let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let data: Vec<u8> = (0..3_000_000u32).map(|number| number as u8).collect();
        from.write_all_at(&data, 0).unwrap();
        copy_by_hand(&from, &to, 0..2_000_000).unwrap();
        copy_range(&from, &to, 2_000_000..3_000_000).unwrap();
        let mut read = vec![0; data.len()];
        to.read_exact_at(&mut read, 0).unwrap();
        assert!(read == data);
    }
}

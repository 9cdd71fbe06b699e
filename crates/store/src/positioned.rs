//! Positioned reads and writes that do all or fail.

use std::fs::File;
use std::io::{self, IoSlice};

/// Writes all of `data` at `offset`, with as few system calls as there can be.
pub(crate) fn write_all_at(
    file: &File,
    data: &mut [IoSlice<'_>],
    offset: u64,
    portable: bool,
) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if !portable {
        return write_vectored_at(file, data, offset);
    }
    let _ = portable;
    let mut position = offset;
    for part in data {
        write_slice_at(file, part, position)?;
        position += part.len() as u64;
    }
    Ok(())
}

/// Most slices that one call takes (`IOV_MAX`).
#[cfg(target_os = "linux")]
const MAX_SLICES: usize = 1024;

#[cfg(target_os = "linux")]
fn write_vectored_at(file: &File, mut data: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    IoSlice::advance_slices(&mut data, 0);
    while !data.is_empty() {
        let now = &data[..data.len().min(MAX_SLICES)];
        match rustix::io::pwritev(file, now, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                IoSlice::advance_slices(&mut data, written);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn write_slice_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, data, offset)
}

#[cfg(windows)]
fn write_slice_at(file: &File, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !data.is_empty() {
        match file.seek_write(data, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                data = &data[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `buf` from `offset`; the end of the file before that is [`io::ErrorKind::UnexpectedEof`].
#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

/// Fills `buf` from `offset`; the end of the file before that is [`io::ErrorKind::UnexpectedEof`].
#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        match file.seek_read(buf, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buf = &mut buf[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `buf` if that needs no waiting for a disk; `false` if it does, or if the file ends before. An error means that
/// the file system cannot tell.
#[cfg(target_os = "linux")]
pub(crate) fn read_cached_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<bool> {
    use rustix::io::{Errno, ReadWriteFlags};
    let length = buf.len();
    let mut slices = [io::IoSliceMut::new(buf)];
    match rustix::io::preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(read == length),
        Err(Errno::AGAIN | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Nobody can tell here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_cached_at(_file: &File, _buf: &mut [u8], _offset: u64) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Walks over a list of slices, handing out runs of it.
pub(crate) struct Gather<'a, 'd> {
    slices: &'a [IoSlice<'d>],
    /// Bytes of the first slice that are handed out.
    taken: usize,
}

impl<'a, 'd> Gather<'a, 'd> {
    pub(crate) fn new(slices: &'a [IoSlice<'d>]) -> Self {
        Self { slices, taken: 0 }
    }

    /// Puts the next `length` bytes into `out`, which is emptied first.
    pub(crate) fn take(&mut self, mut length: u64, out: &mut Vec<IoSlice<'a>>) {
        out.clear();
        while length > 0
            && let Some((first, rest)) = self.slices.split_first()
        {
            let left = &first[self.taken..];
            let now = left
                .len()
                .min(usize::try_from(length).unwrap_or(usize::MAX));
            out.push(IoSlice::new(&left[..now]));
            length -= now as u64;
            if now == left.len() {
                self.slices = rest;
                self.taken = 0;
            } else {
                self.taken += now;
            }
        }
    }
}

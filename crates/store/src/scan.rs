//! Files that are read once, from one end to the other, as by a hash check: read ahead in large steps, and without pushing out of
//! the system's page cache what others have there.
//!
//! Bytes that were in memory already stay there; those that [`read_ahead`] brought in are given up again by [`let_go`]. On systems that
//! tell nothing of their page cache, nothing is read ahead or let go, and the system does as it does with any reading.
//!
//! ```
//! use std::os::unix::fs::FileExt;
//! use headwater_store::scan;
//!
//! let path = tempfile::NamedTempFile::new()?.into_temp_path();
//! std::fs::write(&path, [1; 300_000])?;
//! let file = scan::open(&path)?;
//! let brought = scan::read_ahead(&file, 0..300_000);
//! file.read_exact_at(&mut [0; 300_000], 0)?;
//! brought.into_iter().for_each(|range| scan::let_go(&file, range));
//! # Ok::<(), std::io::Error>(())
//! ```

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

/// What is looked at as a whole: if its first byte is in memory, all of it is taken to be. Also what the system reads ahead at a time.
#[cfg(target_os = "linux")]
const GRANULE: u64 = 128 * 1024;

/// Opens a file to be read once.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let file = File::open(path)?;
    advise_random(&file);
    Ok(file)
}

/// Tells the system that it need not guess what will be read next: [`read_ahead`] says so.
#[cfg(target_os = "linux")]
pub(crate) fn advise_random(file: &File) {
    // Advice that is not taken makes things slower, nothing else.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn advise_random(_file: &File) {}

/// Begins to read `range`, without waiting for it. Gives what of it was not in memory before.
#[cfg(target_os = "linux")]
pub fn read_ahead(file: &File, range: Range<u64>) -> Vec<Range<u64>> {
    let mut brought = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let end = range.end.min((start / GRANULE + 1) * GRANULE);
        match crate::positioned::read_cached_at(file, &mut [0], start) {
            Ok(true) => {}
            Ok(false) => {
                let length = std::num::NonZeroU64::new(end - start);
                let _ = rustix::fs::fadvise(file, start, length, rustix::fs::Advice::WillNeed);
                brought.push(start..end);
            }
            // The file system cannot tell; it would not for the rest either.
            Err(_) => break,
        }
        start = end;
    }
    brought
}

/// Begins to read `range`, without waiting for it. Gives what of it was not in memory before.
#[cfg(not(target_os = "linux"))]
pub fn read_ahead(_file: &File, _range: Range<u64>) -> Vec<Range<u64>> {
    Vec::new()
}

/// Gives up a range that [`read_ahead`] brought into memory. Data is never lost by that: what has been written since stays.
pub fn let_go(file: &File, brought: Range<u64>) {
    #[cfg(target_os = "linux")]
    {
        // Without a length it would be all of the file.
        if let Some(length) = std::num::NonZeroU64::new(brought.end.saturating_sub(brought.start)) {
            let advice = rustix::fs::Advice::DontNeed;
            let _ = rustix::fs::fadvise(file, brought.start, Some(length), advice);
        }
    }
    let _ = (file, brought);
}

/// Whether the file has `range`, and no byte of it was ever written: it reads as zeros. `false` if nobody can tell.
#[cfg(target_os = "linux")]
pub fn is_hole(file: &File, range: Range<u64>) -> bool {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;
    let next_data = match seek(file, SeekFrom::Data(range.start)) {
        Ok(position) => position,
        // No data up to the end of the file.
        Err(Errno::NXIO) => u64::MAX,
        Err(_) => return false,
    };
    // Looked at afterwards: a file that was cut meanwhile does not have the range any more.
    let reaches = file
        .metadata()
        .is_ok_and(|metadata| metadata.len() >= range.end);
    reaches && next_data >= range.end
}

/// Whether the file has `range`, and no byte of it was ever written: it reads as zeros. `false` if nobody can tell.
#[cfg(not(target_os = "linux"))]
pub fn is_hole(_file: &File, _range: Range<u64>) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn file_of(length: u64) -> (tempfile::TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let writer = File::create(&path).unwrap();
        writer.set_len(length).unwrap();
        (dir, open(&path).unwrap())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_was_never_written_is_a_hole_as_far_as_the_file_goes() {
        let (dir, file) = file_of(4 << 20);
        assert!(is_hole(&file, 0..4 << 20));
        assert!(!is_hole(&file, 0..(4 << 20) + 1), "past the end");
        assert!(!is_hole(&file, (5 << 20)..(5 << 20) + 1));
        let writer = File::options().write(true).open(dir.path().join("file"));
        writer.unwrap().write_all_at(&[0; 4096], 1 << 20).unwrap();
        assert!(is_hole(&file, 0..1 << 20));
        assert!(!is_hole(&file, 0..(1 << 20) + 1), "zeros that were written");
        assert!(is_hole(&file, (2 << 20)..(4 << 20)));
    }

    /// Data that is in the page cache, as what was just written is, is left there.
    #[test]
    fn what_is_in_memory_is_not_brought_in() {
        let (dir, file) = file_of(0);
        std::fs::write(dir.path().join("file"), vec![7; 1 << 20]).unwrap();
        assert_eq!(read_ahead(&file, 0..1 << 20), []);
    }
}

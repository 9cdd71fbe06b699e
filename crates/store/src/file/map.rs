//! Mapped windows of files, for serving. The one module of this crate with unsafe code.
//!
//! # Why this is sound
//!
//! One thing here is unsafe: [`SharedRange::as_ref`] makes a `&[u8]` of mapped memory. What it asks for, and why it holds:
//!
//! - **The memory is mapped, readable and stays so.** The range was checked to lie inside the window when the
//!   `SharedRange` was made, its fields never change, and it holds the window, whose map is undone only when the last
//!   holder lets go. `Bytes::from_owner` keeps the owner for as long as any slice of it lives.
//! - **Nobody in this process reads it.** The bytes only ever leave the crate through
//!   [`Storage::read_shared`](crate::Storage::read_shared), whose contract is to hand them to a system call. This crate
//!   itself never looks at them: hashing and every other use goes through `pread` into memory that we own. So a file
//!   that is cut or changed by another program, which would mean a signal or a value that changes under a shared
//!   reference, meets no load that the compiler made or could move: the kernel reads the pages, and answers `EFAULT`
//!   where there are none.
//! - **Nobody in this process writes it.** Maps are read-only, and only verified pieces are served; those are not
//!   written again.
//!
//! The slice is formed for its address and length only. Whoever breaks the contract and reads it does what any reader
//! of a shared file map does, with the same risk: a file cut by someone else then raises `SIGBUS`.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lru::LruCache;
use memmap2::{MmapOptions, MmapRaw};
use parking_lot::Mutex;

use super::pool::Key;

/// Distance between the starts of windows.
const STRIDE: u64 = 2 * 1024 * 1024;
/// How far a window reaches into the next one, so that every request that is allowed fits into the window it starts in.
const OVERLAP: u64 = 128 * 1024;
/// Pages are made resident in runs of this many bytes, since the next request mostly asks for the next block.
const RUN: u64 = 128 * 1024;

/// Longest range that is answered from a map.
pub(super) const MAX_LENGTH: usize = OVERLAP as usize;

/// Windows of many files, least recently used first to go.
#[derive(Debug)]
pub(super) struct Windows {
    max_bytes: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    windows: LruCache<(Key, u64), Arc<Window>>,
    bytes: u64,
}

#[derive(Debug)]
struct Window {
    map: MmapRaw,
    /// One bit for each run that was made resident.
    resident: AtomicU64,
}

/// Part of a window that is on its way to a socket.
struct SharedRange {
    window: Arc<Window>,
    start: usize,
    length: usize,
}

impl AsRef<[u8]> for SharedRange {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `start + length` lies inside the map (`Window::share` checked it), which lives as long as `self.window`;
        // the top of the module says why nothing in this process reads or writes the memory.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.window.map.as_ptr().add(self.start), self.length)
        }
    }
}

impl Windows {
    pub(super) fn new(max_bytes: u64) -> Self {
        let kept = Kept {
            windows: LruCache::unbounded(),
            bytes: 0,
        };
        Self {
            max_bytes,
            kept: Mutex::new(kept),
        }
    }

    pub(super) fn are_allowed(&self) -> bool {
        self.max_bytes > 0
    }

    pub(super) fn mapped_bytes(&self) -> u64 {
        self.kept.lock().bytes
    }

    /// The bytes of `range`, resident. `length` is what the file should be long; the caller has seen that the file
    /// reaches the end of `range`.
    ///
    /// `None` where the system cannot make pages resident on demand: then the range is to be read instead.
    pub(super) fn share(
        &self,
        key: Key,
        file: &File,
        range: Range<u64>,
        length: u64,
    ) -> io::Result<Option<Bytes>> {
        let index = range.start / STRIDE;
        let window = self.kept.lock().windows.get(&(key, index)).cloned();
        let window = match window {
            Some(window) => window,
            None => self.map(key, file, index, length)?,
        };
        let start = range.start - index * STRIDE;
        window.share(start, range.end - range.start)
    }

    fn map(&self, key: Key, file: &File, index: u64, length: u64) -> io::Result<Arc<Window>> {
        let start = index * STRIDE;
        let bytes = (length - start).min(STRIDE + OVERLAP);
        let map = MmapOptions::new()
            .offset(start)
            .len(bytes as usize)
            .map_raw_read_only(file)?;
        let window = Arc::new(Window {
            map,
            resident: AtomicU64::new(0),
        });
        let unmapped = self
            .kept
            .lock()
            .insert((key, index), window.clone(), self.max_bytes);
        drop(unmapped);
        Ok(window)
    }

    /// Lets go of the windows whose file `is_gone`.
    pub(super) fn forget(&self, is_gone: impl Fn(Key) -> bool) {
        let unmapped = self.kept.lock().remove(is_gone);
        drop(unmapped);
    }
}

impl Kept {
    /// Adds a window and returns those that had to go: they are unmapped outside of the lock.
    fn insert(&mut self, key: (Key, u64), window: Arc<Window>, max_bytes: u64) -> Vec<Arc<Window>> {
        let mut gone = Vec::new();
        self.bytes += window.map.len() as u64;
        gone.extend(self.windows.push(key, window).map(|(_, old)| old));
        self.bytes -= gone.iter().map(|old| old.map.len() as u64).sum::<u64>();
        while self.bytes > max_bytes
            && let Some((_, old)) = self.windows.pop_lru()
        {
            self.bytes -= old.map.len() as u64;
            gone.push(old);
        }
        gone
    }

    fn remove(&mut self, is_gone: impl Fn(Key) -> bool) -> Vec<Arc<Window>> {
        let keys: Vec<_> = self.windows.iter().map(|(key, _)| *key).collect();
        let gone: Vec<_> = keys
            .into_iter()
            .filter(|(key, _)| is_gone(*key))
            .filter_map(|key| self.windows.pop(&key))
            .collect();
        self.bytes -= gone.iter().map(|old| old.map.len() as u64).sum::<u64>();
        gone
    }
}

impl Window {
    fn share(self: Arc<Self>, start: u64, length: u64) -> io::Result<Option<Bytes>> {
        let end = start + length;
        if end > self.map.len() as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !self.make_all_resident(start..end)? {
            return Ok(None);
        }
        Ok(Some(Bytes::from_owner(SharedRange {
            window: self,
            start: start as usize,
            length: length as usize,
        })))
    }

    /// Whether the range is resident now; `false` if the system has no way to say so.
    fn make_all_resident(&self, range: Range<u64>) -> io::Result<bool> {
        for run in range.start / RUN..range.end.div_ceil(RUN) {
            match self.make_run_resident(run) {
                Ok(true) => {}
                // The file may end in the run and yet hold the range.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let length = range.end - range.start;
                    return populate(&self.map, range.start as usize, length as usize);
                }
                other => return other,
            }
        }
        Ok(true)
    }

    fn make_run_resident(&self, run: u64) -> io::Result<bool> {
        let bit = 1 << run;
        if self.resident.load(Ordering::Relaxed) & bit != 0 {
            return Ok(true);
        }
        let start = run * RUN;
        let length = RUN.min(self.map.len() as u64 - start);
        let done = populate(&self.map, start as usize, length as usize)?;
        if done {
            self.resident.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(done)
    }
}

/// Faults pages in without touching them: an error where a load would raise a signal.
#[cfg(target_os = "linux")]
fn populate(map: &MmapRaw, start: usize, length: usize) -> io::Result<bool> {
    use rustix::io::Errno;
    match map.advise_range(memmap2::Advice::PopulateRead, start, length) {
        Ok(()) => Ok(true),
        Err(error) => match Errno::from_io_error(&error) {
            // A kernel before 5.14.
            Some(Errno::INVAL | Errno::NOSYS) => Ok(false),
            Some(Errno::FAULT) => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Err(error),
        },
    }
}

#[cfg(not(target_os = "linux"))]
fn populate(_map: &MmapRaw, _start: usize, _length: usize) -> io::Result<bool> {
    Ok(false)
}

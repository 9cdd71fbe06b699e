//! Open files and maps, shared by any number of torrents, least recently used first to go.

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use parking_lot::Mutex;

use super::buffers::Buffers;
use super::map::Windows;
use super::seen::Identity;

/// How much a [`Pool`] keeps at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Files kept open at a time; at least 1. Threads that are using a file hold it a little longer.
    pub max_open_files: usize,
    /// Bytes kept mapped for serving what is not in the page cache; what is mapped counts as resident once it has been served.
    /// Blocks that are on their way to a socket keep their window alive a little longer. 0: blocks are read into memory of
    /// their own instead.
    ///
    /// **A file that another program cuts is served with zeros up to the end of its last page**, if the cut comes between the
    /// mapping of a block and its sending: the system gives such bytes out as if they were the file's. Only blocks that were
    /// read can be looked at again before they are sent. So map only what nobody else writes to.
    pub max_mapped_bytes: u64,
}

impl Default for PoolOptions {
    /// 128 files, no maps.
    fn default() -> Self {
        Self {
            max_open_files: 128,
            max_mapped_bytes: 0,
        }
    }
}

/// Open files and mapped windows, bounded, shared by the [`FileStorage`](super::FileStorage)s that it is given to.
/// A clone is the same pool.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    next_owner: AtomicU64,
    files: Mutex<LruCache<Key, Arc<OpenFile>>>,
    windows: Windows,
    buffers: Buffers,
}

/// A file of one of the storages that share the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) owner: u64,
    pub(super) file: u32,
    /// Opened to be read once, with other advice to the system than a file that is served from.
    pub(super) for_scan: bool,
}

#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) writable: bool,
    pub(super) identity: Arc<Identity>,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(PoolOptions::default())
    }
}

impl Pool {
    /// An empty pool.
    pub fn new(options: PoolOptions) -> Self {
        let capacity = NonZeroUsize::new(options.max_open_files).unwrap_or(NonZeroUsize::MIN);
        Self(Arc::new(Shared {
            next_owner: AtomicU64::new(0),
            files: Mutex::new(LruCache::new(capacity)),
            windows: Windows::new(options.max_mapped_bytes),
            buffers: Buffers::default(),
        }))
    }

    /// Files that are open now.
    pub fn open_files(&self) -> usize {
        self.0.files.lock().len()
    }

    /// Bytes that are kept mapped now.
    pub fn mapped_bytes(&self) -> u64 {
        self.0.windows.mapped_bytes()
    }

    pub(super) fn new_owner(&self) -> u64 {
        self.0.next_owner.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn windows(&self) -> &Windows {
        &self.0.windows
    }

    pub(super) fn buffers(&self) -> &Buffers {
        &self.0.buffers
    }

    pub(super) fn get(&self, key: Key, writable: bool) -> Option<Arc<OpenFile>> {
        let mut files = self.0.files.lock();
        let file = files.get(&key)?;
        (file.writable || !writable).then(|| file.clone())
    }

    pub(super) fn put(&self, key: Key, file: Arc<OpenFile>) {
        let evicted = self.0.files.lock().push(key, file);
        // Closed outside of the lock, because closing may take its time on a network file system.
        drop(evicted);
    }

    /// Forgets a file: the next use opens it again.
    pub(super) fn forget(&self, key: Key) {
        let scanned = Key {
            for_scan: true,
            ..key
        };
        let closed = [key, scanned].map(|key| self.0.files.lock().pop(&key));
        drop(closed);
        self.0.windows.forget(|window| window == key);
    }

    /// Forgets everything of `owner`.
    pub(super) fn forget_all(&self, owner: u64) {
        let mut files = self.0.files.lock();
        let keys: Vec<_> = files.iter().map(|(key, _)| *key).collect();
        let closed: Vec<_> = keys
            .into_iter()
            .filter(|key| key.owner == owner)
            .filter_map(|key| files.pop(&key))
            .collect();
        drop(files);
        drop(closed);
        self.0.windows.forget(|window| window.owner == owner);
    }
}

//! Pieces of torrents on disk: written once, verified before they count, and never a lie about what is there.
//!
//! - [`Storage`] is the trait behind which a torrent's bytes live. [`FileStorage`] keeps them in files, with lazily opened,
//!   pooled descriptors, reserved space and a part file for skipped files;
//!   [`MemoryStorage`] keeps them in memory.
//! - [`PieceStore`] assembles blocks into pieces in a bounded buffer, hashes complete ones from memory, many at a time,
//!   writes the good ones with one vectored write each, and gives out nothing that is not verified.
//! - [`ResumeData`] is what survives a restart: checksummed, saved atomically, and believed only for files that have not changed.
//! - [`scan`] reads files once, as a hash check does, without pushing anything out of the system's page cache.
//! - [`testing`] has made-up torrents, faults and crashes on demand.
//!
//! Everything blocks and is thread-safe: call it from disk threads. It knows nothing of peers, and needs no async runtime.
//!
//! ```
//! use std::sync::Arc;
//! use headwater_store::{Contents, FileOptions, FileStorage, Options, PieceCheck, PieceStore, Storage};
//! # use headwater_store::testing::Sample;
//! # let dir = tempfile::tempdir()?;
//! # let torrent = Arc::new(Sample::new([("album/one", 30_000), ("album/two", 50_000)], 32_768));
//!
//! // `torrent` is an `Arc` of a torrent's `headwater_metainfo::Info`.
//! let storage = Arc::new(FileStorage::new(torrent.clone(), dir.path(), FileOptions::default())?);
//! let store = PieceStore::new(torrent.clone(), storage.clone(), Options::default());
//!
//! // What is there already?
//! let pieces: Vec<_> = torrent.geometry().pieces().collect();
//! for &piece in &pieces {
//!     assert_eq!(store.check(piece)?, PieceCheck::Failed);
//! }
//!
//! // Download: blocks come from peers, in any order.
//! storage.prepare()?;
//! for &piece in &pieces {
//!     for block in torrent.geometry().blocks(piece) {
//!         store.add_block(block, torrent.block(block))?;
//!     }
//! }
//! for (_piece, result) in store.complete(&pieces) {
//!     assert_eq!(result?, PieceCheck::Passed);
//! }
//!
//! // Serve.
//! let block = torrent.geometry().block(pieces[1], 0).unwrap();
//! assert_eq!(store.read_block(block)?, torrent.block(block));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Durability
//!
//! | after | data survives |
//! |---|---|
//! | [`PieceStore::add_block`] | nothing: it waits in memory |
//! | [`PieceStore::complete`] says [`Passed`](PieceCheck::Passed) | the end of the process |
//! | [`PieceStore::checkpoint`] | the end of the machine's power |
//! | [`Storage::relocate`], [`Storage::rename_file`] | the end of the machine's power, at the new place; at the old one as well until [`Leftovers::remove`] |
//!
//! Resume data claims what a checkpoint says and is saved after it, so it never runs ahead of the disk. Nothing is synced on its
//! own account: how often a checkpoint is made is for the program to decide.
//!
//! # Bounds
//!
//! Whatever a torrent is like, a store needs no more than this; `cargo xtask big-test` keeps it to that, with 100,000 files and with
//! 1 TiB.
//!
//! | of | at most |
//! |---|---|
//! | descriptors | [`PoolOptions::max_open_files`] for all torrents together, one for each thread that still uses a file which the pool has let go of, and one for each torrent that has a part file |
//! | waiting blocks | [`Options::write_back_bytes`] for each torrent, and what arrives while a full buffer is written |
//! | maps | [`PoolOptions::max_mapped_bytes`] for all torrents together |
//! | serving | 8 MiB of buffers that wait to be used again, and what is on its way to peers |
//! | checks | less than 1 MiB for each thread |
//! | each file | 512 bytes, most of them for its path in the torrent (300 with paths of 35 bytes) |
//! | each piece | 64 bytes, its hash included |
//!
//! Time grows with the number of files in three places: when a torrent is added and at each checkpoint every file is looked at once (not
//! opened), and [`prepare`](Storage::prepare) creates every wanted one.
//!
//! # Other programs
//!
//! A file that is deleted, moved away, replaced or cut while it is written is noticed at the next write to it or at the next checkpoint,
//! before anything is claimed ([`StorageErrorKind::casts_doubt`]). One that somebody else has changed since its stamp was
//! taken is not claimed in resume data: it will be checked.
//!
//! # Unsafe code
//!
//! One line, which makes a slice of mapped memory; its argument stands at the top of `src/file/map.rs`.
#![deny(unsafe_code)]

mod contents;
mod error;
mod file;
mod memory;
mod part;
mod pieces;
mod positioned;
mod ranges;
mod resume;
pub mod scan;
mod storage;
pub mod testing;

pub use contents::Contents;
pub use error::{Operation, StorageError, StorageErrorKind, StoreError};
pub use file::{Allocation, FileOptions, FileStorage, Leftovers, Pool, PoolOptions};
pub use memory::MemoryStorage;
pub use pieces::{Checkpoint, Completed, Options, PieceCheck, PieceStore};
pub use resume::{MAX_RESUME_SIZE, ResumeData, ResumeError, Trusted, replace_file};
pub use storage::{FileStamp, Step, Storage};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

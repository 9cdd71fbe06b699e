//! Pieces on disk: mapped reads, positioned writes, part file, verification, resume data.
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
mod storage;
pub mod testing;

pub use contents::Contents;
pub use error::{Operation, StorageError, StorageErrorKind, StoreError};
pub use file::{Allocation, FileOptions, FileStorage, Pool, PoolOptions};
pub use memory::MemoryStorage;
pub use pieces::{Checkpoint, Options, PieceCheck, PieceStore};
pub use resume::{MAX_RESUME_SIZE, ResumeData, ResumeError, Trusted};
pub use storage::{FileStamp, Storage};

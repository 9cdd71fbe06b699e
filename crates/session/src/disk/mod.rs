//! Disk threads: whatever may wait for a disk, or hashes, happens here and not on the reactor.

mod lane;
mod pool;

#[cfg(test)]
mod tests;

pub(crate) use lane::{DiskEvent, Lane, Op};
pub(crate) use pool::DiskPool;

//! What tests of this crate, and of crates that build on it, need: made-up torrents and faults on demand.

mod crash;
mod fault;
mod sample;

pub use crash::CrashStorage;
pub use fault::{Fault, FaultStorage, OperationKind};
pub use sample::Sample;

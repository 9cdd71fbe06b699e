//! What whole-system tests and the fuzzers share. The tests themselves are in `tests/`.
#![forbid(unsafe_code)]

pub mod fuzz;

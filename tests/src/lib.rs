//! What whole-system tests and the fuzzers share. The tests themselves are in `tests/`.
#![forbid(unsafe_code)]

pub mod fuzz;

/// The examples of the README, compiled as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

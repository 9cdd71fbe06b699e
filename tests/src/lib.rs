//! Whole-system tests live in `tests/`; this library holds what they and the fuzzers share.
#![forbid(unsafe_code)]

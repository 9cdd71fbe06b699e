//! The `headwater` program.
#![forbid(unsafe_code)]

fn main() {}

//! Whole torrents against each other, in virtual time.

mod exchange;
mod net;

//! Whole torrents against each other, in virtual time.

mod deadlines;
mod endgame;
mod exchange;
mod faults;
mod net;
mod operations;
mod policies;
mod rig;
mod super_seeding;

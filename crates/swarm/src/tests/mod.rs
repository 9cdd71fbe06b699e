//! Whole torrents against each other, in virtual time.

mod blame;
mod deadlines;
mod dht;
mod endgame;
mod exchange;
mod faults;
mod metadata;
mod net;
mod operations;
mod pex;
mod places;
mod policies;
mod queues;
mod relief;
mod rig;
mod slots;
mod smart_ban;
mod super_seeding;

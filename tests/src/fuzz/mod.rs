//! The bodies of the fuzz targets.
//!
//! Each takes bytes of any kind and panics when something that must hold does not. `fuzz/` gives them to libFuzzer;
//! `tests/replay.rs` runs them over the committed corpora on stable Rust.

mod bencode;
mod krpc;
mod lsd;
mod resume;
mod swarm;
mod torrent;
mod trackers;
mod wire;

pub use bencode::bencode;
pub use krpc::krpc;
pub use lsd::lsd;
pub use resume::resume;
pub use swarm::swarm;
pub use torrent::{magnet, metainfo, paths};
pub use trackers::{http_tracker, udp_tracker};
pub use wire::{handshake, ut_metadata, ut_pex, wire};

/// The body of a fuzz target.
pub type Target = fn(&[u8]);

/// Every target under the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("bencode", bencode),
    ("handshake", handshake),
    ("http_tracker", http_tracker),
    ("krpc", krpc),
    ("lsd", lsd),
    ("magnet", magnet),
    ("metainfo", metainfo),
    ("paths", paths),
    ("resume", resume),
    ("swarm", swarm),
    ("udp_tracker", udp_tracker),
    ("ut_metadata", ut_metadata),
    ("ut_pex", ut_pex),
    ("wire", wire),
];

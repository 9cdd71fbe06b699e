//! Who may depend on whom.

use std::path::Path;

use anyhow::Context;

use super::{Complaints, crates, name, read};

/// The crates of each floor. A crate may depend only on crates of lower floors.
const FLOORS: [&[&str]; 6] = [
    &["bencode", "hash"],
    &["metainfo"],
    &["wire"],
    &["swarm", "dht", "utp", "tracker", "tracker-server", "store"],
    &["session"],
    &["cli", "rpc"],
];

/// Crates that may know neither a clock nor a socket, and what would give them one.
pub(super) const SANS_IO: [&str; 3] = ["swarm", "dht", "utp"];
const IO_CRATES: [&str; 7] = [
    "tokio",
    "socket2",
    "hyper",
    "hyper-util",
    "rustix",
    "libc",
    "getrandom",
];

pub(super) fn check(root: &Path) -> anyhow::Result<Complaints> {
    let mut complaints = Complaints::new();
    for path in crates(root)? {
        let manifest = path.join("Cargo.toml");
        let parsed: toml::Table = read(&manifest)?
            .parse()
            .with_context(|| manifest.display().to_string())?;
        let Some(floor) = floor_of(name(&path)) else {
            complaints.push(format!(
                "{}: the crate stands on no floor",
                manifest.display()
            ));
            continue;
        };
        let dependencies = parsed.get("dependencies").and_then(toml::Value::as_table);
        for dependency in dependencies.into_iter().flat_map(toml::Table::keys) {
            complaints.extend(
                wrong_dependency(name(&path), floor, dependency)
                    .map(|why| format!("{}: {dependency} {why}", manifest.display())),
            );
        }
    }
    Ok(complaints)
}

fn wrong_dependency(krate: &str, floor: usize, dependency: &str) -> Option<&'static str> {
    if SANS_IO.contains(&krate) && IO_CRATES.contains(&dependency) {
        return Some("has no place in a sans-IO crate");
    }
    let below = floor_of(dependency.strip_prefix("headwater-")?);
    below
        .is_none_or(|below| below >= floor)
        .then_some("is not on a lower floor")
}

fn floor_of(krate: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&krate))
}

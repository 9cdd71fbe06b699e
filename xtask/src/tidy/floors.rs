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
const IO_CRATES: [&str; 11] = [
    "async-io",
    "getrandom",
    "hyper",
    "hyper-util",
    "libc",
    "memmap2",
    "mio",
    "nix",
    "rustix",
    "socket2",
    "tokio",
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
        for dependency in dependencies(&parsed) {
            complaints.extend(
                wrong_dependency(name(&path), floor, dependency)
                    .map(|why| format!("{}: {dependency} {why}", manifest.display())),
            );
        }
    }
    Ok(complaints)
}

/// The packages that a crate is built with, on any platform; what only its tests use may lie anywhere.
fn dependencies(manifest: &toml::Table) -> Vec<&str> {
    let platforms = manifest.get("target").and_then(toml::Value::as_table);
    let platforms = platforms.into_iter().flat_map(toml::Table::values);
    let tables = platforms
        .filter_map(toml::Value::as_table)
        .chain([manifest]);
    let mut names = Vec::new();
    for table in tables {
        for kind in ["dependencies", "build-dependencies"] {
            let entries = table.get(kind).and_then(toml::Value::as_table);
            names.extend(entries.into_iter().flatten().map(package));
        }
    }
    names
}

/// The package behind a dependency, which may have been given another name.
fn package<'a>((name, how): (&'a String, &'a toml::Value)) -> &'a str {
    let package = how.get("package").and_then(toml::Value::as_str);
    package.unwrap_or(name)
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

use std::fs;
use std::path::Path;

use super::check;

#[test]
fn the_workspace_is_tidy() {
    assert_eq!(
        check(&crate::workspace_root()).unwrap(),
        Vec::<String>::new()
    );
}

/// A tidy workspace of one sans-IO crate.
fn house() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    put(
        root.path(),
        "crates/swarm/Cargo.toml",
        "[dependencies]\nheadwater-wire.workspace = true\n",
    );
    put(root.path(), "crates/swarm/README.md", "```rust\n```");
    put(
        root.path(),
        "crates/swarm/clippy.toml",
        "disallowed-methods = [\"std::time::Instant::now\"]\n\
         disallowed-types = [\"std::net::UdpSocket\", \"std::net::TcpStream\", \"std::fs::File\"]",
    );
    put(
        root.path(),
        "crates/swarm/src/lib.rs",
        "//! ```\n//! ```\n#![forbid(unsafe_code)]\n",
    );
    let faults = "| fault | test |\n|---|---|\n| it | `crates/swarm/src/t.rs` `it_is_gone` |\n";
    put(root.path(), "tests/KNOWN_FAULTS.md", faults);
    put(root.path(), "crates/swarm/src/t.rs", "fn it_is_gone() {}\n");
    root
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What is said of the house once `path` holds `text`.
fn complaint(path: &str, text: &str) -> String {
    let root = house();
    put(root.path(), path, text);
    let complaints = check(root.path()).unwrap();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    complaints[0].clone()
}

#[test]
fn a_tidy_house_has_no_complaints() {
    assert_eq!(check(house().path()).unwrap(), Vec::<String>::new());
}

#[test]
fn dependencies_point_down_and_away_from_io() {
    let manifest = "crates/swarm/Cargo.toml";
    assert!(complaint(manifest, "[dependencies]\nheadwater-store = \"1\"").contains("lower floor"));
    assert!(
        complaint(manifest, "[dependencies]\nheadwater-session = \"1\"").contains("lower floor")
    );
    assert!(complaint(manifest, "[dependencies]\ntokio = \"1\"").contains("sans-IO"));
    for hidden in [
        "[build-dependencies]\ntokio = \"1\"",
        "[target.'cfg(unix)'.dependencies]\ntokio = \"1\"",
        "[dependencies]\nruntime = { package = \"tokio\", version = \"1\" }",
    ] {
        assert!(complaint(manifest, hidden).contains("tokio has no place"));
    }
    let root = house();
    put(root.path(), manifest, "[dev-dependencies]\ntokio = \"1\"");
    assert_eq!(check(root.path()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_crate_without_a_floor_is_noticed() {
    let root = house();
    for (path, text) in [
        ("Cargo.toml", ""),
        ("README.md", "```"),
        ("src/lib.rs", "//! ```\n#![forbid(unsafe_code)]"),
    ] {
        put(root.path(), &format!("crates/attic/{path}"), text);
    }
    assert!(check(root.path()).unwrap()[0].contains("no floor"));
}

#[test]
fn docs_and_unsafe_are_looked_after() {
    let front = "crates/swarm/src/lib.rs";
    assert!(complaint("crates/swarm/README.md", "words").contains("README"));
    assert!(complaint(front, "#![forbid(unsafe_code)]").contains("front page"));
    assert!(complaint(front, "//! ```").contains("unsafe"));
    assert!(complaint("crates/swarm/examples/a.rs", "fn main() {}").contains("unsafe"));
}

#[test]
fn sans_io_crates_have_no_clock() {
    let clippy = "crates/swarm/clippy.toml";
    let clocks = "disallowed-methods = [\"std::time::Instant::now\"]";
    let types =
        "disallowed-types = [\"std::net::UdpSocket\", \"std::net::TcpStream\", \"std::fs::File\"]";
    assert!(complaint(clippy, types).contains("disallows clocks"));
    assert!(complaint(clippy, clocks).contains("disallows sockets"));
    assert!(complaint("crates/swarm/src/a.rs", "then.elapsed();").contains(".elapsed()"));
    assert!(complaint("crates/swarm/src/a.rs", "let t = Instant::now();").contains("Instant::now"));
    assert!(complaint("crates/swarm/src/a.rs", "use std::fs;").contains("std::fs"));
}

#[test]
fn left_overs_and_long_files_are_noticed() {
    let file = "crates/swarm/src/a.rs";
    assert!(complaint(file, &"//\n".repeat(501)).contains("501 lines"));
    assert!(complaint(file, concat!("to", "do!()")).contains("contains"));
    assert!(complaint(file, concat!("// FIX", "ME")).contains("contains"));
    assert!(complaint(file, concat!("\"/ho", "me/me\"")).contains("contains"));
}

#[test]
fn the_tests_of_known_faults_are_there() {
    assert!(complaint("crates/swarm/src/t.rs", "fn other() {}").contains("no test it_is_gone"));
    assert!(complaint("tests/KNOWN_FAULTS.md", "|a|b|\n|-|-|\n| a | |\n").contains("no test in"));
}

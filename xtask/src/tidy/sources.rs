//! What may stand in a source file.

use std::path::{Path, PathBuf};

use super::floors::SANS_IO;
use super::{Complaints, crates, name, read};

/// Longest file that holds no tests.
const MAX_LINES: usize = 500;

/// The rooms in which unsafe code may live.
const UNSAFE_ROOMS: [&str; 2] = ["hash", "store"];

/// What a sans-IO crate never says. `Instant` is passed in; `Instant::now` is not called.
const AMBIENT: [&str; 15] = [
    "Instant::now",
    ".elapsed()",
    "std::env",
    "std::io",
    "SystemTime",
    "std::fs",
    "std::thread",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "rand::rng()",
    "thread_rng",
    "from_os_rng",
    "RandomState",
    "std::process",
];

/// Left-overs, in two halves so that this file does not complain about itself.
const LEFTOVERS: [(&str, &str); 6] = [
    ("to", "do!("),
    ("unimpl", "emented!("),
    ("db", "g!("),
    ("FIX", "ME"),
    ("#[ign", "ore"),
    ("XX", "X:"),
];

/// Where the folders of one person begin.
const HOMES: [(&str, &str); 3] = [("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/")];

pub(super) fn check(root: &Path) -> anyhow::Result<Complaints> {
    let mut complaints = Complaints::new();
    for path in crates(root)? {
        complaints.extend(check_crate(&path)?);
    }
    for folder in ["crates", "xtask", "tests", "fuzz"] {
        for file in rust_files(&root.join(folder)) {
            complaints.extend(check_file(&file, &read(&file)?));
        }
    }
    Ok(complaints)
}

fn check_crate(path: &Path) -> anyhow::Result<Complaints> {
    let mut complaints = Complaints::new();
    let mut complain = |what: &str| complaints.push(format!("{}: {what}", path.display()));
    let readme = path.join("README.md");
    if !readme.is_file() || !read(&readme)?.contains("```") {
        complain("no README.md with an example");
    }
    let library = path.join("src/lib.rs");
    let front = if library.is_file() {
        library
    } else {
        path.join("src/main.rs")
    };
    let front_text = read(&front)?;
    if front.ends_with("lib.rs") && !front_text.lines().any(|line| line.starts_with("//! ```")) {
        complain("no example on the front page");
    }
    if !UNSAFE_ROOMS.contains(&name(path)) && !front_text.contains("#![forbid(unsafe_code)]") {
        complain("does not forbid unsafe code");
    }
    if SANS_IO.contains(&name(path)) {
        check_sans_io(path, &mut complain)?;
    }
    Ok(complaints)
}

fn check_sans_io(path: &Path, complain: &mut impl FnMut(&str)) -> anyhow::Result<()> {
    let clippy = path.join("clippy.toml");
    let rules = if clippy.is_file() {
        read(&clippy)?
    } else {
        String::new()
    };
    for rule in ["disallowed-methods", "std::time::Instant::now"] {
        if !rules.contains(rule) {
            complain("no clippy.toml that disallows clocks");
            break;
        }
    }
    for rule in ["disallowed-types", "UdpSocket", "TcpStream", "fs::File"] {
        if !rules.contains(rule) {
            complain("no clippy.toml that disallows sockets and files");
            break;
        }
    }
    for file in rust_files(&path.join("src")) {
        let text = read(&file)?;
        // Tests make their own time.
        let code = text
            .split(
                "#[cfg(test)]
mod tests {",
            )
            .next()
            .unwrap_or_default();
        let code: Vec<&str> = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for word in AMBIENT {
            if !is_test(&file) && code.iter().any(|line| line.contains(word)) {
                complain(&format!("{} says {word}", file.display()));
            }
        }
    }
    Ok(())
}

fn check_file(file: &Path, text: &str) -> Complaints {
    let mut complaints = Complaints::new();
    if is_program(file) && !text.contains("#![forbid(unsafe_code)]") {
        complaints.push(format!("{}: does not forbid unsafe code", file.display()));
    }
    let lines = text.lines().count();
    if !is_test(file) && lines > MAX_LINES {
        complaints.push(format!(
            "{}: {lines} lines, {MAX_LINES} is the limit",
            file.display()
        ));
    }
    for (front, back) in LEFTOVERS.into_iter().chain(HOMES) {
        let word = format!("{front}{back}");
        if text.contains(&word) {
            complaints.push(format!("{}: contains {word}", file.display()));
        }
    }
    complaints
}

/// Whether the file is a further root of a crate, which no front page speaks for: a second program, an example.
fn is_program(file: &Path) -> bool {
    let folder = file.parent().map(name).unwrap_or_default();
    matches!(folder, "bin" | "examples")
}

/// Whether the file holds tests and nothing else.
fn is_test(file: &Path) -> bool {
    let in_tests = file.components().any(|part| part.as_os_str() == "tests");
    in_tests || name(file).starts_with("tests") || name(file).ends_with("_tests.rs")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let visible = |entry: &walkdir::DirEntry| {
        !matches!(name(entry.path()), "target" | "corpus" | "artifacts")
    };
    let entries = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(visible);
    let paths = entries
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path);
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

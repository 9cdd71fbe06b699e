//! `cargo xtask tidy`: the rules of ARCHITECTURE.md that no compiler checks. Also run by `cargo test`.

mod faults;
mod floors;
mod sources;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context, bail};

/// What is wrong where, one line each.
type Complaints = Vec<String>;

pub(crate) fn run() -> anyhow::Result<()> {
    let complaints = check(&crate::workspace_root())?;
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    if !complaints.is_empty() {
        bail!("{} things are not tidy", complaints.len());
    }
    println!("tidy");
    Ok(())
}

/// Every rule over the workspace at `root`.
fn check(root: &Path) -> anyhow::Result<Complaints> {
    let mut complaints = floors::check(root)?;
    complaints.extend(sources::check(root)?);
    complaints.extend(faults::check(root)?);
    complaints.sort();
    Ok(complaints)
}

/// The folders in `crates`.
fn crates(root: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let folder = root.join("crates");
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("can't list {}", folder.display()))?;
    let mut crates: Vec<_> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    crates.retain(|path| path.join("Cargo.toml").is_file());
    crates.sort();
    Ok(crates)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

/// The last component, which for a crate is its name in this house.
fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

//! Cargo, and the headwater program as a user would have it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;

/// Cargo as the user called it. What it told this program of its own package would make it build some dependencies anew.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Builds the program and says where it is.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let root = crate::workspace_root();
    let arguments = ["build", "--release", "--quiet", "--package", "headwater"];
    let status = cargo().args(arguments).current_dir(&root).status()?;
    ensure!(status.success(), "headwater does not build");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(root.join(target).join("release/headwater"))
}

//! The headwater program, as a user would have it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;

/// Builds the program and says where it is.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let root = crate::workspace_root();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--release", "--quiet", "--package", "headwater"];
    let status = Command::new(cargo)
        .args(arguments)
        .current_dir(&root)
        .status()?;
    ensure!(status.success(), "headwater does not build");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(root.join(target).join("release/headwater"))
}

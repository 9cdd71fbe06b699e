//! `cargo xtask memcheck`: the tests of the code that uses `unsafe`, under valgrind.
//!
//! Valgrind looks at every access to memory. It has the SHA instructions and AVX2 but not AVX-512, and none of the newest system
//! calls, so that the paths for older machines run as well.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// What is run: arguments of `cargo test`.
const TESTS: [&[&str]; 2] = [
    &["-p", "headwater-hash", "--lib"],
    &[
        "-p",
        "headwater-store",
        "--test",
        "faults",
        "--test",
        "whole_torrents",
    ],
];
/// Everything takes some twenty times as long.
const CASES: &str = "8";

pub(crate) fn run() -> anyhow::Result<()> {
    let found = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    ensure!(
        found.is_ok_and(|status| status.success()),
        "valgrind is missing; install it with your system's packages"
    );
    let runner = format!(
        "CARGO_TARGET_{}_RUNNER",
        host()?.to_uppercase().replace('-', "_")
    );
    let logs = crate::workspace_root().join("target/memcheck");
    std::fs::create_dir_all(&logs)?;
    // Into files, because it complains of each call to a system call that it does not know, and answers as an old kernel would.
    let valgrind = format!(
        "valgrind --quiet --error-exitcode=99 --log-file={}/%p.log",
        logs.display()
    );
    for arguments in TESTS {
        let status = crate::program::cargo()
            .arg("test")
            .args(arguments)
            .current_dir(crate::workspace_root())
            .env(&runner, &valgrind)
            .env("PROPTEST_CASES", CASES)
            .status()?;
        ensure!(
            status.success(),
            "`cargo test {}` failed under valgrind; what it found is in {}",
            arguments.join(" "),
            logs.display()
        );
    }
    Ok(())
}

/// The target for which this machine's compiler builds.
fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

//! `cargo xtask fuzz`: runs the fuzz targets of `fuzz/` with libFuzzer, on stable Rust.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The target to run; all of them, one after the other, if none is named
    target: Option<String>,
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

/// The longest that one input may take, in seconds: far beyond what any takes, so that only a hang reaches it.
const INPUT_SECONDS: u32 = 20;
/// What a target may hold in memory, in MiB: inputs are small, so more means that a length was believed.
const MEMORY: u32 = 2048;

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let fuzz = crate::workspace_root().join("fuzz");
    let targets = chosen(targets(&fuzz)?, args.target.as_deref())?;
    check_installed()?;
    for target in &targets {
        ensure!(build(&fuzz, target)?, "{target} does not build");
    }
    let mut failed = Vec::new();
    for target in &targets {
        println!("{target}: {} s", args.seconds);
        if !fuzz_target(&fuzz, target, args.seconds)? {
            failed.push(failure(&fuzz, target));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    println!("{} targets ran without a finding", targets.len());
    Ok(())
}

/// The names of all targets, from the folder of their sources.
fn targets(fuzz: &Path) -> anyhow::Result<Vec<String>> {
    let folder = fuzz.join("fuzz_targets");
    let mut names = Vec::new();
    for path in files(&folder)? {
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(
                path.file_stem()
                    .and_then(|stem| stem.to_str())
                    .map(str::to_owned),
            );
        }
    }
    Ok(names)
}

fn chosen(all: Vec<String>, wanted: Option<&str>) -> anyhow::Result<Vec<String>> {
    match wanted {
        None => Ok(all),
        Some(wanted) if all.iter().any(|name| name == wanted) => Ok(vec![wanted.to_owned()]),
        Some(wanted) => bail!("there is no target {wanted}; there are: {}", all.join(", ")),
    }
}

fn check_installed() -> anyhow::Result<()> {
    let found = cargo_fuzz("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    ensure!(
        found,
        "cargo-fuzz is missing; install it with: cargo install --locked cargo-fuzz"
    );
    Ok(())
}

fn build(fuzz: &Path, target: &str) -> anyhow::Result<bool> {
    succeeds(
        cargo_fuzz("build")
            .args(["--debug-assertions", "--fuzz-dir"])
            .arg(fuzz)
            .arg(target),
    )
}

/// Whether the target found nothing. What it learns goes to a corpus of this clone; the committed one is only read.
fn fuzz_target(fuzz: &Path, target: &str, seconds: u64) -> anyhow::Result<bool> {
    let learnt = fuzz.join("target/corpus").join(target);
    std::fs::create_dir_all(&learnt)
        .with_context(|| format!("can't create {}", learnt.display()))?;
    let mut command = cargo_fuzz("run");
    command
        .args(["--debug-assertions", "--fuzz-dir"])
        .arg(fuzz)
        .arg(target);
    command
        .arg(learnt)
        .arg(fuzz.join("corpus").join(target))
        .arg("--");
    command.arg(format!("-max_total_time={seconds}"));
    command.args([
        format!("-timeout={INPUT_SECONDS}"),
        format!("-rss_limit_mb={MEMORY}"),
    ]);
    command.args(["-verbosity=0", "-print_final_stats=1"]);
    succeeds(&mut command)
}

fn succeeds(command: &mut Command) -> anyhow::Result<bool> {
    Ok(command.status().context("can't run cargo fuzz")?.success())
}

/// Stable's compiler takes the flags that cargo-fuzz needs when it is asked to.
fn cargo_fuzz(verb: &str) -> Command {
    let mut command = crate::program::cargo();
    command.args(["fuzz", verb]).env("RUSTC_BOOTSTRAP", "1");
    command
}

/// What to say about a target that failed: where its inputs lie and how to see them fail again.
fn failure(fuzz: &Path, target: &str) -> String {
    let inputs = files(&fuzz.join("artifacts").join(target)).unwrap_or_default();
    let mut lines = vec![format!("{target} failed")];
    lines.extend(
        inputs
            .iter()
            .map(|input| format!("    {}", input.display())),
    );
    if let Some(input) = inputs.first() {
        let again = format!("cargo fuzz run {target} {}", input.display());
        lines.push(format!("  again: RUSTC_BOOTSTRAP=1 {again}"));
    }
    lines.join("\n")
}

/// The files of a folder in the order of their names.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("can't list {}", folder.display()))?;
    let mut files: Vec<_> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{chosen, failure, targets};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn every_source_is_a_target() {
        let fuzz = tempfile::tempdir().unwrap();
        let folder = fuzz.path().join("fuzz_targets");
        std::fs::create_dir(&folder).unwrap();
        for file in ["wire.rs", "bencode.rs", "notes.md"] {
            std::fs::write(folder.join(file), "").unwrap();
        }
        assert_eq!(targets(fuzz.path()).unwrap(), names(&["bencode", "wire"]));
        assert!(targets(&folder).is_err());
    }

    #[test]
    fn an_unknown_target_is_told_the_known_ones() {
        let all = names(&["bencode", "wire"]);
        assert_eq!(chosen(all.clone(), None).unwrap(), all);
        assert_eq!(chosen(all.clone(), Some("wire")).unwrap(), names(&["wire"]));
        let error = chosen(all, Some("wires")).unwrap_err().to_string();
        assert_eq!(error, "there is no target wires; there are: bencode, wire");
    }

    #[test]
    fn a_failure_names_its_inputs() {
        let fuzz = tempfile::tempdir().unwrap();
        let folder = fuzz.path().join("artifacts/wire");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("crash-1"), "").unwrap();
        let text = failure(fuzz.path(), "wire");
        assert!(
            text.contains(&folder.join("crash-1").display().to_string()),
            "{text}"
        );
        assert!(text.contains("cargo fuzz run wire"), "{text}");
        assert_eq!(failure(fuzz.path(), "bencode"), "bencode failed");
    }
}

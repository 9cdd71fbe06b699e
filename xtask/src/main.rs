//! Chores of the workspace: `cargo xtask --help`.
#![forbid(unsafe_code)]

mod bench;
mod big_test;
mod crash_test;
mod files;
mod fluid;
mod fuzz;
mod interop;
mod memcheck;
mod memory;
mod processor;
mod program;
mod rate;
mod spread;
mod swarm_test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the Headwater workspace")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure transfers, checks and making torrents beside other clients
    Bench(bench::Args),
    /// Open, check and seed very large torrents within bounds on descriptors and memory
    BigTest(big_test::Args),
    /// Kill downloads at random moments, and check what their resume data claims
    CrashTest(crash_test::Args),
    /// Run the fuzz targets (needs cargo-fuzz)
    Fuzz(fuzz::Args),
    /// Transfer between headwater and other clients, and compare every byte
    Interop(interop::Arguments),
    /// Run the tests of unsafe code under valgrind
    Memcheck,
    /// Let a swarm of real sessions download over loopback and compare every byte, or simulate swarms in virtual time
    SwarmTest(swarm_test::Args),
    /// Check the rules of the house: floors, sans-IO crates, unsafe code, docs, file sizes
    Tidy,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, whatever RUST_BACKTRACE says.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Bench(args) => bench::run(&args),
        Command::BigTest(args) => big_test::run(&args),
        Command::CrashTest(args) => crash_test::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Interop(arguments) => interop::run(&arguments),
        Command::Memcheck => memcheck::run(),
        Command::SwarmTest(args) => swarm_test::run(&args),
        Command::Tidy => tidy::run(),
    }
}

/// The top folder of the workspace.
fn workspace_root() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("xtask lies in the workspace")
        .to_owned()
}

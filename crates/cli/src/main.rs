//! The `headwater` program: download, seed, check and make torrents.
//!
//! One module per verb under `verbs`; `args` is the command line, `output` what is printed and how, `exit` what the
//! program's exit codes mean, `interrupt` the signals, `transfer` what `download` and `seed` have in common.
#![forbid(unsafe_code)]

mod args;
mod exit;
mod interrupt;
mod output;
mod ranges;
mod source;
mod transfer;
mod units;
mod verbs;
mod write;

use std::process::ExitCode;

use args::Cli;
use output::Output;

fn main() -> ExitCode {
    output::report_panics_in_one_line();
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let output = Output::new(&cli.global);
    output::init_logging(&cli.global, &output);
    let outcome = verbs::run(cli.verb, &output);
    output.end(outcome)
}

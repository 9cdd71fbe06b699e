//! `headwater completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Result;
use crate::output::Output;

/// Print the completions for a shell.
///
/// For bash, for example: headwater completions bash > ~/.local/share/bash-completion/completions/headwater
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    #[expect(clippy::unnecessary_wraps, reason = "all verbs look the same")]
    pub(crate) fn run(self, output: &Output) -> Result {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "headwater", &mut script);
        output.bytes(&script);
        Ok(())
    }
}

//! `headwater man`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::args::Cli;
use crate::exit::{Failure, Result};
use crate::output::Output;
use crate::source::shown;

/// Write the manual pages.
///
/// One page for the program and one for each verb: headwater.1, headwater-download.1 and so on.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder to write to; made if it is not there
    dir: PathBuf,
}

impl Man {
    pub(crate) fn run(self, output: &Output) -> Result {
        let Self { dir } = self;
        let written =
            fs::create_dir_all(&dir).and_then(|()| clap_mangen::generate_to(Cli::command(), &dir));
        written.map_err(|error| {
            Failure::io(
                format_args!("cannot write manual pages to {}", shown(&dir)),
                &error,
            )
        })?;
        output.note(format_args!("wrote the manual pages to {}", shown(&dir)));
        Ok(())
    }
}

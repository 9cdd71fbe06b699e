//! `headwater magnet`.

use std::path::PathBuf;

use clap::Args;

use crate::exit::Result;
use crate::output::{Event, Output};
use crate::source;

/// Print the magnet link of a torrent.
#[derive(Debug, Args)]
pub(crate) struct Magnet {
    /// The .torrent file
    torrent: PathBuf,
}

impl Magnet {
    pub(crate) fn run(self, output: &Output) -> Result {
        let magnet = source::load(&self.torrent)?.magnet().to_string();
        output.line(&magnet);
        output.event(&Event::Magnet { magnet });
        Ok(())
    }
}

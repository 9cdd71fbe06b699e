//! Log lines on standard error, for those who ask for them.

use std::io::{self, Write};

use indicatif::MultiProgress;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::Output;
use crate::args::Global;

/// Overrides `-v` when set, in the form `headwater_tracker=trace,warn`.
const VARIABLE: &str = "HEADWATER_LOG";

/// Begins to log. Without `-v` there is nothing: what the user has to know is printed as a message.
pub(crate) fn init_logging(global: &Global, output: &Output) {
    let level = match global.verbose {
        0 => "off",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(level));
    // Only the first call has an effect, and there is only one.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(output.is_colored)
        .with_writer(BesideBars(output.bars.clone()))
        .try_init();
}

/// Takes the bars away for as long as a line is written.
#[derive(Debug, Clone)]
struct BesideBars(MultiProgress);

impl<'a> MakeWriter<'a> for BesideBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for BesideBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

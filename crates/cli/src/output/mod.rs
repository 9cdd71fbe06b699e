//! What is printed, where and how: results on standard output, everything else on standard error.

mod event;
mod logging;
mod progress;
mod sources;
mod text;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::ColorChoice;
use indicatif::MultiProgress;
use serde::Serialize;

pub(crate) use self::event::Event;
pub(crate) use self::logging::init_logging;
pub(crate) use self::progress::{Phase, Progress, Snapshot, with_progress};
pub(crate) use self::sources::Sources;
use self::text::one_line;
pub(crate) use self::text::{printable, report_panics_in_one_line};

use crate::args::Global;
use crate::exit::{Failure, Result};

/// Everything that is printed goes through here, so that lines and bars do not run into each other.
#[derive(Debug)]
pub(crate) struct Output {
    is_quiet: bool,
    is_json: bool,
    is_colored: bool,
    bars: MultiProgress,
    /// What kept standard output from taking something, unless its reader has simply gone.
    fault: parking_lot::Mutex<Option<io::Error>>,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            is_quiet: global.quiet,
            is_json: global.json,
            is_colored: is_colored(global.color),
            bars: MultiProgress::new(),
            fault: parking_lot::Mutex::new(None),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// A result, one line or many; with `--json`, only events are printed.
    pub(crate) fn line(&self, text: impl Display) {
        if !self.is_json {
            self.bytes(format!("{text}\n").as_bytes());
        }
    }

    /// A result for programs; printed with `--json` only.
    pub(crate) fn event(&self, event: &impl Serialize) {
        if !self.is_json {
            return;
        }
        let mut line = serde_json::to_vec(event).expect("events have plain fields");
        line.push(b'\n');
        self.bytes(&line);
    }

    /// A result that is no text.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        let written = self.bars.suspend(|| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        });
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.fault.lock().get_or_insert(error);
            }
            _ => {}
        }
    }

    /// Something the user may want to know while waiting.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.is_quiet {
            self.message(&format!("{text}\n"));
        }
    }

    /// Something that went wrong but does not end the run.
    pub(crate) fn warning(&self, text: impl Display) {
        if !self.is_quiet {
            let label = self.colored("33", "warning:");
            self.message(&format!("{label} {}\n", one_line(&text.to_string())));
        }
    }

    /// An error that does not end the run, or the one that does.
    pub(crate) fn error(&self, text: impl Display) {
        let text = one_line(&text.to_string());
        self.event(&Event::Error { message: &text });
        let label = self.colored("1;31", "error:");
        self.message(&format!("{label} {text}\n"));
    }

    /// Says what became of the run, and gives the exit code for it.
    pub(crate) fn end(&self, outcome: Result) -> ExitCode {
        let fault = self.fault.lock().take();
        let printed = fault.map_or(Ok(()), |error| {
            Err(Failure::io("cannot write to standard output", &error))
        });
        match outcome.and(printed) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                self.error(&failure.message);
                failure.code.into()
            }
        }
    }

    fn message(&self, text: &str) {
        self.bars.suspend(|| {
            // Without standard error there is nobody to be told.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        });
    }

    fn colored(&self, code: &str, text: &str) -> String {
        if self.is_colored {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Whether messages on standard error are coloured.
fn is_colored(choice: ColorChoice) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb(),
    }
}

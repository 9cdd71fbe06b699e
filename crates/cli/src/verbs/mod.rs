//! The verbs of the command line, one module each.

mod completions;
mod create;
mod dht;
mod download;
mod magnet;
mod man;
mod scrape;
mod seed;
mod show;
mod tracker;
mod verify;

use std::future::Future;

use clap::Subcommand;

use crate::exit::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::Output;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Download(download::Download),
    Seed(seed::Seed),
    Verify(verify::Verify),
    Create(create::Create),
    Show(show::Show),
    Magnet(magnet::Magnet),
    Tracker(tracker::Tracker),
    Scrape(scrape::Scrape),
    Dht(dht::Dht),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Does what was asked.
pub(crate) fn run(verb: Verb, output: &Output) -> Result {
    match verb {
        Verb::Download(verb) => with_runtime(|interrupt| verb.run(output, interrupt)),
        Verb::Seed(verb) => with_runtime(|interrupt| verb.run(output, interrupt)),
        Verb::Verify(verb) => with_runtime(|interrupt| async move { verb.run(output, &interrupt) }),
        Verb::Create(verb) => with_runtime(|interrupt| async move { verb.run(output, &interrupt) }),
        Verb::Show(verb) => verb.run(output),
        Verb::Magnet(verb) => with_runtime(|interrupt| verb.run(output, interrupt)),
        Verb::Tracker(verb) => with_runtime(|interrupt| verb.run(output, interrupt)),
        Verb::Scrape(verb) => with_runtime(|interrupt| verb.run(output, interrupt)),
        Verb::Dht(verb) => with_runtime(|interrupt| verb.run(output, interrupt)),
        Verb::Completions(verb) => verb.run(output),
        Verb::Man(verb) => verb.run(output),
    }
}

/// Runs what needs sockets, timers or signals. Work that still blocks a thread at the end, such as the
/// resolution of a name, is not waited for.
fn with_runtime<F: Future<Output = Result>>(verb: impl FnOnce(Interrupt) -> F) -> Result {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::io("cannot start the threads that do the work", &error))?;
    let outcome = runtime.block_on(async { verb(Interrupt::install()?).await });
    runtime.shutdown_background();
    outcome
}

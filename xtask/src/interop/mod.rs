//! `cargo xtask interop`: real transfers between `headwater` and clients that nobody here wrote.
//!
//! Each case starts a seed and a leech as processes of their own on loopback, joins them through a tracker or directly, waits until
//! the leech says that it is done, and compares every byte.

mod case;
pub(crate) mod clients;
mod content;
mod http;
mod items;
mod namespace;
mod plan;
pub(crate) mod ports;
pub(crate) mod process;
mod report;
#[cfg(test)]
mod tests;
mod tracker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use self::case::Case;
use self::clients::{ClientKind, Installed};
use self::plan::Plan;
use self::report::{Outcome, Report};
use self::tracker::Trackers;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only cases with this client (repeatable)
    #[arg(long, value_name = "CLIENT")]
    only: Vec<ClientKind>,
    /// Only cases in which the two find each other in a way with this in its name, such as magnet or UDP
    #[arg(long, value_name = "TEXT")]
    via: Option<String>,
    /// Fail if a client or tracker is not installed, instead of leaving out its cases
    #[arg(long)]
    require_all: bool,
    /// Print one JSON object for each case instead of a table
    #[arg(long)]
    json: bool,
    /// Let the other clients transfer among themselves, without headwater: this tests the harness
    #[arg(long)]
    foreign: bool,
    /// The headwater program to use, instead of building it
    #[arg(long, value_name = "PATH")]
    headwater: Option<PathBuf>,
    /// Cases that run at a time
    #[arg(long, value_name = "N", default_value_t = 4)]
    jobs: usize,
    /// Seconds after which a case has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Run the cases of local discovery, in the network namespace in which this is
    #[arg(long, hide = true)]
    in_namespace: bool,
    /// Keep the folder with data and logs, and say where it is
    #[arg(long)]
    keep: bool,
}

impl Arguments {
    fn wants(&self, plan: Plan) -> bool {
        let via = plan.via.to_string();
        let is_way = self.via.as_ref().is_none_or(|text| via.contains(text));
        is_way && (self.only.is_empty() || self.only.iter().any(|&client| plan.has(client)))
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("headwater-interop-")
        .disable_cleanup(arguments.keep)
        .tempdir()?;
    let installed = if arguments.foreign {
        Installed::foreign()
    } else {
        Installed::foreign().and_headwater(arguments.headwater.clone())?
    };
    let plans = if arguments.in_namespace {
        namespace::set_up()?;
        plan::local_matrix()
    } else {
        plan::matrix(arguments.foreign)
    };
    let plans = plans.into_iter();
    let plans = plans.filter(|plan| arguments.wants(*plan)).enumerate();
    let cases: Vec<_> = plans
        .map(|(number, plan)| Case::new(number, plan, folder.path()))
        .collect::<anyhow::Result<_>>()?;
    let trackers = Trackers::start(&installed, folder.path(), &cases)?;
    let mut report = run_all(&cases, &installed, &trackers, arguments);
    if !arguments.foreign && !arguments.in_namespace {
        report.extend(run_locally(&installed, arguments)?);
    }
    report.print(arguments.json);
    if arguments.keep {
        eprintln!("data and logs are in {}", folder.path().display());
    }
    report.verdict(arguments.require_all)
}

/// Runs the cases, several at a time, and tells of each as it ends.
fn run_all(
    cases: &[Case],
    installed: &Installed,
    trackers: &Trackers,
    arguments: &Arguments,
) -> Report {
    let timeout = Duration::from_secs(arguments.timeout);
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = outcome(case, installed, trackers, timeout);
                    eprintln!("{:8} {}", outcome.word(), case.plan);
                    let mut outcomes = outcomes.lock().expect("no case panics");
                    outcomes.insert(case.number, outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("no case panics");
    let cases = cases
        .iter()
        .map(|case| case.plan)
        .zip(outcomes.into_values());
    Report::new(cases.collect(), installed.missing())
}

/// Runs the cases of local discovery on a network of their own.
fn run_locally(
    installed: &Installed,
    arguments: &Arguments,
) -> anyhow::Result<Vec<(Plan, Outcome)>> {
    let plans = plan::local_matrix().into_iter();
    let plans: Vec<_> = plans.filter(|plan| arguments.wants(*plan)).collect();
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(missing) = namespace::missing() {
        let left_out = plans.into_iter();
        return Ok(left_out
            .map(|plan| (plan, Outcome::Missing(missing.clone())))
            .collect());
    }
    let headwater = installed.require(clients::Program::Headwater)?;
    let objects = namespace::run(headwater, arguments.timeout, arguments.keep)?;
    let outcome_of = |plan: &Plan| {
        let mut objects = objects.iter();
        let object = objects.find(|object| plan.is_in(object));
        object.map_or_else(
            || Outcome::Failed("it was not run".to_owned()),
            Outcome::read,
        )
    };
    Ok(plans
        .into_iter()
        .map(|plan| (plan, outcome_of(&plan)))
        .collect())
}

fn outcome(case: &Case, installed: &Installed, trackers: &Trackers, timeout: Duration) -> Outcome {
    if let Some(missing) = case.plan.missing(installed) {
        return Outcome::Missing(missing);
    }
    match case.run(installed, trackers, timeout) {
        Ok(elapsed) => Outcome::Passed(elapsed),
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

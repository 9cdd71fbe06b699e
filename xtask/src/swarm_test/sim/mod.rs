//! `cargo xtask swarm-test --sim`: swarms in virtual time, scenario by scenario.

mod options;
mod run;
mod table;
#[cfg(test)]
mod tests;

use anyhow::bail;
use headwater_sim::scenario::Scenario;

pub(crate) use options::Options;

use options::Overrides;
use run::{Judged, Run};

use super::Args;
use crate::memory::begin_again_in_huge_pages;
use crate::spread::Spread;

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    // A large swarm takes hundreds of megabytes, and goes all over them.
    begin_again_in_huge_pages();
    let overrides = Overrides::of(args)?;
    if !args.json {
        table::print_head();
    }
    let mut failures = Vec::new();
    for scenario in args.sim.scenarios() {
        let runs = rounds(args, overrides, scenario);
        if !args.json {
            table::print_row(&runs);
        }
        failures.extend(failures_of(&runs, args.max_ratio, &overrides.options()));
    }
    if !failures.is_empty() {
        bail!("not as it must be:\n{}", failures.join("\n"));
    }
    Ok(())
}

/// A scenario as often as it is asked for. With `--json`, each round is told of as soon as it is over.
fn rounds(args: &Args, overrides: Overrides, scenario: &'static Scenario) -> Vec<Run> {
    let first = overrides.apply(scenario, args.rng);
    let judged = if overrides.is_empty() && args.max_ratio.is_none() {
        Judged::Whole
    } else {
        Judged::Faults
    };
    let round = |number: u16| {
        let mut parameters = first.clone();
        parameters.rng = first.rng.wrapping_add(number.into());
        let run = Run::of(scenario, parameters, judged);
        if args.json {
            println!("{}", run.object());
        }
        run
    };
    (0..args.rounds).map(round).collect()
}

/// What was wrong, each with the options that make it happen again.
fn failures_of(runs: &[Run], max_ratio: Option<f64>, options: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for run in runs {
        let (name, rng) = (run.scenario.name, run.parameters.rng);
        for complaint in &run.complaints {
            let again = format!("--sim --scenario {name} --rng {rng}{options}");
            failures.push(format!("{name}: {complaint} (again with {again})"));
        }
    }
    let median = Spread::of(runs.iter().map(|run| run.outcome.ratio())).median;
    if let (Some(most), [first, ..]) = (max_ratio, runs)
        && median > most
    {
        let name = first.scenario.name;
        failures.push(format!(
            "{name}: the last peer was done after {median:.3} times the bound, more than {most}"
        ));
    }
    failures
}

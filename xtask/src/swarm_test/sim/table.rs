//! A row for each scenario, as it is done.

use super::run::Run;
use crate::spread::Spread;

pub(super) fn print_head() {
    println!(
        "{:<14} {:>6} {:>7} {:>8} {:>8} {:>20} {:>6} {:>6} {:>7} {:>9} {:>8} {:>7}  rng",
        "scenario",
        "peers",
        "pieces",
        "last s",
        "bound s",
        "ratio",
        "seed %",
        "copies",
        "up used",
        "wasted %",
        "KiB/peer",
        "wall s"
    );
}

/// All rounds of one scenario.
pub(super) fn print_row(runs: &[Run]) {
    let Some(first) = runs.first() else {
        return;
    };
    let median = |of: fn(&Run) -> f64| Spread::of(runs.iter().map(of)).median;
    println!(
        "{:<14} {:>6} {:>7} {:>8.1} {:>8.1} {:>20} {:>6.1} {:>6.2} {:>7.1} {:>9.2} {:>8.0} {:>7.1}  {}",
        first.scenario.name,
        first.parameters.peers,
        first.parameters.pieces,
        median(|run| run.outcome.last().as_secs_f64()),
        median(|run| run.outcome.bound().as_secs_f64()),
        ratio_of(runs),
        median(|run| run.outcome.seed_share() * 100.0),
        median(|run| run.outcome.seed_copies()),
        median(|run| run.outcome.up_used() * 100.0),
        median(|run| run.outcome.wasted_share() * 100.0),
        median(|run| run.bytes_per_peer as f64 / 1024.0),
        median(|run| run.wall.as_secs_f64()),
        numbers(runs),
    );
    print_viewers(runs);
    for run in runs {
        for complaint in &run.complaints {
            println!("  rng {}: {complaint}", run.parameters.rng);
        }
    }
}

fn ratio_of(runs: &[Run]) -> String {
    let ratios = Spread::of(runs.iter().map(|run| run.outcome.ratio()));
    match runs {
        [_] => format!("{:.3}", ratios.median),
        _ => ratios.to_string(),
    }
}

/// The random numbers of the first round and the last one.
fn numbers(runs: &[Run]) -> String {
    let rngs: Vec<u64> = runs.iter().map(|run| run.parameters.rng).collect();
    match rngs[..] {
        [first, .., last] => format!("{first}-{last}"),
        [only] => only.to_string(),
        [] => String::new(),
    }
}

fn print_viewers(runs: &[Run]) {
    let viewers: Vec<_> = runs.iter().flat_map(Run::playbacks).collect();
    if viewers.is_empty() {
        return;
    }
    let startup = Spread::of(viewers.iter().map(|it| it.startup.as_secs_f64()));
    let stalled = Spread::of(viewers.iter().map(|it| it.stalled.as_secs_f64()));
    let stalls: u32 = viewers.iter().map(|it| it.stalls).sum();
    println!(
        "  {} viewers: the film began after {startup} s; {stalls} stalls, {stalled} s each viewer",
        viewers.len()
    );
}

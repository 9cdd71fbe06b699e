use clap::Parser;
use headwater_sim::scenario;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn parse(options: &str) -> Result<Args, clap::Error> {
    let line = Line::try_parse_from(std::iter::once("swarm-test").chain(options.split(' ')))?;
    Ok(line.args)
}

fn args(options: &str) -> Args {
    parse(options).unwrap_or_else(|error| panic!("{error}"))
}

fn one_run(options: &str) -> Vec<Run> {
    let args = args(options);
    let scenarios = args.sim.scenarios();
    let [scenario] = scenarios[..] else {
        panic!("one scenario")
    };
    rounds(&args, Overrides::of(&args).unwrap(), scenario)
}

#[test]
fn a_scenario_keeps_what_nobody_overrides() {
    let args = args("--sim --peers 7 --down 3M --piece-length 32KiB");
    let overrides = Overrides::of(&args).unwrap();
    let huge = scenario::find("huge-pieces").unwrap();
    let own = huge.defaults();
    let parameters = overrides.apply(huge, Some(9));
    assert_eq!((parameters.peers, parameters.rng), (7, 9));
    assert_eq!(
        (parameters.down.0, parameters.piece_length),
        (3 << 20, 32 << 10)
    );
    assert_eq!((parameters.pieces, parameters.up), (own.pieces, own.up));
    assert_eq!(
        overrides.options(),
        " --peers 7 --piece-length 32768 --down 3145728"
    );
    assert!(Overrides::default().is_empty() && !overrides.is_empty());
}

#[test]
fn options_of_the_one_are_refused_with_the_other() {
    for wrong in [
        "--sim --max-up 2M",
        "--sim --churn",
        "--sim --size 3M",
        "--sim --tracker udp",
        "--up 2M",
        "--scenario equal",
        "--pieces 10",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    let error = parse("--sim --scenario equal,odd").map(|_| ()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("odd") && error.contains("bad-disks"),
        "{error}"
    );
    assert!(Overrides::of(&args("--sim --piece-length 0")).is_err());
    assert!(Overrides::of(&args("--sim --peers 10000 --seeds 9")).is_err());
    assert_eq!(args("--sim").sim.scenarios().len(), scenario::ALL.len());
}

#[test]
fn each_round_has_its_own_number_and_object() {
    let runs = one_run("--sim --scenario last-pieces --peers 8 --pieces 50 --rounds 2 --rng 5");
    let [first, second] = &runs[..] else {
        panic!("{} rounds", runs.len())
    };
    assert_ne!(first.outcome, second.outcome);
    let object = second.object();
    assert_eq!((&object["rng"], &object["peers"]), (&6.into(), &8.into()));
    for number in ["last_s", "bound_s", "ratio", "seed_copies", "wasted_bytes"] {
        assert!(object[number].is_number(), "{number}");
    }
    assert!(object["bytes_per_peer"].is_u64() && object["wall_ms"].is_u64());
}

#[test]
fn what_is_wrong_comes_with_what_makes_it_happen_again() {
    let options = "--sim --scenario equal --peers 4 --pieces 10 --rng 3";
    let mut runs = one_run(options);
    assert!(failures_of(&runs, None, "").is_empty());
    let [slow] = &failures_of(&runs, Some(0.5), "")[..] else {
        panic!("it is slower than possible")
    };
    assert!(slow.contains("more than 0.5"), "{slow}");
    runs[0].complaints.push("peer 2 is stuck".to_owned());
    let failures = failures_of(&runs, None, " --peers 4 --pieces 10");
    let again = "(again with --sim --scenario equal --rng 3 --peers 4 --pieces 10)";
    assert_eq!(failures, [format!("equal: peer 2 is stuck {again}")]);
}

//! Every scenario comes out as it must.
//!
//! What fails names the scenario and the number that all its choices were drawn from; `cargo xtask swarm-test --sim
//! --scenario NAME --rng N` shows more of it. Where the whole scenario would take more than a few seconds there are fewer peers and
//! pieces, and it is only asked for what holds in a swarm of any size.

use headwater_sim::scenario::{self, Parameters, Scenario};

/// Runs the scenario, and fails with all that is wrong.
fn check(name: &str, smaller: fn(&mut Parameters), judge: Judge) {
    let scenario = scenario::find(name).unwrap();
    let mut parameters = scenario.defaults();
    smaller(&mut parameters);
    let spec = scenario.spec(&parameters);
    let complaints = judge(scenario, &spec, &spec.clone().run());
    let rng = parameters.rng;
    assert!(complaints.is_empty(), "{name}, rng {rng}: {complaints:?}");
}

type Judge = fn(&Scenario, &headwater_sim::SwarmSpec, &headwater_sim::Outcome) -> Vec<String>;

fn as_it_is(_: &mut Parameters) {}

/// A third of the peers, a quarter of the pieces.
fn small(parameters: &mut Parameters) {
    parameters.peers /= 3;
    parameters.pieces /= 4;
}

/// A test for each name, in its module: with which parameters, and judged by what.
macro_rules! scenarios {
    ($($test:ident: $name:literal, $smaller:expr, $judge:expr;)*) => {
        $(#[test]
        fn $test() {
            check($name, $smaller, $judge);
        })*

        const TESTED: &[&str] = &[$($name),*];
    };
}

const WHOLE: Judge = Scenario::complaints;
const ANY_SIZE: Judge = Scenario::faults;

scenarios! {
    equal: "equal", as_it_is, WHOLE;
    fast_seed: "fast-seed", as_it_is, WHOLE;
    mixed: "mixed", as_it_is, WHOLE;
    flash_crowd: "flash-crowd", as_it_is, WHOLE;
    churn: "churn", as_it_is, WHOLE;
    seed_leaves: "seed-leaves", as_it_is, WHOLE;
    super_seeding: "super-seeding", as_it_is, WHOLE;
    rare_pieces: "rare-pieces", as_it_is, WHOLE;
    last_pieces: "last-pieces", as_it_is, WHOLE;
    free_riders: "free-riders", as_it_is, WHOLE;
    liars: "liars", as_it_is, WHOLE;
    stallers: "stallers", as_it_is, WHOLE;
    corrupt: "corrupt", as_it_is, WHOLE;
    sly: "sly", as_it_is, WHOLE;
    choke_cycles: "choke-cycles", as_it_is, WHOLE;
    cancellers: "cancellers", as_it_is, WHOLE;
    mutes: "mutes", as_it_is, WHOLE;
    nat: "nat", as_it_is, WHOLE;
    pex: "pex", as_it_is, WHOLE;
    far_away: "far-away", as_it_is, WHOLE;
    tiny_pieces: "tiny-pieces", small, ANY_SIZE;
    huge_pieces: "huge-pieces", as_it_is, WHOLE;
    partial_seeds: "partial-seeds", as_it_is, WHOLE;
    restarts: "restarts", as_it_is, WHOLE;
    streaming: "streaming", as_it_is, WHOLE;
    bad_disks: "bad-disks", as_it_is, WHOLE;
}

#[test]
fn no_scenario_is_left_out() {
    let all: Vec<_> = scenario::ALL.iter().map(|scenario| scenario.name).collect();
    assert_eq!(TESTED, all);
}

//! What a swarm does follows from its spec and nothing else.

use headwater_sim::scenario::{self, Parameters};
use headwater_sim::{Outcome, ReadingOrder};

fn run(name: &str, rng: u64) -> Outcome {
    let scenario = scenario::find(name).unwrap();
    let parameters = Parameters {
        peers: 15,
        pieces: 60,
        rng,
        ..scenario.defaults()
    };
    scenario.spec(&parameters).run()
}

#[test]
fn the_same_spec_gives_the_same_outcome() {
    for scenario in &scenario::ALL {
        let name = scenario.name;
        assert_eq!(run(name, 7), run(name, 7), "{name}");
    }
}

#[test]
fn another_number_gives_another_outcome() {
    for scenario in &scenario::ALL {
        let name = scenario.name;
        assert_ne!(run(name, 7), run(name, 8), "{name}");
    }
}

/// Startup and stalls of all viewers over a few swarms, in seconds.
fn waiting(order: ReadingOrder) -> (f64, f64) {
    let scenario = scenario::find("streaming").unwrap();
    let mut waited = (0.0, 0.0);
    for rng in 1..=4 {
        let parameters = Parameters {
            rng,
            ..scenario.defaults()
        };
        let mut spec = scenario.spec(&parameters);
        let readers = spec
            .nodes
            .iter_mut()
            .filter_map(|node| node.reader.as_mut());
        readers.for_each(|reader| reader.order = order);
        for playback in spec.run().peers.iter().filter_map(|peer| peer.playback) {
            waited.0 += playback.startup.as_secs_f64();
            waited.1 += playback.stalled.as_secs_f64();
        }
    }
    waited
}

#[test]
fn viewers_wait_least_if_it_is_known_what_they_need_when() {
    let sum = |(startup, stalled)| startup + stalled;
    let unknown = sum(waiting(ReadingOrder::Unknown));
    let sequential = sum(waiting(ReadingOrder::Sequential));
    let deadlines = sum(waiting(ReadingOrder::Deadlines));
    assert!(
        deadlines < sequential && sequential < unknown * 0.7,
        "with deadlines {deadlines:.1} s, in order {sequential:.1} s, anyhow {unknown:.1} s"
    );
}

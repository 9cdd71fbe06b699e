//! Named swarms, each with what must come of it.
//!
//! ```
//! use headwater_sim::scenario::{self, Parameters};
//!
//! let scenario = scenario::find("equal").unwrap();
//! let parameters = Parameters { peers: 10, pieces: 60, ..scenario.defaults() };
//! let spec = scenario.spec(&parameters);
//! let outcome = spec.clone().run();
//! assert!(scenario.faults(&spec, &outcome).is_empty());
//! ```

mod build;
mod checks;
mod list;

use std::time::Duration;

use crate::fluid::fluid_bound;
use crate::outcome::Outcome;
use crate::spec::SwarmSpec;
use crate::time::Rate;

pub use list::ALL;

/// What can be chosen about a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Peers that are no seeds.
    pub peers: u32,
    /// Peers that start with everything.
    pub seeds: u32,
    /// Pieces of the torrent.
    pub pieces: u32,
    /// Bytes of a piece.
    pub piece_length: u32,
    /// Uplink of an ordinary peer.
    pub up: Rate,
    /// Downlink of an ordinary peer.
    pub down: Rate,
    /// What every random choice is drawn from.
    pub rng: u64,
}

impl Default for Parameters {
    /// 100 peers and a seed, 1,000 pieces of 64 KiB, 1 MiB/s up and 8 MiB/s down.
    fn default() -> Self {
        Self {
            peers: 100,
            seeds: 1,
            pieces: 1_000,
            piece_length: 64 * 1024,
            up: Rate::kib(1_024),
            down: Rate::kib(8 * 1_024),
            rng: 1,
        }
    }
}

/// A kind of swarm.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name: lower case, words joined by hyphens.
    pub name: &'static str,
    /// What happens in it, in one line.
    pub about: &'static str,
    /// What differs from [`Parameters::default`].
    adapt: fn(&mut Parameters),
    build: fn(&Parameters) -> SwarmSpec,
    /// The completion time of the last peer must be below this many times the fluid bound.
    most: f64,
    /// What else must be as good as it is in a swarm of the default size.
    fares: fn(&SwarmSpec, &Outcome) -> Vec<String>,
    /// What must hold in a swarm of any size.
    check: fn(&SwarmSpec, &Outcome) -> Vec<String>,
}

impl Scenario {
    /// The parameters that it is meant for.
    pub fn defaults(&self) -> Parameters {
        let mut parameters = Parameters::default();
        (self.adapt)(&mut parameters);
        parameters
    }

    /// The swarm.
    pub fn spec(&self, parameters: &Parameters) -> SwarmSpec {
        let mut spec = (self.build)(parameters);
        spec.limit = fluid_bound(&spec) * 20 + Duration::from_mins(30);
        spec
    }

    /// The highest ratio of the last peer's time to the fluid bound that is tolerated.
    pub const fn highest_ratio(&self) -> f64 {
        self.most
    }

    /// What is wrong with how it went; nothing, if all is well. How long it may take holds for the
    /// [defaults](Self::defaults) with any [`rng`](Parameters::rng), and for swarms that are much like them.
    pub fn complaints(&self, spec: &SwarmSpec, outcome: &Outcome) -> Vec<String> {
        let mut complaints = self.faults(spec, outcome);
        complaints.extend(checks::ratio_at_most(outcome, self.most));
        complaints.extend((self.fares)(spec, outcome));
        complaints
    }

    /// What must not be whatever the parameters: peers that are stuck, or innocents that are banned. How fast it went
    /// does not matter.
    pub fn faults(&self, spec: &SwarmSpec, outcome: &Outcome) -> Vec<String> {
        let mut faults = checks::nobody_stuck(outcome);
        faults.extend((self.check)(spec, outcome));
        faults
    }
}

/// The scenario of that name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

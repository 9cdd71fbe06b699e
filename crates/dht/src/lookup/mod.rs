//! Iterative lookups (BEP 5): from node to node towards a target, in both families at once (BEP 32).

mod candidate;
mod goal;
mod items;
mod run;
mod scrape;
#[cfg(test)]
mod tests;
mod walk;

use std::time::Instant;

use crate::family::{Family, PerFamily};
pub use goal::Announce;
pub(crate) use goal::Goal;
pub(crate) use items::{Fetch, Put};
pub(crate) use run::{Errand, Part, Run};
pub use scrape::SwarmSize;
pub(crate) use walk::{Answer, Walk, WalkLimits};

/// Names one thing that a [`Dht`](crate::Dht) was told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LookupId(pub(crate) u64);

/// What a lookup took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LookupStats {
    /// Queries sent, over both families, those that store something included.
    pub queries: u32,
    /// Queries that were answered.
    pub answers: u32,
    /// Queries that were not.
    pub timeouts: u32,
    /// Answers that led one after the other to the nearest node; that of the family where it took more.
    pub hops: u32,
    /// Nodes that took what was to be stored.
    pub stored: u32,
    /// From the beginning to the end.
    pub elapsed: std::time::Duration,
}

/// A lookup under way.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) goal: Goal,
    pub(crate) runs: PerFamily<Option<Run>>,
    pub(crate) began: Instant,
    /// Its own upkeep, of which nobody is told.
    pub(crate) internal: Option<Family>,
}

impl Lookup {
    /// Whether nothing more will come.
    pub(crate) fn is_finished(&self) -> bool {
        self.goal.is_over() || self.runs().all(Run::is_finished)
    }

    /// What is told at the end.
    pub(crate) fn last_words(&self, lookup: LookupId) -> Option<crate::Event> {
        match &self.goal {
            Goal::Nodes(_) => {
                let nodes = self.runs().flat_map(|run| run.walk.found()).collect();
                Some(crate::Event::Nodes { lookup, nodes })
            }
            Goal::Scrape(_, sum) => {
                let size = sum.size();
                Some(crate::Event::Scraped { lookup, size })
            }
            _ => None,
        }
    }

    fn runs(&self) -> impl Iterator<Item = &Run> {
        let runs = Family::ALL.iter();
        runs.filter_map(|&family| self.runs[family].as_ref())
    }

    pub(crate) fn stats(&self, now: Instant) -> LookupStats {
        let mut stats = LookupStats {
            elapsed: now.duration_since(self.began),
            ..LookupStats::default()
        };
        for run in self.runs() {
            let took = run.stats();
            stats.queries += took.queries;
            stats.answers += took.answers;
            stats.timeouts += took.timeouts;
            stats.hops = stats.hops.max(run.walk.hops());
            stats.stored += run.stored;
        }
        stats
    }
}

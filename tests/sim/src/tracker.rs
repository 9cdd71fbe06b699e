//! How peers hear of each other.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

/// What the tracker is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerSpec {
    /// Time between two announces of a peer.
    pub interval: Duration,
    /// The same as long as a peer has few others.
    pub retry: Duration,
    /// Addresses at most in an answer.
    pub numwant: usize,
}

impl Default for TrackerSpec {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(2),
            retry: Duration::from_secs(15),
            numwant: 50,
        }
    }
}

/// Knows who is there.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) spec: TrackerSpec,
    members: Vec<u32>,
}

impl Tracker {
    pub(crate) fn new(spec: TrackerSpec) -> Self {
        Self {
            spec,
            members: Vec::new(),
        }
    }

    pub(crate) fn remove(&mut self, node: u32) {
        self.members.retain(|&member| member != node);
    }

    /// Notes that a peer is there and names others, picked at random.
    pub(crate) fn announce(&mut self, node: u32, rng: &mut Xoshiro256PlusPlus) -> Vec<u32> {
        if !self.members.contains(&node) {
            self.members.push(node);
        }
        let mut others = self.members.clone();
        others.retain(|&other| other != node);
        let count = self.spec.numwant.min(others.len());
        for at in 0..count {
            let other = rng.random_range(at..others.len());
            others.swap(at, other);
        }
        others.truncate(count);
        others
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn it_names_others_that_are_there_each_once() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut tracker = Tracker::new(TrackerSpec {
            numwant: 3,
            ..TrackerSpec::default()
        });
        for node in 0..5 {
            let named = tracker.announce(node, &mut rng);
            let different: BTreeSet<_> = named.iter().copied().collect();
            assert_eq!(named.len(), (node as usize).min(3));
            assert_eq!(different.len(), named.len());
            assert!(different.iter().all(|&other| other < node));
        }
        tracker.remove(4);
        (0..20).for_each(|_| assert!(!tracker.announce(0, &mut rng).contains(&4)));
    }
}

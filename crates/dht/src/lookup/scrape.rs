//! Counting the peers of a torrent over all nodes that know some (BEP 33).

use crate::krpc::{Response, Scrape};

/// What can be counted with a filter; one that has more says nothing.
const MAX_COUNT: f64 = 6_000.0;

/// How many there are in a swarm, about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SwarmSize {
    /// Peers that have all of it.
    pub seeds: u32,
    /// Peers that do not.
    pub peers: u32,
}

/// The union of what the nodes said.
#[derive(Debug, Default)]
pub(crate) struct ScrapeSum {
    sum: Scrape,
}

impl ScrapeSum {
    pub(crate) fn add(&mut self, response: &Response) {
        match &response.scrape {
            Some(scrape) => {
                let usable = [&scrape.seeds, &scrape.peers];
                if usable.iter().all(|filter| filter.estimate() <= MAX_COUNT) {
                    self.sum.seeds |= &scrape.seeds;
                    self.sum.peers |= &scrape.peers;
                }
            }
            None => self.add_values(response),
        }
    }

    pub(crate) fn size(&self) -> SwarmSize {
        SwarmSize {
            seeds: self.sum.seeds.estimate().round() as u32,
            peers: self.sum.peers.estimate().round() as u32,
        }
    }

    /// What older nodes know: they don't tell seeds from others.
    fn add_values(&mut self, response: &Response) {
        for peer in &response.values {
            if !self.sum.seeds.contains(peer.ip()) {
                self.sum.peers.insert(peer.ip());
            }
        }
    }
}

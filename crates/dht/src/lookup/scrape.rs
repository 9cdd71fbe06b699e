//! Counting the peers of a torrent over all nodes that know some (BEP 33).

use crate::krpc::{Response, Scrape};

/// The union of what the nodes said.
#[derive(Debug, Default)]
pub(crate) struct ScrapeSum {
    sum: Scrape,
}

impl ScrapeSum {
    pub(crate) fn add(&mut self, _response: &Response) {}
}

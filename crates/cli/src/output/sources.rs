//! How the peers of a transfer were found.

use headwater_session::PeerSource;
use serde::{Serialize, Serializer};

/// Peers by where their addresses came from. As JSON an object with a count for each way that found any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sources([u32; PeerSource::ALL.len()]);

impl Sources {
    fn counts(self) -> impl Iterator<Item = (PeerSource, u32)> {
        PeerSource::ALL.into_iter().zip(self.0)
    }
}

impl Extend<PeerSource> for Sources {
    fn extend<I: IntoIterator<Item = PeerSource>>(&mut self, found: I) {
        for source in found {
            let mut slots = PeerSource::ALL.into_iter().zip(&mut self.0);
            if let Some((_, count)) = slots.find(|(each, _)| *each == source) {
                *count += 1;
            }
        }
    }
}

impl Serialize for Sources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let found = self.counts().filter(|(_, count)| *count > 0);
        serializer.collect_map(found.map(|(source, count)| (source.name(), count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ways_that_found_somebody_are_shown() {
        let mut sources = Sources::default();
        sources.extend([
            PeerSource::Exchange,
            PeerSource::Tracker,
            PeerSource::Exchange,
        ]);
        let json = serde_json::to_string(&sources).unwrap();
        assert_eq!(json, r#"{"tracker":1,"pex":2}"#);
    }
}

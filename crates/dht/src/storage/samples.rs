//! Samples of the info-hashes that are stored (BEP 51).

use std::time::{Duration, Instant};

use headwater_metainfo::InfoHash;

use super::PeerStore;
use crate::krpc::Samples;

/// Info-hashes in a sample.
pub const MAX_SAMPLE: usize = 20;

/// How samples are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleOptions {
    /// Info-hashes in a sample, at most [`MAX_SAMPLE`], which is the default.
    pub most: usize,
    /// How long the same sample is given out, at most 6 hours, which is the default.
    pub interval: Duration,
}

const LONGEST: Duration = Duration::from_hours(6);

impl Default for SampleOptions {
    fn default() -> Self {
        Self {
            most: MAX_SAMPLE,
            interval: LONGEST,
        }
    }
}

/// Gives everybody the same random sample, until it is time for another.
#[derive(Debug)]
pub struct Sampler {
    options: SampleOptions,
    taken: Option<Instant>,
    hashes: Vec<InfoHash>,
}

impl Sampler {
    /// One that has taken no sample.
    pub fn new(options: SampleOptions) -> Self {
        Self {
            options,
            taken: None,
            hashes: Vec::new(),
        }
    }

    /// The answer to a query. It says how many seconds it will be until another sample is taken; as long as there is room in
    /// the sample, it is taken anew for each query.
    pub fn sample(&mut self, now: Instant, store: &mut PeerStore) -> Samples {
        let interval = self.options.interval.min(LONGEST);
        let most = self.options.most.min(MAX_SAMPLE);
        let age = self.taken.map(|taken| now.saturating_duration_since(taken));
        let is_good = self.hashes.len() >= most && age.is_some_and(|age| age < interval);
        if !is_good {
            store.expire(now);
            self.hashes.clear();
            store.some_hashes(most, &mut self.hashes);
            self.taken = Some(now);
        }
        let left = interval.saturating_sub(age.filter(|_| is_good).unwrap_or_default());
        Samples {
            hashes: self.hashes.clone(),
            total: store.torrents() as u64,
            interval: left.as_secs() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::super::PeerLimits;
    use super::*;

    fn announce(store: &mut PeerStore, now: Instant, torrent: u8) {
        let peer = "192.0.2.1:6881".parse().unwrap();
        store.announce(now, InfoHash([torrent; 20]), peer, false);
    }

    fn store(now: Instant) -> PeerStore {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        PeerStore::new(PeerLimits::default(), now, &mut rng)
    }

    #[test]
    fn a_full_sample_stays_until_its_time_is_over() {
        let start = Instant::now();
        let mut store = store(start);
        (0..100).for_each(|torrent| announce(&mut store, start, torrent));
        let mut sampler = Sampler::new(SampleOptions {
            interval: Duration::from_mins(1),
            ..SampleOptions::default()
        });
        let first = sampler.sample(start, &mut store);
        assert_eq!(
            (first.hashes.len(), first.total, first.interval),
            (20, 100, 60)
        );
        let again = sampler.sample(start + Duration::from_secs(59), &mut store);
        assert_eq!((&again.hashes, again.interval), (&first.hashes, 1));
        let next = sampler.sample(start + Duration::from_mins(1), &mut store);
        assert_ne!(next.hashes, first.hashes);
        assert_eq!(next.interval, 60);
    }

    #[test]
    fn a_sample_with_room_takes_in_what_is_new() {
        let start = Instant::now();
        let mut store = store(start);
        let mut sampler = Sampler::new(SampleOptions::default());
        assert_eq!(sampler.sample(start, &mut store).hashes, []);
        announce(&mut store, start, 1);
        let sample = sampler.sample(start, &mut store);
        assert_eq!(sample.hashes, [InfoHash([1; 20])]);
        assert_eq!((sample.total, sample.interval), (1, 21_600));
    }

    #[test]
    fn nobody_samples_what_is_over() {
        let start = Instant::now();
        let mut store = store(start);
        announce(&mut store, start, 1);
        let mut sampler = Sampler::new(SampleOptions::default());
        let later = start + super::super::PEER_TIME;
        assert_eq!(sampler.sample(later, &mut store).total, 0);
    }
}

//! Hashing with a secret, so that nobody can choose what collides.

use std::hash::{BuildHasher, Hash};

use rand::{Rng, RngExt};
use siphasher::sip::SipHasher13;

/// A secret, drawn once.
#[derive(Debug, Clone)]
pub(crate) struct Keyed(u64, u64);

impl Keyed {
    pub(crate) fn new(rng: &mut impl Rng) -> Self {
        Self(rng.random(), rng.random())
    }

    pub(crate) fn hash(&self, what: impl Hash) -> u64 {
        self.hash_one(what)
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

//! Fetching: which size to believe, and whom to ask for all of it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Attempt;
use crate::PeerKey;
use crate::picker::Contributor;

/// A copy of which nothing has come for so long is given up for another one.
const STALL: Duration = Duration::from_secs(15);
/// The same for one that is to come from one peer alone, while others wait.
const SOLE_STALL: Duration = Duration::from_secs(8);
/// Sizes of which it is remembered that they came to nothing.
const MAX_FAILED: usize = 64;

/// A peer that may be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) key: PeerKey,
    /// The size that it tells.
    pub(crate) size: u32,
    /// How often it was asked in vain.
    pub(crate) vain: u32,
}

/// The state of fetching the metadata.
///
/// At first pieces come from everybody who tells the size that most tell. If the whole is not what was wanted, nobody knows who
/// spoilt it: from then on each copy comes from one peer alone, who answers for it, and when a good one has come, it shows whose
/// pieces were bad in the first.
#[derive(Debug, Default)]
pub(crate) struct Fetch {
    attempt: Option<Attempt>,
    /// A complete copy is being hashed.
    is_checking: bool,
    /// The copy of several peers that failed.
    mixed: Option<Attempt>,
    /// How often each size came to nothing.
    failed: BTreeMap<u32, u32>,
}

impl Fetch {
    /// The copy that is being fetched, or hashed.
    pub(crate) fn attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref()
    }

    pub(crate) fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        self.attempt.as_mut()
    }

    pub(crate) fn is_checking(&self) -> bool {
        self.is_checking
    }

    /// Begins another copy if the present one leads nowhere; whether it has, so that all that was asked is void.
    pub(crate) fn reconsider(&mut self, now: Instant, candidates: &[Candidate]) -> bool {
        if self.is_checking || !self.is_hopeless(now, candidates) {
            return false;
        }
        self.drop_attempt();
        self.attempt = self.choose(now, candidates);
        true
    }

    fn is_hopeless(&self, now: Instant, candidates: &[Candidate]) -> bool {
        let Some(attempt) = &self.attempt else {
            return !candidates.is_empty();
        };
        let votes = |size| count(candidates, size);
        let patience = if attempt.sole.is_some() {
            SOLE_STALL
        } else {
            STALL
        };
        let stalled = now.saturating_duration_since(attempt.progressed) >= patience;
        let mut others = candidates.iter().filter(|other| match attempt.sole {
            Some(sole) => other.key != sole,
            None => other.size != attempt.size,
        });
        match attempt.sole {
            _ if stalled => others.next().is_some(),
            Some(sole) => candidates.iter().all(|one| one.key != sole) && others.next().is_some(),
            None => others.any(|other| {
                let failed = self.failures(other.size) > self.failures(attempt.size);
                !failed && votes(other.size) > votes(attempt.size)
            }),
        }
    }

    /// Gives up the present copy if it was to come from `peer` alone; whether it was.
    pub(crate) fn leave(&mut self, peer: PeerKey) -> bool {
        let sole = self.attempt.as_ref().and_then(|attempt| attempt.sole);
        let leaves = sole == Some(peer) && !self.is_checking;
        if leaves {
            self.attempt = None;
        }
        leaves
    }

    /// Gives up the present copy, as one that came to nothing.
    fn drop_attempt(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.note_failure(attempt.size);
        }
    }

    fn note_failure(&mut self, size: u32) {
        if self.failed.len() < MAX_FAILED || self.failed.contains_key(&size) {
            *self.failed.entry(size).or_default() += 1;
        }
    }

    fn failures(&self, size: u32) -> u32 {
        self.failed.get(&size).copied().unwrap_or(0)
    }

    /// The next copy: of the size that most tell, of those that came to nothing least often; or from one peer alone, where each gets
    /// its turn, be they many who say nothing.
    fn choose(&self, now: Instant, candidates: &[Candidate]) -> Option<Attempt> {
        let votes = |size| Reverse(count(candidates, size));
        let by_size = |one: &&Candidate| (self.failures(one.size), votes(one.size), one.size);
        let Some(mixed) = &self.mixed else {
            let best = candidates.iter().min_by_key(by_size)?;
            return Some(Attempt::new(now, best.size, None));
        };
        let suspects = mixed.contributors();
        let is_suspect = |key: PeerKey| suspects.iter().any(|suspect| suspect.key == key);
        let best = candidates
            .iter()
            .min_by_key(|one| (one.vain, is_suspect(one.key), by_size(one), one.key))?;
        Some(Attempt::new(now, best.size, Some(best.key)))
    }

    /// The complete copy, to be hashed.
    pub(crate) fn take_complete(&mut self) -> Option<Bytes> {
        let attempt = self.attempt.as_ref()?;
        let is_new = attempt.is_complete() && !self.is_checking;
        self.is_checking |= is_new;
        is_new.then(|| attempt.assemble())
    }

    /// The copy that was hashed is not what is wanted. Gives the peer that sent it, if it was one alone.
    pub(crate) fn copy_failed(&mut self) -> Option<Contributor> {
        if !std::mem::take(&mut self.is_checking) {
            return None;
        }
        let attempt = self.attempt.take()?;
        self.note_failure(attempt.size);
        if let [only] = attempt.contributors()[..] {
            return Some(only);
        }
        self.mixed = Some(attempt);
        None
    }

    /// Those who had part in the copy that failed, and sent something else than the `good` metadata has there.
    pub(crate) fn judge(&self, good: &Bytes) -> Vec<Contributor> {
        let mixed = self.mixed.as_ref();
        mixed.map_or_else(Vec::new, |mixed| mixed.liars(good))
    }
}

fn count(candidates: &[Candidate], size: u32) -> usize {
    candidates.iter().filter(|one| one.size == size).count()
}

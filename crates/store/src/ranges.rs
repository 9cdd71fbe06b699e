//! A set of positions, kept as ranges.

use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint, non-adjacent ranges of positions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RangeSet(BTreeMap<u64, u64>);

impl RangeSet {
    /// Adds `range`, joining it with its neighbours.
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        let Range { mut start, mut end } = range;
        if start >= end {
            return;
        }
        while let Some((from, to)) = self.last_starting_at_or_before(end) {
            if to < start {
                break;
            }
            self.0.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.0.insert(start, end);
    }

    /// Takes `range` out, splitting what covers it.
    pub(crate) fn remove(&mut self, range: Range<u64>) {
        while range.start < range.end
            && let Some((from, to)) = self.last_starting_at_or_before(range.end - 1)
            && to > range.start
        {
            self.0.remove(&from);
            if from < range.start {
                self.0.insert(from, range.start);
            }
            if to > range.end {
                self.0.insert(range.end, to);
            }
        }
    }

    /// Whether every position of `range` is in the set.
    pub(crate) fn covers(&self, range: Range<u64>) -> bool {
        range.is_empty()
            || self
                .last_starting_at_or_before(range.start)
                .is_some_and(|(_, to)| to >= range.end)
    }

    /// What of `range` is in the set, in order.
    pub(crate) fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self
            .last_starting_at_or_before(range.start)
            .map_or(range.start, |(from, _)| from);
        self.0
            .range(first..range.end.max(first))
            .map(move |(&from, &to)| from.max(range.start)..to.min(range.end))
            .filter(|part| part.start < part.end)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Range<u64>> + '_ {
        self.0.iter().map(|(&from, &to)| from..to)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn last_starting_at_or_before(&self, position: u64) -> Option<(u64, u64)> {
        let (&from, &to) = self.0.range(..=position).next_back()?;
        Some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_row_of_flags(operations in prop::collection::vec((any::<bool>(), 0u64..64, 0u64..20), 0..60),
                                      from in 0u64..64, length in 0u64..30) {
            let mut ranges = RangeSet::default();
            let mut flags = [false; 100];
            for (insert, start, length) in operations {
                let range = start..start + length;
                flags[start as usize..range.end as usize].fill(insert);
                if insert { ranges.insert(range) } else { ranges.remove(range) }
            }
            let expected: Vec<u64> = (0..100).filter(|&at| flags[at as usize]).collect();
            prop_assert_eq!(ranges.iter().flatten().collect::<Vec<_>>(), expected);
            let all: Vec<_> = ranges.iter().collect();
            prop_assert!(all.windows(2).all(|pair| pair[0].end < pair[1].start));
            let asked = from..from + length;
            prop_assert_eq!(ranges.covers(asked.clone()), asked.clone().all(|at| flags[at as usize]));
            prop_assert!(ranges.within(asked.clone()).flatten().eq(asked.filter(|&at| flags[at as usize])));
        }
    }
}

//! Lists of numbers and ranges: `1,3-5,8-`.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// Numbers in the order in which the user gave them; `8-` goes to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<RangeInclusive<u32>>);

impl Ranges {
    /// Every number once and in ascending order, all of which have to lie within `valid`. The error is the first that
    /// does not.
    pub(crate) fn numbers(&self, valid: RangeInclusive<u32>) -> Result<Vec<u32>, u32> {
        let mut numbers = Vec::new();
        for range in &self.0 {
            let (first, mut last) = (*range.start(), *range.end());
            if last == u32::MAX {
                last = *valid.end();
            }
            let outside = [first, last].into_iter().find(|n| !valid.contains(n));
            if let Some(outside) = outside {
                return Err(outside);
            }
            numbers.extend(first..=last);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }
}

impl FromStr for Ranges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ranges = text.split(',').map(parse_range).collect::<Option<Vec<_>>>();
        ranges
            .map(Self)
            .ok_or_else(|| "not a list of numbers and ranges; write for example 1,3-5".to_owned())
    }
}

/// Ascending numbers with their runs joined: `1, 3-5`.
pub(crate) fn shortened(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b));
    let texts = runs.map(|run| match run {
        [only] => only.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn parse_range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = match text.trim().split_once('-') {
        None => (text.trim().parse().ok()?, text.trim().parse().ok()?),
        Some((first, "")) => (first.trim().parse().ok()?, u32::MAX),
        Some((first, last)) => (first.trim().parse().ok()?, last.trim().parse().ok()?),
    };
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Result<Vec<u32>, u32> {
        text.parse::<Ranges>().unwrap().numbers(1..=10)
    }

    #[test]
    fn numbers_and_ranges_are_joined() {
        assert_eq!(numbers("1,3-5"), Ok(vec![1, 3, 4, 5]));
        assert_eq!(numbers("5,1-2, 2"), Ok(vec![1, 2, 5]));
        assert_eq!(numbers("8-"), Ok(vec![8, 9, 10]));
    }

    #[test]
    fn runs_are_shortened() {
        assert_eq!(shortened(&[1, 3, 4, 5, 9]), "1, 3-5, 9");
        assert_eq!(shortened(&[]), "");
        assert_eq!(shortened(&[u32::MAX]), "4294967295");
    }

    #[test]
    fn what_lies_outside_is_named() {
        assert_eq!(numbers("0-3"), Err(0));
        assert_eq!(numbers("9-4000000000"), Err(4_000_000_000));
        assert_eq!(numbers("11-"), Err(11));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", ",", "a", "3-1", "1--2", "-3", "1,,2", "99999999999"] {
            assert!(text.parse::<Ranges>().is_err(), "{text}");
        }
    }
}

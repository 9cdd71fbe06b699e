//! What several rounds gave.

use std::fmt;

use serde_json::json;

/// Median, least and most of several rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// All zero if there are no values.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        Self {
            median: at(values.len() / 2),
            least: at(0),
            most: at(values.len().saturating_sub(1)),
        }
    }

    pub(crate) fn json(self) -> serde_json::Value {
        json!({ "median": self.median, "min": self.least, "max": self.most })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ({:.3}-{:.3})", self.median, self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_what_counts() {
        let spread = Spread::of([1.0, 9.0, 2.0].into_iter());
        assert_eq!(spread.to_string(), "2.000 (1.000-9.000)");
        assert_eq!(
            Spread::of(std::iter::empty()).to_string(),
            "0.000 (0.000-0.000)"
        );
    }
}

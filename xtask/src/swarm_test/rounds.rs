//! What several rounds say of the swarm as a whole.

use anyhow::bail;
use serde_json::json;

use super::report::Report;
use crate::fluid;
use crate::spread::Spread;

/// The rounds so far that ended well.
#[derive(Default)]
pub(super) struct Rounds(Vec<Round>);

/// One of them.
struct Round {
    last_s: f64,
    /// None without limits.
    bound_s: Option<f64>,
    seed_copies: f64,
    wasted: u64,
}

impl Rounds {
    pub(super) fn add(&mut self, report: &Report) {
        self.0.push(Round {
            last_s: report.elapsed.as_secs_f64(),
            bound_s: report.swarm.bound(),
            seed_copies: report.seed_copies(),
            wasted: report.wasted(),
        });
    }

    /// An error if the median is more than `most` times the bound.
    pub(super) fn verdict(&self, most: Option<f64>) -> anyhow::Result<()> {
        match (self.ratio(1.0), most) {
            (Some(ratio), Some(most)) if ratio.median > most => bail!(
                "the last peer was done after {:.3} times the bound, more than {most}",
                ratio.median
            ),
            _ => Ok(()),
        }
    }

    /// Says nothing of a single round without limits: that has been said.
    pub(super) fn print(&self, json: bool) {
        if json {
            println!("{}", self.object());
        } else if self.0.len() > 1 || self.ratio(1.0).is_some() {
            self.lines().iter().for_each(|line| println!("{line}"));
        }
    }

    /// The time of the last peer, `factor` times as long, as a multiple of the bound.
    fn ratio(&self, factor: f64) -> Option<Spread> {
        let ratio = |round: &Round| Some(factor * round.last_s / round.bound_s?);
        let ratios: Vec<f64> = self.0.iter().filter_map(ratio).collect();
        (!ratios.is_empty()).then(|| Spread::of(ratios.into_iter()))
    }

    fn spread(&self, of: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.0.iter().map(of))
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "rounds {}; last peer {} s; seeds sent {} copies; wasted {} MiB",
            self.0.len(),
            self.spread(|round| round.last_s),
            self.spread(|round| round.seed_copies),
            self.spread(|round| round.wasted as f64 / f64::from(1 << 20)),
        )];
        if let (Some(ratio), Some(with_headers)) =
            (self.ratio(1.0), self.ratio(fluid::headers_factor()))
        {
            let bound = self.spread(|round| round.bound_s.unwrap_or_default());
            lines.push(format!(
                "last peer / bound of {:.3} s: {ratio} with limits on the stream of bytes; about {with_headers} if the headers of \
                 packets counted in them",
                bound.median
            ));
        }
        lines
    }

    fn object(&self) -> serde_json::Value {
        json!({
            "rounds": self.0.len(),
            "last_s": self.spread(|round| round.last_s).json(),
            "bound_s": self.0.first().and_then(|round| round.bound_s),
            "ratio": self.ratio(1.0).map(Spread::json),
            "ratio_with_headers": self.ratio(fluid::headers_factor()).map(Spread::json),
            "seed_copies": self.spread(|round| round.seed_copies).json(),
            "wasted_bytes": self.spread(|round| round.wasted as f64).json(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(bound_s: Option<f64>) -> Rounds {
        let round = |last_s| Round {
            last_s,
            bound_s,
            seed_copies: 1.5,
            wasted: 1 << 20,
        };
        Rounds([30.0, 60.0, 36.0].map(round).into())
    }

    #[test]
    fn the_median_decides() {
        let rounds = rounds(Some(30.0));
        assert!(rounds.verdict(None).is_ok());
        assert!(rounds.verdict(Some(1.2)).is_ok());
        let error = rounds.verdict(Some(1.1)).unwrap_err().to_string();
        assert!(error.contains("1.200 times"), "{error}");
    }

    #[test]
    fn the_ratio_is_told_both_ways() {
        let [first, second] = rounds(Some(30.0)).lines().try_into().unwrap();
        assert!(first.contains("1.500 (1.500-1.500) copies"), "{first}");
        assert!(first.contains("wasted 1.000"), "{first}");
        assert!(
            second.contains("30.000 s: 1.200 (1.000-2.000) with"),
            "{second}"
        );
        assert!(second.contains("about 1.233 (1.027-2.055) if"), "{second}");
        let object = rounds(Some(30.0)).object();
        assert_eq!(object["ratio"]["median"], 1.2);
        assert_eq!(object["bound_s"], 30.0);
    }

    #[test]
    fn without_limits_there_is_no_ratio() {
        let rounds = rounds(None);
        assert!(rounds.verdict(Some(0.1)).is_ok());
        assert_eq!(rounds.lines().len(), 1);
        assert!(rounds.object()["ratio"].is_null());
    }
}

//! What was measured, as a table or as JSON.

use super::usage::Usage;
use crate::fluid;
use crate::spread::Spread;

/// The name of ourselves; all others are rivals.
pub(super) const OURS: &str = "headwater";

/// One client at one job.
pub(super) struct Row {
    job: &'static str,
    client: &'static str,
    mib: u64,
    rounds: Vec<Usage>,
    swarm: Option<Swarm>,
}

/// What else there is to say of a swarm.
pub(super) struct Swarm {
    /// The fluid bound, in seconds.
    bound: f64,
    /// How often the seed sent everything, in each round.
    copies: Vec<f64>,
}

impl Row {
    pub(super) const fn new(job: &'static str, client: &'static str, mib: u64) -> Self {
        Self {
            job,
            client,
            mib,
            rounds: Vec::new(),
            swarm: None,
        }
    }

    /// The same for a swarm that can't be done before `bound` seconds have passed.
    pub(super) fn with_bound(mut self, bound: f64) -> Self {
        let copies = Vec::new();
        self.swarm = Some(Swarm { bound, copies });
        self
    }

    /// Adds a round of a swarm in which the seed sent everything so many times.
    pub(super) fn add_swarm(&mut self, usage: Usage, copies: f64) {
        self.add(usage);
        if let Some(swarm) = &mut self.swarm {
            swarm.copies.push(copies);
        }
    }

    pub(super) fn add(&mut self, usage: Usage) {
        self.rounds.push(usage);
    }

    /// Processor seconds per GiB.
    fn processor(&self) -> Spread {
        let gib = self.mib as f64 / 1024.0;
        Spread::of(
            self.rounds
                .iter()
                .map(|usage| usage.processor.as_secs_f64() / gib),
        )
    }

    fn wall(&self) -> Spread {
        self.scaled_wall(1.0)
    }

    fn scaled_wall(&self, factor: f64) -> Spread {
        let walls = self.rounds.iter().map(|usage| usage.wall.as_secs_f64());
        Spread::of(walls.map(|wall| factor * wall))
    }
}

impl Swarm {
    /// The time of the last leech as a multiple of the bound, if the limits count headers of packets and if they do not.
    fn ratios(&self, row: &Row) -> [Spread; 2] {
        [1.0, fluid::headers_factor()].map(|headers| row.scaled_wall(1.0 / (headers * self.bound)))
    }

    fn copies(&self) -> Spread {
        Spread::of(self.copies.iter().copied())
    }

    fn line(&self, row: &Row) -> String {
        let [with_headers, without] = self.ratios(row);
        format!(
            "{}: seed {}: last leech / bound of {:.3} s {with_headers}, {without} if headers of packets are left out of the limits; \
             copies sent {}",
            row.job,
            row.client,
            self.bound,
            self.copies()
        )
    }

    fn object(&self, row: &Row) -> serde_json::Value {
        let [with_headers, without] = self.ratios(row).map(Spread::json);
        serde_json::json!({
            "bound_s": self.bound,
            "ratio_with_headers": with_headers,
            "ratio": without,
            "seed_copies": self.copies().json(),
        })
    }
}

/// A column of the table.
type Column = fn(&Row) -> Spread;

/// The best of the others at the job of `row`, if there is another.
fn best_rival<'a>(rows: &'a [Row], row: &Row, column: Column) -> Option<&'a Row> {
    let rivals = rows
        .iter()
        .filter(|other| other.job == row.job && other.client != OURS);
    rivals.min_by(|a, b| column(a).median.total_cmp(&column(b).median))
}

/// How many times as much `row` takes as the best rival.
fn ratio(rows: &[Row], row: &Row, column: Column) -> Option<f64> {
    let rival = best_rival(rows, row, column)?;
    Some(column(row).median / column(rival).median)
}

/// As a table with a line for each job, or as an object for each row. Ratios are to the best rival at the same job in the same run.
pub(super) fn print(rows: &[Row], json: bool) {
    if json {
        for row in rows {
            println!("{}", object(rows, row));
        }
        return;
    }
    println!(
        "{:9} {:22} {:>6} {:>24} {:>24} {:>7} {:>7}",
        "job", "client", "MiB", "processor s/GiB", "seconds", "proc.", "time"
    );
    for row in rows {
        let shown =
            |column| ratio(rows, row, column).map_or(String::new(), |it| format!("{it:.2}"));
        println!(
            "{:9} {:22} {:>6} {:>24} {:>24} {:>7} {:>7}",
            row.job,
            row.client,
            row.mib,
            row.processor().to_string(),
            row.wall().to_string(),
            shown(Row::processor),
            shown(Row::wall),
        );
    }
    println!();
    for row in rows {
        row.swarm
            .iter()
            .for_each(|swarm| println!("{}", swarm.line(row)));
    }
    let ours = rows.iter().filter(|row| row.client == OURS);
    ours.filter_map(|row| verdict(rows, row))
        .for_each(|line| println!("{line}"));
}

/// What we take beside the best of the others in each column.
fn verdict(rows: &[Row], row: &Row) -> Option<String> {
    let part = |column: Column, what| {
        let rival = best_rival(rows, row, column)?;
        let ratio = ratio(rows, row, column)?;
        Some(format!("{ratio:.2} of the {what} of {}", rival.client))
    };
    let (processor, wall) = (
        part(Row::processor, "processor time")?,
        part(Row::wall, "time")?,
    );
    Some(format!(
        "{}: {} takes {processor}, {wall}",
        row.job, row.client
    ))
}

fn object(rows: &[Row], row: &Row) -> serde_json::Value {
    let rival = |column| best_rival(rows, row, column).map(|rival| rival.client);
    serde_json::json!({
        "job": row.job,
        "client": row.client,
        "mib": row.mib,
        "rounds": row.rounds.len(),
        "processor_s_per_gib": row.processor().json(),
        "wall_s": row.wall().json(),
        "processor_ratio": ratio(rows, row, Row::processor),
        "processor_rival": rival(Row::processor),
        "wall_ratio": ratio(rows, row, Row::wall),
        "wall_rival": rival(Row::wall),
        "swarm": row.swarm.as_ref().map(|swarm| swarm.object(row)),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(job: &'static str, client: &'static str, usages: &[(u64, u64)]) -> Row {
        let mut row = Row::new(job, client, 1024);
        for &(processor, wall) in usages {
            row.add(Usage {
                processor: Duration::from_secs(processor),
                wall: Duration::from_secs(wall),
            });
        }
        row
    }

    #[test]
    fn each_column_has_its_own_best_rival() {
        let rows = [
            row("check", OURS, &[(2, 3)]),
            row("check", "thrifty", &[(4, 30)]),
            row("check", "fast", &[(8, 6)]),
            row("create", "both", &[(1, 1)]),
        ];
        assert_eq!(ratio(&rows, &rows[0], Row::processor), Some(0.5));
        assert_eq!(ratio(&rows, &rows[0], Row::wall), Some(0.5));
        assert_eq!(ratio(&rows, &rows[1], Row::processor), Some(1.0));
        assert_eq!(ratio(&rows, &rows[1], Row::wall), Some(5.0));
        let told = "check: headwater takes 0.50 of the processor time of thrifty, 0.50 of the time of fast";
        assert_eq!(verdict(&rows, &rows[0]).as_deref(), Some(told));
        let object = object(&rows, &rows[0]);
        assert_eq!(
            (&object["wall_rival"], &object["rounds"]),
            (&"fast".into(), &1.into())
        );
    }

    #[test]
    fn a_swarm_is_compared_with_its_bound() {
        let mut row = Row::new("swarm", OURS, 64).with_bound(32.0);
        for (wall, copies) in [(64, 1.5), (32, 1.0), (48, 1.25)] {
            let usage = Usage {
                processor: Duration::ZERO,
                wall: Duration::from_secs(wall),
            };
            row.add_swarm(usage, copies);
        }
        let told = "swarm: seed headwater: last leech / bound of 32.000 s 1.500 (1.000-2.000), 1.460 (0.973-1.947) if headers of \
                    packets are left out of the limits; copies sent 1.250 (1.000-1.500)";
        let swarm = row.swarm.as_ref().unwrap();
        assert_eq!(swarm.line(&row), told);
        let rows = [row];
        let swarm = &object(&rows, &rows[0])["swarm"];
        assert_eq!(swarm["ratio_with_headers"]["median"], 1.5);
        assert_eq!(swarm["seed_copies"]["max"], 1.5);
    }

    #[test]
    fn without_a_rival_there_is_no_ratio() {
        let rows = [
            row("check", OURS, &[(2, 3)]),
            row("create", "other", &[(1, 1)]),
        ];
        assert_eq!(ratio(&rows, &rows[0], Row::wall), None);
        assert_eq!(verdict(&rows, &rows[0]), None);
    }

    #[test]
    fn the_median_is_what_counts() {
        let row = row("check", "x", &[(1, 9), (2, 1), (9, 2)]);
        assert_eq!(row.processor().to_string(), "2.000 (1.000-9.000)");
        assert_eq!(row.wall().to_string(), "2.000 (1.000-9.000)");
    }
}

//! What was measured, as a table or as JSON.

use std::time::Duration;

use super::clients::Client;

/// What one transfer took.
#[derive(Clone, Copy)]
pub(super) struct Usage {
    pub(super) wall: Duration,
    pub(super) processor: Duration,
}

/// One client at one job.
pub(super) struct Row {
    job: &'static str,
    client: Client,
    mib: u64,
    rounds: Vec<Usage>,
}

impl Row {
    pub(super) fn new(job: &'static str, client: Client, mib: u64) -> Self {
        Self {
            job,
            client,
            mib,
            rounds: Vec::new(),
        }
    }

    pub(super) fn client(&self) -> Client {
        self.client
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
        Spread::of(self.rounds.iter().map(|usage| usage.wall.as_secs_f64()))
    }
}

/// Median, least and most of several rounds.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        Self {
            median: at(values.len() / 2),
            least: at(0),
            most: at(values.len().saturating_sub(1)),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} ({:.3}-{:.3})", self.median, self.least, self.most)
    }
}

/// Ratios are to libtorrent at the same job in the same run.
pub(super) fn print(rows: &[Row], json: bool) {
    if !json {
        println!(
            "{:9} {:11} {:>6} {:>24} {:>24} {:>7} {:>7}",
            "job", "client", "MiB", "processor s/GiB", "seconds", "proc.", "time"
        );
    }
    for row in rows {
        let rival = rows
            .iter()
            .find(|other| other.job == row.job && other.client == Client::Libtorrent);
        let (processor, wall) = (row.processor(), row.wall());
        let ratio =
            |own: f64, of: fn(&Row) -> Spread| rival.map_or(1.0, |rival| own / of(rival).median);
        let ratios = (
            ratio(processor.median, Row::processor),
            ratio(wall.median, Row::wall),
        );
        if json {
            print_json(row, &processor, &wall, ratios);
        } else {
            println!(
                "{:9} {:11} {:>6} {:>24} {:>24} {:>7.2} {:>7.2}",
                row.job,
                row.client.name(),
                row.mib,
                processor.to_string(),
                wall.to_string(),
                ratios.0,
                ratios.1
            );
        }
    }
}

fn print_json(row: &Row, processor: &Spread, wall: &Spread, ratios: (f64, f64)) {
    let spread = |spread: &Spread| serde_json::json!({ "median": spread.median, "min": spread.least, "max": spread.most });
    let line = serde_json::json!({
        "job": row.job,
        "client": row.client.name(),
        "mib": row.mib,
        "rounds": row.rounds.len(),
        "processor_s_per_gib": spread(processor),
        "wall_s": spread(wall),
        "processor_ratio": ratios.0,
        "wall_ratio": ratios.1,
    });
    println!("{line}");
}

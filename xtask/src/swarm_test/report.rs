//! How the swarm fared, peer by peer.

use std::time::{Duration, Instant};

use bytesize::ByteSize;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant as Deadline, timeout_at};

use super::data::Data;
use super::peer::Finished;

pub(super) struct Report {
    rng: u64,
    elapsed: Duration,
    size: u64,
    rows: Vec<Row>,
}

struct Row {
    number: usize,
    outcome: Result<Fare, String>,
}

/// What a peer that got everything took for it.
struct Fare {
    seconds: f64,
    uploaded: u64,
    wasted: u64,
    restarts: u32,
    differences: Vec<String>,
}

/// Waits for every leech, ends them all, and compares what they have.
pub(super) async fn gather(
    leeches: Vec<JoinHandle<anyhow::Result<Finished>>>,
    start: Instant,
    limit: Duration,
    rng: u64,
    data: &Data,
) -> Report {
    let deadline = Deadline::from_std(start + limit);
    let mut ends = Vec::new();
    for mut leech in leeches {
        ends.push(match timeout_at(deadline, &mut leech).await {
            Err(_) => {
                leech.abort();
                Err(format!("not done after {} s", limit.as_secs()))
            }
            Ok(Err(panic)) => Err(panic.to_string()),
            Ok(Ok(Err(error))) => Err(format!("{error:#}")),
            Ok(Ok(Ok(finished))) => Ok(finished),
        });
    }
    let elapsed = start.elapsed();
    let mut rows = Vec::new();
    for (number, end) in ends.into_iter().enumerate() {
        let outcome = match end {
            Ok(finished) => Ok(close(finished, data).await),
            Err(error) => Err(error),
        };
        rows.push(Row { number, outcome });
    }
    Report {
        rng,
        elapsed,
        size: data.metainfo().info().geometry().total_size(),
        rows,
    }
}

async fn close(finished: Finished, data: &Data) -> Fare {
    let uploaded = finished.peer.torrent.stats().uploaded;
    finished.peer.session.shutdown().await;
    Fare {
        seconds: finished.elapsed.as_secs_f64(),
        uploaded: uploaded.max(finished.stats.uploaded),
        wasted: finished.wasted,
        restarts: finished.restarts,
        differences: data.differences(finished.number),
    }
}

impl Report {
    /// One line for each peer that is not as it should be.
    pub(super) fn failures(&self) -> Vec<String> {
        let failure = |row: &Row| match &row.outcome {
            Err(error) => Some(format!("peer {}: {error}", row.number)),
            Ok(fare) if !fare.differences.is_empty() => Some(format!(
                "peer {}: {} differ",
                row.number,
                fare.differences.join(", ")
            )),
            Ok(_) => None,
        };
        self.rows.iter().filter_map(failure).collect()
    }

    pub(super) fn print(&self, json: bool) {
        if json {
            return self.print_json();
        }
        println!(
            "{:>5} {:>9} {:>12} {:>12} {:>9}  bytes",
            "peer", "seconds", "sent", "wasted", "restarts"
        );
        for row in &self.rows {
            match &row.outcome {
                Ok(fare) => println!(
                    "{:>5} {:>9.3} {:>12} {:>12} {:>9}  {}",
                    row.number,
                    fare.seconds,
                    ByteSize(fare.uploaded).to_string(),
                    ByteSize(fare.wasted).to_string(),
                    fare.restarts,
                    if fare.differences.is_empty() {
                        "identical"
                    } else {
                        "DIFFERENT"
                    },
                ),
                Err(error) => println!("{:>5} {error}", row.number),
            }
        }
        println!(
            "{} to {} peers in {:.3} s, seed {}",
            ByteSize(self.size),
            self.rows.len(),
            self.elapsed.as_secs_f64(),
            self.rng
        );
    }

    fn print_json(&self) {
        for row in &self.rows {
            let line = match &row.outcome {
                Ok(fare) => json!({
                    "peer": row.number,
                    "seconds": fare.seconds,
                    "uploaded": fare.uploaded,
                    "wasted": fare.wasted,
                    "restarts": fare.restarts,
                    "identical": fare.differences.is_empty(),
                }),
                Err(error) => json!({ "peer": row.number, "error": error }),
            };
            println!("{line}");
        }
        println!(
            "{}",
            json!({
                "peers": self.rows.len(),
                "size": self.size,
                "elapsed_s": self.elapsed.as_secs_f64(),
                "failures": self.failures(),
                "rng": self.rng,
            })
        );
    }
}

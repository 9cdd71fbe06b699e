//! How the swarm fared, peer by peer.

use std::time::{Duration, Instant};

use bytesize::ByteSize;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant as Deadline, timeout_at};

use super::data::Data;
use super::peer::Finished;
use crate::fluid;

/// One round.
pub(super) struct Report {
    pub(super) rng: u64,
    /// From before the first leech was started until the last one was done.
    pub(super) elapsed: Duration,
    pub(super) swarm: fluid::Swarm,
    /// Payload bytes that the seeds sent.
    pub(super) seeded: u64,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
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

/// Waits for every leech; gives how each of them ended, and when the last one did.
pub(super) async fn gather(
    leeches: Vec<JoinHandle<anyhow::Result<Finished>>>,
    start: Instant,
    limit: Duration,
) -> (Vec<Result<Finished, String>>, Duration) {
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
    (ends, start.elapsed())
}

/// Ends the leeches, and compares what they have.
pub(super) async fn close(ends: Vec<Result<Finished, String>>, data: &Data) -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, end) in ends.into_iter().enumerate() {
        let outcome = match end {
            Ok(finished) => Ok(close_one(finished, data).await),
            Err(error) => Err(error),
        };
        rows.push(Row { number, outcome });
    }
    rows
}

async fn close_one(finished: Finished, data: &Data) -> Fare {
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
    /// The time of the last peer as a multiple of the bound, if there are limits.
    pub(super) fn ratio(&self) -> Option<f64> {
        Some(self.elapsed.as_secs_f64() / self.swarm.bound()?)
    }

    /// How often the seeds sent everything, together.
    pub(super) fn seed_copies(&self) -> f64 {
        self.seeded as f64 / self.swarm.size as f64
    }

    /// Bytes that were good for nothing, of all peers.
    pub(super) fn wasted(&self) -> u64 {
        let fares = self.rows.iter().filter_map(|row| row.outcome.as_ref().ok());
        fares.map(|fare| fare.wasted).sum()
    }

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
            "{} to {} peers in {:.3} s, rng {}; the seeds sent {:.2} copies, {} wasted",
            ByteSize(self.swarm.size),
            self.rows.len(),
            self.elapsed.as_secs_f64(),
            self.rng,
            self.seed_copies(),
            ByteSize(self.wasted()),
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
                "seeds": self.swarm.seeds,
                "size": self.swarm.size,
                "last_s": self.elapsed.as_secs_f64(),
                "bound_s": self.swarm.bound(),
                "ratio": self.ratio(),
                "ratio_with_headers": self.ratio().map(|ratio| ratio * fluid::headers_factor()),
                "seed_copies": self.seed_copies(),
                "wasted_bytes": self.wasted(),
                "failures": self.failures(),
                "rng": self.rng,
            })
        );
    }
}

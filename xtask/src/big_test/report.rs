//! What it took, beside what it may take.

use anyhow::bail;

use super::program::Usage;

const MIB: u64 = 1 << 20;

// The bounds that the front page of `headwater-store` states, and what the program adds to them.

/// Anonymous memory of a process whatever it does: unfinished pieces that wait (32 MiB), what is read from peers, threads, and
/// buffers that checks read into.
const BASE: u64 = 64 * MIB;
/// What comes to it for each file, and for each piece.
const PER_FILE: u64 = 512;
const PER_PIECE: u64 = 64;
/// The program itself and the libraries that it is linked to, as far as they are resident.
const TEXT: u64 = 16 * MIB;

/// The size of a torrent, as far as memory depends on it.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) files: u64,
    pub(super) pieces: u64,
}

impl Size {
    /// Anonymous memory at most, in bytes.
    fn bound(self) -> u64 {
        BASE + self.files * PER_FILE + self.pieces * PER_PIECE
    }
}

struct Row {
    torrent: &'static str,
    step: &'static str,
    size: Size,
    usage: Usage,
}

pub(super) struct Report {
    descriptors: usize,
    rows: Vec<Row>,
}

impl Report {
    pub(super) fn new(descriptors: usize) -> Self {
        Self {
            descriptors,
            rows: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        torrent: &'static str,
        step: &'static str,
        size: Size,
        usage: Usage,
    ) {
        self.rows.push(Row {
            torrent,
            step,
            size,
            usage,
        });
    }

    pub(super) fn print(&self, json: bool) {
        if !json {
            println!(
                "{:<7} {:<16} {:>8} {:>9} {:>17} {:>17} {:>12}",
                "torrent",
                "step",
                "seconds",
                "proc. s",
                "anonymous MiB",
                "resident MiB",
                "descriptors"
            );
        }
        for row in &self.rows {
            if json {
                println!("{}", row.json());
            } else {
                row.print(self.descriptors);
            }
        }
    }

    /// An error if any bound was passed.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        let bad = self.rows.iter().filter(|row| !row.is_within());
        let bad: Vec<_> = bad
            .map(|row| format!("{} {}", row.torrent, row.step))
            .collect();
        if !bad.is_empty() {
            bail!("more memory than it may take: {}", bad.join(", "));
        }
        Ok(())
    }
}

impl Row {
    fn is_within(&self) -> bool {
        let bound = self.size.bound();
        self.usage.anonymous <= bound && self.usage.resident <= bound + TEXT
    }

    fn print(&self, descriptors: usize) {
        let of = |amount: u64, bound: u64| format!("{} of {}", amount.div_ceil(MIB), bound / MIB);
        let bound = self.size.bound();
        println!(
            "{:<7} {:<16} {:>8.2} {:>9.2} {:>17} {:>17} {:>12}{}",
            self.torrent,
            self.step,
            self.usage.wall.as_secs_f64(),
            self.usage.processor.as_secs_f64(),
            of(self.usage.anonymous, bound),
            of(self.usage.resident, bound + TEXT),
            format!("{} of {descriptors}", self.usage.descriptors),
            if self.is_within() { "" } else { "  TOO MUCH" },
        );
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "torrent": self.torrent,
            "step": self.step,
            "files": self.size.files,
            "pieces": self.size.pieces,
            "wall_s": self.usage.wall.as_secs_f64(),
            "processor_s": self.usage.processor.as_secs_f64(),
            "anonymous_bytes": self.usage.anonymous,
            "resident_bytes": self.usage.resident,
            "bound_bytes": self.size.bound(),
            "descriptors": self.usage.descriptors,
        })
    }
}

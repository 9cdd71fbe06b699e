//! What came out.

use std::time::Instant;

use anyhow::bail;

use super::claims::Findings;

/// Counts, and every lie that was told.
pub(super) struct Tally {
    rng: u64,
    start: Instant,
    kills: u32,
    /// Kills after which there was resume data.
    claims: u32,
    pieces: u64,
    trusted: u64,
    blocks: u64,
    downloads: u32,
    lies: Vec<String>,
}

impl Tally {
    pub(super) fn new(rng: u64) -> Self {
        Self {
            rng,
            start: Instant::now(),
            kills: 0,
            claims: 0,
            pieces: 0,
            trusted: 0,
            blocks: 0,
            downloads: 0,
            lies: Vec::new(),
        }
    }

    pub(super) fn kills(&self) -> u32 {
        self.kills
    }

    /// Notes a kill and what the resume data claimed after it, if there was any.
    pub(super) fn killed(&mut self, findings: Option<Findings>) {
        self.kills += 1;
        if let Some(findings) = findings {
            self.claims += 1;
            self.pieces += findings.pieces;
            self.trusted += findings.trusted;
            self.blocks += findings.blocks;
            for lie in findings.lies {
                self.lie(&lie);
            }
        }
    }

    /// Notes a download that came to its end.
    pub(super) fn finished(&mut self, differences: Vec<String>) {
        self.downloads += 1;
        for file in differences {
            self.lie(&format!("{file} is not as the seed has it"));
        }
    }

    fn lie(&mut self, what: &str) {
        self.lies.push(format!("kill {}: {what}", self.kills));
    }

    /// An error if there was any lie.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        if let Some(first) = self.lies.first() {
            let (count, rng) = (self.lies.len(), self.rng);
            bail!("{count} lies, the first at {first} (again with --rng {rng})");
        }
        Ok(())
    }

    pub(super) fn print(&self, json: bool) {
        let rows = [
            ("kills", u64::from(self.kills)),
            ("claims checked", self.claims.into()),
            ("pieces claimed", self.pieces),
            ("of them still trusted at the restart", self.trusted),
            ("blocks claimed", self.blocks),
            ("downloads finished", self.downloads.into()),
            ("lies", self.lies.len() as u64),
        ];
        let seconds = self.start.elapsed().as_secs_f64();
        if json {
            let counts = rows.map(|(what, count)| (what.replace(' ', "_"), count.into()));
            let mut line: serde_json::Map<_, _> = counts.into_iter().collect();
            line.insert("seconds".to_owned(), seconds.into());
            line.insert("rng".to_owned(), self.rng.into());
            println!("{}", serde_json::Value::Object(line));
            return;
        }
        for lie in &self.lies {
            println!("LIE: {lie}");
        }
        for (what, count) in rows {
            println!("{what:37} {count:>9}");
        }
        println!("{seconds:.1} s, rng {}", self.rng);
    }
}

//! How far the work is: a bar on a terminal, a plain line every ten seconds elsewhere, an object a second as JSON.

use std::io::{self, IsTerminal};
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Event, Output, Sources};
use crate::units;

/// For work that blocks.
const TICK: Duration = Duration::from_secs(1);
/// Without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Data on disk is checked.
    Checking,
    /// A torrent is made.
    Hashing,
    /// Peers are asked what a magnet link stands for.
    FetchingMetadata { peers: u64, sources: Sources },
    /// Peers send and receive.
    Transferring {
        down_bps: u64,
        up_bps: u64,
        peers: u64,
        sources: Sources,
    },
}

/// Where the work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) phase: Phase,
    /// Bytes.
    pub(crate) done: u64,
    /// Bytes.
    pub(crate) total: u64,
}

/// Shows snapshots. To be updated about once a second; dropping it takes the bar away.
#[derive(Debug)]
pub(crate) struct Progress<'o> {
    output: &'o Output,
    bar: Option<ProgressBar>,
    start: Instant,
    last_line: Instant,
}

impl<'o> Progress<'o> {
    pub(crate) fn new(output: &'o Output) -> Self {
        let now = Instant::now();
        let shows_bar = !output.is_quiet && !output.is_json && io::stderr().is_terminal();
        Self {
            output,
            bar: shows_bar.then(|| output.bars.add(new_bar())),
            start: now,
            last_line: now,
        }
    }

    /// Shows where the work stands.
    pub(crate) fn update(&mut self, snapshot: &Snapshot) {
        self.output.event(&event(snapshot));
        let text = describe(snapshot, self.start.elapsed());
        if let Some(bar) = &self.bar {
            bar.set_message(text);
            bar.set_length(snapshot.total.max(1));
            bar.set_position(snapshot.done);
        } else if !self.output.is_json && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            self.output.note(text);
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Does blocking work on a thread of its own, and shows once a second how far it is.
pub(crate) fn with_progress<T: Send>(
    output: &Output,
    snapshot: impl Fn() -> Snapshot,
    work: impl FnOnce() -> T + Send,
) -> T {
    thread::scope(|scope| {
        let (report, result) = mpsc::channel();
        let worker = scope.spawn(move || {
            // The receiver lives until the result is there.
            let _ = report.send(work());
        });
        let mut progress = Progress::new(output);
        loop {
            match result.recv_timeout(TICK) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => progress.update(&snapshot()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        match worker.join() {
            Ok(()) => unreachable!("a worker that ends well has sent its result"),
            Err(panic) => resume_unwind(panic),
        }
    })
}

fn new_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:16.cyan/dim} {wide_msg}")
        .expect("the template is fixed")
        .progress_chars("━━─");
    ProgressBar::new(1)
        .with_style(style)
        .with_message("starting")
}

fn event(snapshot: &Snapshot) -> Event<'static> {
    let Snapshot { phase, done, total } = *snapshot;
    match phase {
        Phase::Checking => Event::Checking { done, total },
        Phase::Hashing => Event::Hashing { done, total },
        Phase::FetchingMetadata { peers, sources } => Event::Progress {
            done,
            total,
            down_bps: 0,
            up_bps: 0,
            peers,
            sources,
        },
        Phase::Transferring {
            down_bps,
            up_bps,
            peers,
            sources,
        } => Event::Progress {
            done,
            total,
            down_bps,
            up_bps,
            peers,
            sources,
        },
    }
}

/// `checking 12% of 9.80 GiB, 1.02 GiB/s, 8 s left`.
fn describe(snapshot: &Snapshot, elapsed: Duration) -> String {
    let Snapshot { phase, done, total } = *snapshot;
    let name = match phase {
        Phase::FetchingMetadata { peers, .. } => {
            return format!("fetching metadata, {}", count_peers(peers));
        }
        Phase::Checking => "checking",
        Phase::Hashing => "hashing",
        Phase::Transferring { .. } if done >= total => "seeding",
        Phase::Transferring { .. } => "downloading",
    };
    let (speed, speed_text) = match phase {
        Phase::Transferring {
            down_bps,
            up_bps,
            peers,
            ..
        } => {
            let (down, up) = (units::rate(down_bps), units::rate(up_bps));
            let peers = count_peers(peers);
            (down_bps, format!("{down} down, {up} up, {peers}"))
        }
        Phase::Checking | Phase::Hashing | Phase::FetchingMetadata { .. } => {
            let speed = (done as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
            (speed, units::rate(speed))
        }
    };
    let left = total.saturating_sub(done).checked_div(speed);
    let left_text = left
        .filter(|_| done < total)
        .map_or_else(String::new, |seconds| {
            format!(", {} left", units::duration(Duration::from_secs(seconds)))
        });
    let total_text = units::size(total);
    format!(
        "{name} {}% of {total_text}, {speed_text}{left_text}",
        percent(done, total)
    )
}

fn count_peers(peers: u64) -> String {
    let plural = if peers == 1 { "" } else { "s" };
    format!("{peers} peer{plural}")
}

/// Rounded down: 100 only when all is done.
fn percent(done: u64, total: u64) -> u64 {
    match total {
        0 => 100,
        _ => (u128::from(done) * 100 / u128::from(total)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_tells_its_speed_and_what_is_left() {
        let snapshot = Snapshot {
            phase: Phase::Checking,
            done: 10 << 20,
            total: 40 << 20,
        };
        let text = describe(&snapshot, Duration::from_secs(2));
        assert_eq!(text, "checking 25% of 40.0 MiB, 5.00 MiB/s, 6.0 s left");
    }

    #[test]
    fn a_transfer_tells_both_directions() {
        let mut snapshot = Snapshot {
            phase: Phase::Transferring {
                down_bps: 1 << 20,
                up_bps: 0,
                peers: 1,
                sources: Sources::default(),
            },
            done: 99,
            total: 100,
        };
        let text = describe(&snapshot, Duration::from_secs(2));
        assert_eq!(
            text,
            "downloading 99% of 100 B, 1.00 MiB/s down, 0 B/s up, 1 peer, 0.0 s left"
        );
        snapshot.done = 100;
        let text = describe(&snapshot, Duration::from_secs(2));
        assert!(
            text.starts_with("seeding 100%") && !text.contains("left"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_known_has_no_share() {
        let snapshot = Snapshot {
            phase: Phase::FetchingMetadata {
                peers: 3,
                sources: Sources::default(),
            },
            done: 0,
            total: 0,
        };
        let text = describe(&snapshot, Duration::from_secs(2));
        assert_eq!(text, "fetching metadata, 3 peers");
    }

    #[test]
    fn nothing_to_do_is_all_done() {
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(u64::MAX - 1, u64::MAX), 99);
    }
}

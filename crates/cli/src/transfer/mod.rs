//! What `download` and `seed` have in common: a session, its torrents, and what is told of them.

mod failure;
mod open;
mod trackers;

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::{SelectAll, StreamExt};
use headwater_session::{Detail, Event as TorrentEvent, Events, Session, State, Torrent};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout_at};

pub(crate) use self::failure::{add_failure, session_failure};
pub(crate) use self::open::open;

use self::trackers::Trackers;
use crate::exit::Result;
use crate::interrupt::Interrupt;
use crate::output::{Event, Output, Phase, Progress, Snapshot, Sources, printable};
use crate::units;

/// How often progress is shown.
const TICK: Duration = Duration::from_secs(1);

/// How long trackers may take to hear that a download is complete.
const HEARING_PATIENCE: Duration = Duration::from_secs(2);

/// A session with its torrents. End it with [`close`](Self::close).
pub(crate) struct Transfer<'o> {
    pub(crate) torrents: Vec<Torrent>,
    session: Session,
    output: &'o Output,
    events: SelectAll<Numbered>,
    progress: Progress<'o>,
    ticks: Interval,
    /// Torrents of which it has been told what was on disk.
    started: HashSet<usize>,
    trackers: Trackers,
}

/// A torrent's events with the torrent's position.
type Numbered = std::pin::Pin<Box<dyn futures_util::Stream<Item = (usize, TorrentEvent)> + Send>>;

/// Something to which a verb may want to react.
pub(crate) enum Happening {
    /// The user wants to end it.
    Interrupted,
    /// A second has gone by.
    Tick,
    /// Peers have sent what a magnet link stands for.
    Metadata,
    /// A tracker has answered, or failed to.
    Tracker,
    /// It is known what is on disk, and peers are welcome.
    Started(usize),
    /// All that is wanted of a torrent is there.
    Completed(usize),
}

impl<'o> Transfer<'o> {
    pub(crate) fn new(session: Session, output: &'o Output) -> Self {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            torrents: Vec::new(),
            session,
            output,
            events: SelectAll::new(),
            progress: Progress::new(output),
            ticks,
            started: HashSet::new(),
            trackers: Trackers::default(),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Takes a torrent of the session in.
    pub(crate) fn watch(&mut self, torrent: Torrent, events: Events) {
        let number = self.torrents.len();
        self.torrents.push(torrent);
        self.events
            .push(Box::pin(events.map(move |event| (number, event))));
    }

    /// Waits for the next thing that matters, and tells the user what happens meanwhile. Fails when a torrent does.
    pub(crate) async fn next(&mut self, interrupt: &Interrupt) -> Result<Happening> {
        loop {
            let (number, event) = tokio::select! {
                () = interrupt.requested() => {
                    self.output.event(&Event::Stopping);
                    self.output.note("stopping; once more to stop at once");
                    return Ok(Happening::Interrupted);
                }
                _ = self.ticks.tick() => {
                    self.progress.update(&self.snapshot());
                    return Ok(Happening::Tick);
                }
                Some(event) = self.events.next() => event,
            };
            if let Some(happening) = self.take(number, event)? {
                return Ok(happening);
            }
        }
    }

    fn take(&mut self, number: usize, event: TorrentEvent) -> Result<Option<Happening>> {
        tracing::trace!(torrent = self.torrents[number].name(), ?event);
        match event {
            TorrentEvent::MetadataReceived => {
                self.tell_metadata(number);
                return Ok(Some(Happening::Metadata));
            }
            // Before there is metadata, nothing is known of what is on disk.
            TorrentEvent::StateChanged(State::Active) if self.torrents[number].info().is_some() => {
                self.tell_start(number);
                return Ok(Some(Happening::Started(number)));
            }
            TorrentEvent::Completed => {
                self.tell_start(number);
                self.trackers.completed(number, &self.torrents[number]);
                return Ok(Some(Happening::Completed(number)));
            }
            TorrentEvent::ResumeRefused(error) => {
                let name = printable(self.torrents[number].name());
                self.output.warning(format_args!(
                    "{name}: {error}; checking what is there instead"
                ));
            }
            TorrentEvent::FilesChanged { files, pieces } => {
                let name = printable(self.torrents[number].name());
                let files = counted(files.len(), "file has", "files have");
                // Of a file that is gone, or too short, nothing is worth a look.
                let check = match pieces {
                    0 => String::new(),
                    _ => format!("; checking {}", counted(pieces as usize, "piece", "pieces")),
                };
                self.output.note(format_args!(
                    "{name}: {files} changed since the last run{check}"
                ));
            }
            TorrentEvent::Failed(error) => return Err(failure::torrent_failure(&error)),
            TorrentEvent::TrackerFailed { url, error } => {
                self.trackers.failed(self.output, (number, &url), error);
                return Ok(Some(Happening::Tracker));
            }
            TorrentEvent::TrackerAnswered { url, peers } => {
                self.trackers.answered(self.output, (number, &url), peers);
                return Ok(Some(Happening::Tracker));
            }
            _ => {}
        }
        Ok(None)
    }

    /// What a magnet link stands for.
    fn tell_metadata(&self, number: usize) {
        let torrent = &self.torrents[number];
        let files = torrent.files().len();
        self.output.event(&Event::Metadata {
            torrent: &torrent.info_hash().to_string(),
            name: torrent.name(),
            size: torrent.size(),
            piece_count: torrent.piece_count(),
            files,
        });
        let (name, size) = (printable(torrent.name()), units::size(torrent.size()));
        let files = counted(files, "file", "files");
        self.output.note(format_args!("{name}: {size} in {files}"));
    }

    /// What was found on disk, whether it was hashed now or is known from the last run. Once.
    fn tell_start(&mut self, number: usize) {
        if !self.started.insert(number) {
            return;
        }
        let torrent = &self.torrents[number];
        let (pass, count) = (torrent.bitfield().count(), torrent.piece_count());
        self.output.event(&Event::Checked {
            pass: pass.into(),
            fail: (count - pass).into(),
            torrent: &torrent.info_hash().to_string(),
        });
        if pass > 0 && pass < count {
            let name = printable(torrent.name());
            self.output.note(format_args!(
                "{name}: {pass} of {count} pieces are there already"
            ));
        }
    }

    /// Where all torrents together stand.
    fn snapshot(&self) -> Snapshot {
        self.checking().unwrap_or_else(|| {
            let mut total = Totals::default();
            for stats in self.torrents.iter().map(Torrent::stats) {
                total.done += stats.done();
                total.wanted += stats.wanted;
                total.down += stats.download_rate;
                total.up += stats.upload_rate;
                total.peers += stats.peers as u64;
            }
            let peers = self.torrents.iter().flat_map(Torrent::peers);
            total.sources.extend(peers.map(|peer| peer.source));
            let is_fetching =
                |torrent: &Torrent| matches!(torrent.detail(), Detail::FetchingMetadata);
            let is_fetching = total.wanted == 0 && self.torrents.iter().any(is_fetching);
            let phase = if is_fetching {
                Phase::FetchingMetadata {
                    peers: total.peers,
                    sources: total.sources,
                }
            } else {
                Phase::Transferring {
                    down_bps: total.down,
                    up_bps: total.up,
                    peers: total.peers,
                    sources: total.sources,
                }
            };
            Snapshot {
                phase,
                done: total.done,
                total: total.wanted,
            }
        })
    }

    /// How far the check is, if that is what is being done. In whole pieces.
    fn checking(&self) -> Option<Snapshot> {
        self.torrents
            .iter()
            .find_map(|torrent| match torrent.detail() {
                Detail::Checking(progress) => Some(Snapshot {
                    phase: Phase::Checking,
                    done: u64::from(progress.done) * u64::from(torrent.piece_length()),
                    total: u64::from(progress.total) * u64::from(torrent.piece_length()),
                }),
                _ => None,
            })
    }

    /// Waits, not for long, until the trackers have heard that the downloads are complete: many count that.
    pub(crate) async fn tell_trackers(&mut self, interrupt: &Interrupt) -> Result {
        let deadline = Instant::now() + HEARING_PATIENCE;
        while !self.have_trackers_heard() {
            match timeout_at(deadline, self.next(interrupt)).await {
                Ok(Ok(Happening::Interrupted)) | Err(_) => break,
                Ok(happening) => happening?,
            };
        }
        Ok(())
    }

    fn have_trackers_heard(&self) -> bool {
        let mut torrents = self.torrents.iter().enumerate();
        torrents.all(|(number, torrent)| self.trackers.have_heard(number, torrent))
    }

    /// Says goodbye to peers and trackers and saves what is needed to go on; bounded in time.
    pub(crate) async fn close(self) {
        drop(self.progress);
        self.session.shutdown().await;
    }
}

/// A number with what it counts.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[derive(Default)]
struct Totals {
    done: u64,
    wanted: u64,
    down: u64,
    up: u64,
    peers: u64,
    sources: Sources,
}

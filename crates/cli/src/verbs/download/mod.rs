//! `headwater download`.

mod goal;
mod select;

use std::time::{Duration, Instant};

use clap::Args;
use globset::Glob;
use headwater_metainfo::{Info, Magnet, Metainfo};
use headwater_session::{Add, Allocation, Session, Source};

use self::goal::Goal;
pub(super) use self::goal::StallWatch;
use crate::args::{Dir, Network};
use crate::exit::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output, printable};
use crate::ranges::Ranges;
use crate::source;
use crate::transfer::{self, Happening, Transfer, add_failure};
use crate::units;

/// Download torrents; ends when everything wanted is on disk and verified.
///
/// What is already there is checked and kept, so the same command goes on after an interruption.
#[derive(Debug, Args)]
pub(crate) struct Download {
    /// .torrent files, http(s) addresses of them, magnet links, or info-hashes
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<String>,
    #[command(flatten)]
    dir: Dir,
    /// Download these files only, by their numbers in `show`, such as 1,3-5
    #[arg(long, value_name = "RANGES")]
    select: Option<Ranges>,
    /// Download the files whose path fits this pattern, such as '*.mkv'; repeatable, adds to --select
    #[arg(long = "match", value_name = "GLOB")]
    patterns: Vec<Glob>,
    /// Download from the beginning to the end, instead of the rarest pieces first
    #[arg(long)]
    sequential: bool,
    /// Take disk space as data comes, instead of all at the start: a disk that is too small then shows late
    #[arg(long)]
    sparse: bool,
    /// Then seed until this many times the size has been sent
    #[arg(long, value_name = "R", value_parser = goal::parse_ratio)]
    seed_ratio: Option<f64>,
    /// Then seed for this many minutes, if the ratio does not come first
    #[arg(long, value_name = "MIN")]
    seed_time: Option<u32>,
    /// Give up when nothing has come for this many seconds, or no metadata of a magnet link
    #[arg(long, value_name = "SEC", value_parser = units::parse_seconds)]
    stall_timeout: Option<Duration>,
    /// Make what was downloaded safe from a power cut, and note it for the next start, this often [default: 60]
    #[arg(long, value_name = "SEC", value_parser = units::parse_seconds)]
    save_interval: Option<Duration>,
    #[command(flatten)]
    network: Network,
}

/// What a SOURCE turned out to be.
enum Found {
    Torrent(Box<Metainfo>),
    Link(Box<Magnet>),
}

impl Download {
    pub(crate) async fn run(self, output: &Output, interrupt: Interrupt) -> Result {
        let start = Instant::now();
        let found = tokio::select! {
            found = self.load() => found?,
            () = interrupt.requested() => return Err(Failure::interrupted()),
        };
        self.check_selection(&found)?;
        let session = transfer::open(&self.network, self.save_interval, output).await?;
        let mut transfer = Transfer::new(session, output);
        let outcome = match self.add(&mut transfer, found).await {
            Ok(()) => self.follow(&mut transfer, output, &interrupt, start).await,
            Err(failure) => Err(failure),
        };
        transfer.close().await;
        outcome
    }

    fn allocation(&self) -> Allocation {
        if self.sparse {
            Allocation::Sparse
        } else {
            Allocation::Reserve
        }
    }

    async fn load(&self) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for source in &self.sources {
            found.push(find(source).await?);
        }
        Ok(found)
    }

    /// Fails where it can be seen at once that the selection makes no sense.
    fn check_selection(&self, found: &[Found]) -> Result {
        if self.select.is_some() && found.len() > 1 {
            return Err(Failure::usage(
                "--select numbers the files of one torrent; name only one, or use --match",
            ));
        }
        for each in found {
            if let (Found::Torrent(torrent), true) = (each, self.selects()) {
                select::priorities(torrent.info(), self.select.as_ref(), &self.patterns)?;
            }
        }
        Ok(())
    }

    /// Whether not all files are wanted.
    fn selects(&self) -> bool {
        self.select.is_some() || !self.patterns.is_empty()
    }

    async fn add(&self, transfer: &mut Transfer<'_>, found: Vec<Found>) -> Result {
        for (found, source) in found.into_iter().zip(&self.sources) {
            let add = self.with_options(begin(transfer.session(), found, source));
            let added = add.start_with_events().await;
            let (torrent, events) =
                added.map_err(|error| add_failure(&printable(source), error))?;
            transfer.watch(torrent, events);
        }
        Ok(())
    }

    fn with_options(&self, add: Add) -> Add {
        let add = add
            .dir(&self.dir.dir)
            .sequential(self.sequential)
            .allocation(self.allocation())
            .peers(self.network.peer.iter().copied());
        if !self.selects() {
            return add;
        }
        let (select, patterns) = (self.select.clone(), self.patterns.clone());
        add.choose_files(move |info: &Info| {
            let priorities = select::priorities(info, select.as_ref(), &patterns);
            priorities.map_err(|failure| failure.message.into())
        })
    }

    /// Until all is done, or it cannot be.
    async fn follow(
        &self,
        transfer: &mut Transfer<'_>,
        output: &Output,
        interrupt: &Interrupt,
        start: Instant,
    ) -> Result {
        let mut stall = self.stall_timeout.map(StallWatch::new);
        let mut missing = transfer.torrents.len();
        while missing > 0 {
            match transfer.next(interrupt).await? {
                Happening::Completed(number) => {
                    missing -= 1;
                    tell_complete(&transfer.torrents[number], output);
                }
                Happening::Interrupted => return Err(interrupted(transfer)),
                Happening::Tick => {
                    if let Some(stall) = &mut stall {
                        stall.look(&transfer.torrents)?;
                    }
                }
                Happening::Started(_) | Happening::Metadata | Happening::Tracker => {}
            }
        }
        output.event(&Event::Finished {
            elapsed_ms: start.elapsed().as_millis() as u64,
        });
        self.seed(transfer, interrupt).await?;
        transfer.tell_trackers(interrupt).await
    }

    /// What is wanted is there, so an interruption from here on is no failure.
    async fn seed(&self, transfer: &mut Transfer<'_>, interrupt: &Interrupt) -> Result {
        let Some(goal) = Goal::new(self.seed_ratio, self.seed_time) else {
            return Ok(());
        };
        while !goal.is_reached(&transfer.torrents) {
            if matches!(transfer.next(interrupt).await?, Happening::Interrupted) {
                break;
            }
        }
        Ok(())
    }
}

async fn find(source: &str) -> Result<Found> {
    if let Some(magnet) = source::link(source)? {
        return Ok(Found::Link(Box::new(magnet)));
    }
    let torrent = Source::from(source).load().await;
    let torrent = torrent.map_err(|error| add_failure(&printable(source), error))?;
    Ok(Found::Torrent(Box::new(torrent)))
}

fn begin(session: &Session, found: Found, source: &str) -> Add {
    match found {
        Found::Link(magnet) => session.add(*magnet),
        Found::Torrent(torrent) => {
            let is_from_elsewhere = matches!(Source::from(source), Source::Url(_));
            session.add(*torrent).trust_trackers(!is_from_elsewhere)
        }
    }
}

fn tell_complete(torrent: &headwater_session::Torrent, output: &Output) {
    let stats = torrent.stats();
    let name = printable(torrent.name());
    let (size, dir) = (units::size(stats.wanted), source::shown(&torrent.dir()));
    if stats.session_downloaded == 0 {
        output.line(format_args!("{name} is all there: {size} in {dir}"));
    } else {
        output.line(format_args!("{name} is complete: {size} in {dir}"));
    }
    output.event(&Event::Completed {
        torrent: &torrent.info_hash().to_string(),
        name: torrent.name(),
    });
}

fn interrupted(transfer: &Transfer<'_>) -> Failure {
    let mut torrents = transfer.torrents.iter();
    if torrents.all(|torrent| torrent.info().is_none()) {
        return Failure::new(
            crate::exit::Code::Interrupted,
            "interrupted before any metadata came; run the same command again to go on",
        );
    }
    let left = transfer
        .torrents
        .iter()
        .map(|torrent| torrent.stats().left)
        .sum();
    Failure::new(
        crate::exit::Code::Interrupted,
        format_args!(
            "interrupted with {} to go; run the same command again to go on",
            units::size(left)
        ),
    )
}

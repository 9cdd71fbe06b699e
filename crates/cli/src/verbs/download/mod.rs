//! `headwater download`.

mod goal;
mod select;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use globset::Glob;
use headwater_metainfo::{InfoHash, Metainfo};
use headwater_session::{Allocation, Source};

use self::goal::{Goal, StallWatch};
use crate::args::{Dir, Network};
use crate::exit::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output, printable};
use crate::ranges::Ranges;
use crate::transfer::{self, Happening, Transfer, add_failure};
use crate::units;

/// Download torrents; ends when everything wanted is on disk and verified.
///
/// What is already there is checked and kept, so the same command goes on after an interruption.
#[derive(Debug, Args)]
pub(crate) struct Download {
    /// .torrent files, or http(s) addresses of them
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
    /// Give up when nothing has come for this many seconds
    #[arg(long, value_name = "SEC", value_parser = clap::value_parser!(u32).range(1..))]
    stall_timeout: Option<u32>,
    /// Make what was downloaded safe from a power cut, and note it for the next start, this often [default: 60]
    #[arg(long, value_name = "SEC", value_parser = units::parse_seconds)]
    save_interval: Option<Duration>,
    #[command(flatten)]
    network: Network,
}

impl Download {
    pub(crate) async fn run(self, output: &Output, interrupt: Interrupt) -> Result {
        let start = Instant::now();
        let torrents = tokio::select! {
            torrents = self.load() => torrents?,
            () = interrupt.requested() => return Err(Failure::interrupted()),
        };
        let priorities = self.priorities(&torrents)?;
        let session = transfer::open(&self.network, self.save_interval, output).await?;
        let mut transfer = Transfer::new(session, output);
        let outcome = match self.add(&mut transfer, torrents, priorities).await {
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

    async fn load(&self) -> Result<Vec<Metainfo>> {
        let mut torrents = Vec::new();
        for source in &self.sources {
            refuse_magnet(source)?;
            let torrent = Source::from(source.as_str()).load().await;
            torrents.push(torrent.map_err(|error| add_failure(&printable(source), error))?);
        }
        Ok(torrents)
    }

    /// The priority of every file of every torrent, if not all are wanted.
    fn priorities(&self, torrents: &[Metainfo]) -> Result<Option<Vec<Vec<u32>>>> {
        if self.select.is_none() && self.patterns.is_empty() {
            return Ok(None);
        }
        if self.select.is_some() && torrents.len() > 1 {
            return Err(Failure::usage(
                "--select numbers the files of one torrent; name only one, or use --match",
            ));
        }
        let select = |torrent: &Metainfo| {
            select::priorities(torrent.info(), self.select.as_ref(), &self.patterns)
        };
        torrents.iter().map(select).collect::<Result<_>>().map(Some)
    }

    async fn add(
        &self,
        transfer: &mut Transfer<'_>,
        torrents: Vec<Metainfo>,
        priorities: Option<Vec<Vec<u32>>>,
    ) -> Result {
        let mut priorities = priorities.unwrap_or_default().into_iter();
        for (torrent, source) in torrents.into_iter().zip(&self.sources) {
            let is_from_elsewhere = matches!(Source::from(source.as_str()), Source::Url(_));
            let add = transfer
                .session()
                .add(torrent)
                .trust_trackers(!is_from_elsewhere)
                .dir(&self.dir.dir)
                .priorities(priorities.next().unwrap_or_default())
                .sequential(self.sequential)
                .allocation(self.allocation())
                .peers(self.network.peer.iter().copied());
            let added = add.start_with_events().await;
            let (torrent, events) =
                added.map_err(|error| add_failure(&printable(source), error))?;
            transfer.watch(torrent, events);
        }
        Ok(())
    }

    /// Until all is done, or it cannot be.
    async fn follow(
        &self,
        transfer: &mut Transfer<'_>,
        output: &Output,
        interrupt: &Interrupt,
        start: Instant,
    ) -> Result {
        let mut stall = self
            .stall_timeout
            .map(|seconds| StallWatch::new(Duration::from_secs(seconds.into())));
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
                Happening::Started(_) | Happening::Tracker => {}
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

fn tell_complete(torrent: &headwater_session::Torrent, output: &Output) {
    let stats = torrent.stats();
    let name = printable(torrent.name());
    let (size, dir) = (
        units::size(stats.wanted),
        crate::source::shown(&torrent.dir()),
    );
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

fn refuse_magnet(source: &str) -> Result {
    let is_magnet = source
        .get(..7)
        .is_some_and(|head| head.eq_ignore_ascii_case("magnet:"));
    let is_hash = source.parse::<InfoHash>().is_ok() && !Path::new(source).exists();
    if is_magnet || is_hash {
        let what = if is_magnet {
            "magnet links"
        } else {
            "bare info-hashes"
        };
        return Err(Failure::usage(format_args!(
            "{what} are not supported yet; give the .torrent file or its http address"
        )));
    }
    Ok(())
}

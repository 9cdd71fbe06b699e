//! `headwater scrape`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use headwater_metainfo::InfoHash;
use headwater_tracker::{Client, ClientOptions, ScrapeEntry, TrackerError, TrackerUrl};
use tokio::task::JoinSet;

use crate::exit::{Code, Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output};
use crate::source;

/// For a tracker to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Trackers that are asked; more than any honest torrent has.
const MAX_TRACKERS: usize = 200;

/// Ask a torrent's trackers how many seeds, leeches and downloads there are.
#[derive(Debug, Args)]
pub(crate) struct Scrape {
    /// The .torrent file
    torrent: PathBuf,
}

/// What came of asking one tracker.
type Answer = (String, Result<ScrapeEntry, Fault>);

enum Fault {
    /// The torrent names it wrongly.
    Url(String),
    /// It does not know the torrent.
    Unknown,
    Tracker(TrackerError),
}

impl Scrape {
    pub(crate) async fn run(self, output: &Output, interrupt: Interrupt) -> Result {
        let torrent = source::load(&self.torrent)?;
        let hash = torrent.info_hashes().primary();
        let urls = torrent.trackers().concat();
        if urls.is_empty() {
            return Err(Failure::failed(
                "the torrent names no tracker, so there is nobody to ask",
            ));
        }
        let mut asked = ask(urls, hash);
        let mut tally = Tally::default();
        loop {
            tokio::select! {
                () = interrupt.requested() => return Err(Failure::interrupted()),
                answer = asked.join_next() => match answer {
                    Some(Ok(answer)) => tally.take(output, &answer),
                    Some(Err(_)) => {}
                    None => return tally.outcome(),
                },
            }
        }
    }
}

/// Asks every tracker at the same time.
fn ask(mut urls: Vec<String>, hash: InfoHash) -> JoinSet<Answer> {
    let client = Client::new(ClientOptions {
        timeout: PATIENCE,
        ..ClientOptions::default()
    });
    urls.truncate(MAX_TRACKERS);
    let mut asked = JoinSet::new();
    for url in urls {
        let client = client.clone();
        asked.spawn(async move {
            let answer = scrape(&client, &url, hash).await;
            (url, answer)
        });
    }
    asked
}

async fn scrape(client: &Client, url: &str, hash: InfoHash) -> Result<ScrapeEntry, Fault> {
    let url: TrackerUrl = url
        .parse()
        .map_err(|error| Fault::Url(format!("{error}")))?;
    let answer = client.scrape(&url, &[hash]).await.map_err(Fault::Tracker)?;
    answer.files.get(&hash).copied().ok_or(Fault::Unknown)
}

/// Who answered, so far.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    timed_out: usize,
    failed: usize,
}

impl Tally {
    fn take(&mut self, output: &Output, (tracker, answer): &Answer) {
        let fault = match answer {
            Ok(entry) => {
                self.answered += 1;
                return tell(output, tracker, entry);
            }
            Err(fault) => fault,
        };
        let message = match fault {
            Fault::Url(message) => message.clone(),
            Fault::Unknown => "the tracker does not know this torrent".to_owned(),
            Fault::Tracker(error) => error.to_string(),
        };
        *match fault {
            Fault::Unknown => &mut self.answered,
            Fault::Tracker(TrackerError::Timeout(_)) => &mut self.timed_out,
            Fault::Url(_) | Fault::Tracker(_) => &mut self.failed,
        } += 1;
        output.warning(format_args!("{tracker}: {message}"));
        output.event(&Event::TrackerError { tracker, message });
    }

    fn outcome(&self) -> Result {
        let message = "no tracker answered; try again later, or check the network";
        match self {
            Self { answered: 1.., .. } => Ok(()),
            Self {
                timed_out: 1..,
                failed: 0,
                ..
            } => Err(Failure::new(Code::TimedOut, message)),
            _ => Err(Failure::failed(message)),
        }
    }
}

fn tell(output: &Output, tracker: &str, entry: &ScrapeEntry) {
    let ScrapeEntry {
        complete,
        incomplete,
        downloaded,
        ..
    } = *entry;
    output.line(format_args!(
        "{}: {complete} seeds, {incomplete} leeches, {downloaded} downloads",
        crate::output::printable(tracker)
    ));
    output.event(&Event::Scraped {
        tracker,
        complete,
        incomplete,
        downloaded,
    });
}

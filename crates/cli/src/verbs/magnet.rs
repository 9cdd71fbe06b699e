//! `headwater magnet`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use headwater_metainfo::{Info, Magnet as Link, Metainfo};
use headwater_session::{MemoryStorage, ResumePolicy};

use super::download::StallWatch;
use crate::args::Network;
use crate::exit::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output, printable};
use crate::source::{self, shown};
use crate::transfer::{self, Happening, Transfer, add_failure};
use crate::units;
use crate::write;

/// Print the magnet link of a torrent, or get the torrent of a magnet link.
#[derive(Debug, Args)]
pub(crate) struct Magnet {
    /// The .torrent file
    #[arg(required_unless_present = "fetch", conflicts_with = "fetch")]
    torrent: Option<PathBuf>,
    /// Ask the peers of this magnet link, or info-hash, what it stands for, and write that as a .torrent file
    #[arg(long, value_name = "MAGNET")]
    fetch: Option<String>,
    /// Where to write it; - is standard output [default: the torrent's name with .torrent]
    #[arg(short, long, value_name = "FILE", conflicts_with = "torrent")]
    output: Option<PathBuf>,
    /// Overwrite a file that is there
    #[arg(long, conflicts_with = "torrent")]
    force: bool,
    /// Give up when no metadata has come for this many seconds
    #[arg(long, value_name = "SEC", conflicts_with = "torrent", value_parser = units::parse_seconds)]
    stall_timeout: Option<Duration>,
    #[command(flatten)]
    network: Network,
}

impl Magnet {
    pub(crate) async fn run(self, output: &Output, interrupt: Interrupt) -> Result {
        match (&self.torrent, &self.fetch) {
            (_, Some(link)) => self.fetch(link, output, &interrupt).await,
            (Some(torrent), None) => self.print(torrent, output),
            (None, None) => unreachable!("one of the two is required"),
        }
    }

    fn print(&self, torrent: &Path, output: &Output) -> Result {
        if self.network != Network::default() {
            return Err(Failure::usage(
                "to print a magnet link nobody is asked: network options go with --fetch",
            ));
        }
        let magnet = source::load(torrent)?.magnet().to_string();
        output.line(&magnet);
        output.event(&Event::Magnet { magnet });
        Ok(())
    }

    async fn fetch(&self, link: &str, output: &Output, interrupt: &Interrupt) -> Result {
        let magnet = source::link(link)?.ok_or_else(|| {
            Failure::usage(format_args!(
                "{} is no magnet link and no info-hash",
                printable(link)
            ))
        })?;
        self.check_target(output)?;
        let session = transfer::open(&self.network, None, output).await?;
        let mut transfer = Transfer::new(session, output);
        let outcome = self.ask_peers(&mut transfer, &magnet, interrupt).await;
        transfer.close().await;
        self.write(&outcome?, output)
    }

    /// Refuses a target that could not be written, before anybody is asked.
    fn check_target(&self, output: &Output) -> Result {
        match self.output.as_deref() {
            Some(target) if is_stdout(target) && output.is_json() => Err(Failure::usage(
                "standard output cannot have both the torrent and JSON; leave out --json, or name a file with -o",
            )),
            Some(target) if !is_stdout(target) => write::refuse_existing(target, self.force),
            _ => Ok(()),
        }
    }

    /// Gets the metadata and nothing else: no file is wanted, and none is made.
    async fn ask_peers(
        &self,
        transfer: &mut Transfer<'_>,
        magnet: &Link,
        interrupt: &Interrupt,
    ) -> Result<Metainfo> {
        let add = transfer
            .session()
            .add(magnet.clone())
            .resume_policy(ResumePolicy::Off)
            .choose_files(|info: &Info| Ok(vec![0; info.layout().len()]))
            .storage(|info| Ok(std::sync::Arc::new(MemoryStorage::new(info.layout()))))
            .peers(self.network.peer.iter().copied());
        let added = add.start_with_events().await;
        let (torrent, events) = added.map_err(|error| add_failure("the magnet link", error))?;
        transfer.watch(torrent.clone(), events);
        let mut stall = self.stall_timeout.map(StallWatch::new);
        loop {
            if let Some(info) = torrent.info() {
                return Ok(Metainfo::from_magnet(magnet, info.clone()));
            }
            match transfer.next(interrupt).await? {
                Happening::Interrupted => return Err(Failure::interrupted()),
                Happening::Tick => {
                    if let Some(stall) = &mut stall {
                        stall.look(&transfer.torrents)?;
                    }
                }
                _ => {}
            }
        }
    }

    fn write(&self, torrent: &Metainfo, output: &Output) -> Result {
        let bytes = torrent.to_bytes();
        let default = || PathBuf::from(format!("{}.torrent", torrent.info().name()));
        let target = self.output.clone().unwrap_or_else(default);
        if is_stdout(&target) {
            output.bytes(&bytes);
            return Ok(());
        }
        write::refuse_existing(&target, self.force)?;
        write::file(&target, &bytes, self.force)?;
        let name = printable(torrent.info().name());
        output.line(format_args!("wrote {}: {name}", shown(&target)));
        output.event(&Event::Fetched {
            path: target.display().to_string(),
            torrent: &torrent.info_hashes().primary().to_string(),
        });
        Ok(())
    }
}

fn is_stdout(target: &Path) -> bool {
    target.as_os_str() == "-"
}

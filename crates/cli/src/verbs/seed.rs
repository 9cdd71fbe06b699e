//! `headwater seed`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use headwater_metainfo::Metainfo;
use headwater_session::{SuperSeeding, Torrent};

use crate::args::{Dir, Network};
use crate::exit::{Code, Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{Output, printable};
use crate::source::{self, shown};
use crate::transfer::{self, Happening, Transfer, add_failure};
use crate::units;

/// Seed torrents whose data is there, until interrupted.
///
/// The data is checked first. It is only read, never written.
#[derive(Debug, Args)]
pub(crate) struct Seed {
    /// The .torrent files
    #[arg(required = true, value_name = "TORRENT")]
    torrents: Vec<PathBuf>,
    #[command(flatten)]
    dir: Dir,
    /// Take the data for right without a check
    #[arg(long)]
    trust: bool,
    /// Hide what there is and hand out each piece once, so that nothing is sent twice before everything was sent once; with
    /// auto, as long as nobody else seeds
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    super_seeding: WhenToSuperSeed,
    #[command(flatten)]
    network: Network,
}

/// What `--super-seeding` takes.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum WhenToSuperSeed {
    Auto,
    On,
    Off,
}

impl From<WhenToSuperSeed> for SuperSeeding {
    fn from(when: WhenToSuperSeed) -> Self {
        match when {
            WhenToSuperSeed::Auto => Self::Auto,
            WhenToSuperSeed::On => Self::On,
            WhenToSuperSeed::Off => Self::Off,
        }
    }
}

impl Seed {
    pub(crate) async fn run(self, output: &Output, interrupt: Interrupt) -> Result {
        let torrents = self.torrents.iter().map(|path| source::load(path));
        let torrents = torrents.collect::<Result<Vec<_>>>()?;
        let session = transfer::open(&self.network, None, output).await?;
        let mut transfer = Transfer::new(session, output);
        let outcome = match self.add(&mut transfer, torrents).await {
            Ok(()) => follow(&mut transfer, output, &interrupt).await,
            Err(failure) => Err(failure),
        };
        transfer.close().await;
        outcome
    }

    async fn add(&self, transfer: &mut Transfer<'_>, torrents: Vec<Metainfo>) -> Result {
        for (torrent, path) in torrents.into_iter().zip(&self.torrents) {
            let add = transfer
                .session()
                .add(torrent)
                .dir(&self.dir.dir)
                .read_only(true)
                .trust(self.trust)
                .super_seeding(self.super_seeding.into())
                .peers(self.network.peer.iter().copied());
            let added = add.start_with_events().await;
            let (torrent, events) = added.map_err(|error| add_failure(&shown(path), error))?;
            transfer.watch(torrent, events);
        }
        Ok(())
    }
}

async fn follow(transfer: &mut Transfer<'_>, output: &Output, interrupt: &Interrupt) -> Result {
    loop {
        match transfer.next(interrupt).await? {
            Happening::Interrupted => return Ok(()),
            Happening::Started(number) => tell_start(&transfer.torrents[number], output)?,
            Happening::Completed(_)
            | Happening::Metadata
            | Happening::Tick
            | Happening::Tracker => {}
        }
    }
}

/// Only what is all there is seeded.
fn tell_start(torrent: &Torrent, output: &Output) -> Result {
    if !torrent.is_seed() {
        return Err(incomplete(torrent));
    }
    let (name, size) = (printable(torrent.name()), units::size(torrent.size()));
    output.line(format_args!(
        "seeding {name}: {size} in {}",
        shown(&torrent.dir())
    ));
    Ok(())
}

fn incomplete(torrent: &Torrent) -> Failure {
    let failed = torrent.piece_count() - torrent.bitfield().count();
    let (name, count, dir) = (
        printable(torrent.name()),
        torrent.piece_count(),
        shown(&torrent.dir()),
    );
    let advice = if failed == count {
        "is --dir the folder that holds it?"
    } else {
        "repair it with headwater download"
    };
    Failure::new(
        Code::Mismatch,
        format_args!(
            "cannot seed {name}: {failed} of {count} pieces in {dir} do not match the torrent; {advice}"
        ),
    )
}

//! Sessions on a machine that crashes: what was not synced is lost, or torn.

mod machine;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use headwater_session::{MemoryStorage, ResumePolicy, Session, SyncPolicy, Torrent};
use headwater_store::{ResumeData, Storage};
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::time::timeout;

use super::claims;
use super::sample::Sample;
use super::tally::Tally;
use machine::Machine;

/// How long a download may take that nothing happens to.
const PATIENCE: Duration = Duration::from_mins(1);

/// Crashes downloads `rounds` times, and lets the last one come to its end.
pub(super) fn run(
    rounds: u32,
    noise: &mut SmallRng,
    folder: &Path,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        while tally.kills() < rounds {
            let mut download = Download::prepare(noise, folder).await?;
            download.run(rounds, noise, tally).await?;
            download.seed.shutdown().await;
        }
        Ok(())
    })
}

/// One torrent on its way from a seed to a disk.
struct Download {
    sample: Sample,
    seed: Session,
    disk: Arc<MemoryStorage>,
    /// Where resume data is saved; another file after each crash, since a thread of the crashed session may still be at it.
    resume: PathBuf,
    crashes: u32,
    rate: u64,
    interval: Duration,
    write_back_bytes: usize,
}

impl Download {
    async fn prepare(noise: &mut SmallRng, folder: &Path) -> anyhow::Result<Self> {
        let sample = Sample::draw(noise)?;
        let seed = Session::builder()
            .port(0)
            .bind(Ipv4Addr::LOCALHOST)
            .dht(false)
            .start()
            .await?;
        let layout = sample.metainfo.info().layout();
        let there = Arc::new(MemoryStorage::new(layout));
        there.write_at(0, &[std::io::IoSlice::new(&sample.data)])?;
        let torrent = seed.add(sample.metainfo.clone()).trust(true);
        torrent.storage(move |_| Ok(there)).await?;
        // Sometimes so little that blocks are written before their piece is complete.
        let write_back_bytes = [64 << 10, 32 << 20][noise.random_range(0..2)];
        Ok(Self {
            disk: Arc::new(MemoryStorage::new(layout)),
            sample,
            seed,
            resume: folder.join(format!("{:x}-0", noise.random::<u64>())),
            crashes: 0,
            rate: noise.random_range(2..=12) << 20,
            interval: Duration::from_millis(noise.random_range(2..30)),
            write_back_bytes,
        })
    }

    /// Starts and crashes it until it gets through, or there have been enough crashes.
    async fn run(
        &mut self,
        rounds: u32,
        noise: &mut SmallRng,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        loop {
            let patience = if tally.kills() < rounds {
                Duration::from_millis(noise.random_range(2..120))
            } else {
                PATIENCE
            };
            let machine = Arc::new(Machine::new(self.disk.clone()));
            let (session, torrent) = self.start(machine.clone()).await?;
            if let Ok(outcome) = timeout(patience, torrent.wait_complete()).await {
                outcome?;
                session.shutdown().await;
                // What a session that has ended leaves behind needs no luck.
                machine.crash(|_, _| 0)?;
                tally.finished(self.differences());
                return Ok(());
            }
            anyhow::ensure!(patience < PATIENCE, "a download does not end");
            let mut luck = Luck::draw(noise);
            machine.crash(|_, length| luck.kept(noise, length))?;
            self.look(tally)?;
        }
    }

    async fn start(&self, machine: Arc<Machine>) -> anyhow::Result<(Session, Torrent)> {
        let session = Session::builder()
            .port(0)
            .bind(Ipv4Addr::LOCALHOST)
            .dht(false)
            .sync_policy(SyncPolicy::Interval(self.interval))
            .write_back_bytes(self.write_back_bytes)
            .disk_threads(2)
            .start()
            .await?;
        let seed: SocketAddr = self.seed.local_addrs()[0];
        let torrent = session
            .add(self.sample.metainfo.clone())
            .storage(move |_| Ok(machine))
            .resume_policy(ResumePolicy::File(self.resume.clone()))
            .download_limit(self.rate)
            .peers([seed])
            .await?;
        Ok((session, torrent))
    }

    /// What the last resume data that was saved claims, beside what the disk has.
    fn look(&mut self, tally: &mut Tally) -> anyhow::Result<()> {
        self.crashes += 1;
        let next = self.resume.with_extension(self.crashes.to_string());
        let saved = match fs::read(&self.resume) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            saved => Some(saved?),
        };
        let findings = match &saved {
            Some(bytes) => {
                let resume = ResumeData::decode(bytes).context("resume data is damaged")?;
                fs::write(&next, bytes)?;
                Some(claims::check(&self.sample, &resume, &*self.disk)?)
            }
            None => None,
        };
        tally.killed(findings);
        self.resume = next;
        Ok(())
    }

    fn differences(&self) -> Vec<String> {
        let same = |file: &&headwater_metainfo::FileEntry| {
            let mut there = vec![0; file.length() as usize];
            let read = self.disk.read_at(file.offset(), &mut there);
            read.is_ok() && there == self.sample.bytes_of(file)
        };
        let files = self.sample.files().iter();
        files
            .filter(|file| !same(file))
            .map(|file| file.path().as_str().to_owned())
            .collect()
    }
}

/// How much of the writes that nobody synced a crash leaves.
#[derive(Clone, Copy)]
enum Luck {
    None,
    /// All of it, but for the writes that are torn.
    Some,
    All,
}

impl Luck {
    fn draw(noise: &mut SmallRng) -> Self {
        [Self::None, Self::Some, Self::Some, Self::All][noise.random_range(0..4)]
    }

    fn kept(&mut self, noise: &mut SmallRng, length: usize) -> usize {
        match self {
            Self::None => 0,
            Self::All => length,
            Self::Some if noise.random() => noise.random_range(0..=length),
            Self::Some => [0, length][noise.random_range(0..2)],
        }
    }
}

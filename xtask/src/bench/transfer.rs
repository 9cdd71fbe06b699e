//! Transfers between us and libtorrent over loopback.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::clients::{self, Client, Programs, Seed, Settings};
use super::hashing;
use super::report::Row;
use super::usage::Usage;
use crate::files::{same_bytes, write_noise};

/// What is measured one after the other, each client in turn.
pub(super) struct Transfers<'a> {
    pub(super) programs: Programs<'a>,
    pub(super) folder: PathBuf,
    pub(super) rounds: usize,
}

const PIECE_LENGTH: u32 = 1 << 20;

const CLIENTS: [Client; 2] = [Client::Headwater, Client::Libtorrent];

impl Transfers<'_> {
    /// `mib` from a libtorrent seed, to each client in turn.
    pub(super) fn downloads(&self, job: &'static str, mib: u64) -> anyhow::Result<Vec<Row>> {
        let torrent = self.make_torrent(job, mib, PIECE_LENGTH)?;
        let mut rows = CLIENTS.map(|client| (client, Row::new(job, client.name(), mib)));
        for _ in 0..self.rounds {
            for (client, row) in &mut rows {
                let seed = self.start_seed(Client::Libtorrent, &torrent)?;
                row.add(self.download(*client, &torrent, &seed)?);
            }
        }
        Ok(rows.map(|(_, row)| row).into())
    }

    /// `mib` to a libtorrent client, from each seed in turn; the seed is what is measured.
    pub(super) fn seeds(&self, mib: u64) -> anyhow::Result<Vec<Row>> {
        let torrent = self.make_torrent("seed", mib, PIECE_LENGTH)?;
        let mut rows = CLIENTS.map(|client| (client, Row::new("seed", client.name(), mib)));
        for _ in 0..self.rounds {
            for (client, row) in &mut rows {
                let seed = self.start_seed(*client, &torrent)?;
                let before = seed.processor_time()?;
                let mut usage = self.download(Client::Libtorrent, &torrent, &seed)?;
                usage.processor = seed.processor_time()?.saturating_sub(before);
                row.add(usage);
            }
        }
        Ok(rows.map(|(_, row)| row).into())
    }

    fn start_seed(&self, client: Client, torrent: &Path) -> anyhow::Result<Seed> {
        let settings = Settings::default();
        Seed::start(client, &self.programs, torrent, &self.folder, settings)
    }

    fn download(&self, client: Client, torrent: &Path, seed: &Seed) -> anyhow::Result<Usage> {
        let target = self.folder.join("target");
        std::fs::create_dir_all(&target)?;
        let usage = clients::download(client, &self.programs, torrent, &target, seed.address())?;
        let name = torrent.file_stem().context("the torrent has a name")?;
        ensure!(
            same_bytes(&self.folder.join(name), &target.join(name))?,
            "what came is not what was sent"
        );
        std::fs::remove_dir_all(&target)?;
        Ok(usage)
    }

    /// A file of noise and its torrent.
    pub(super) fn make_torrent(
        &self,
        name: &str,
        mib: u64,
        piece_length: u32,
    ) -> anyhow::Result<PathBuf> {
        let data = self.folder.join(name);
        write_noise(&data, mib << 20, mib)?;
        let torrent = self.folder.join(format!("{name}.torrent"));
        hashing::create(self.programs.headwater, &data, &torrent, piece_length)?;
        Ok(torrent)
    }
}

//! What is shared: files of noise and their torrent.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_metainfo::create::{CreateOptions, Creator, InputFile};
use headwater_metainfo::{FileEntry, Metainfo};

use super::Args;
use crate::files::{same_bytes, write_noise};

/// The torrent, and the folder in which its data and that of every peer lie.
#[derive(Clone)]
pub(super) struct Data(Arc<Inner>);

struct Inner {
    folder: tempfile::TempDir,
    metainfo: Metainfo,
}

impl Data {
    pub(super) fn make(args: &Args, tracker: &str, rng: u64) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("headwater-swarm-")
            .tempdir()?;
        let seeds = folder.path().join("seed/swarm");
        std::fs::create_dir_all(&seeds)?;
        let lengths = lengths(args.size.as_u64(), args.files);
        for (index, length) in (0..).zip(&lengths) {
            write_noise(&seeds.join(name(index)), *length, rng ^ index)?;
        }
        let metainfo = torrent(args, tracker, &seeds, &lengths)?;
        Ok(Self(Arc::new(Inner { folder, metainfo })))
    }

    pub(super) fn metainfo(&self) -> &Metainfo {
        &self.0.metainfo
    }

    /// Where the seeds' data is.
    pub(super) fn seeds(&self) -> PathBuf {
        self.0.folder.path().join("seed")
    }

    /// Where the data of a peer goes.
    pub(super) fn leech(&self, number: u16) -> PathBuf {
        self.0.folder.path().join(format!("leech-{number}"))
    }

    /// The files of a peer that are not as the seeds have them.
    pub(super) fn differences(&self, number: u16) -> Vec<String> {
        let layout = self.0.metainfo.info().layout();
        let paths = layout.files().iter().map(FileEntry::path);
        let differs = |path: &&headwater_metainfo::SafePath| {
            !same_bytes(&path.under(self.seeds()), &path.under(self.leech(number))).unwrap_or(false)
        };
        paths
            .filter(differs)
            .map(|path| path.as_str().to_owned())
            .collect()
    }
}

/// Shares of `size` that differ, so that files end inside of pieces.
fn lengths(size: u64, files: u16) -> Vec<u64> {
    let share = size / u64::from(files);
    let mut lengths: Vec<u64> = (0..u64::from(files))
        .map(|index| share - (index * 977) % (share / 2 + 1))
        .collect();
    lengths[0] += size - lengths.iter().sum::<u64>();
    lengths
}

fn name(index: u64) -> String {
    format!("file-{index:04}.bin")
}

fn torrent(args: &Args, tracker: &str, seeds: &Path, lengths: &[u64]) -> anyhow::Result<Metainfo> {
    let options = CreateOptions {
        piece_length: Some(u32::try_from(args.piece_length().as_u64())?),
        trackers: vec![vec![tracker.to_owned()]],
        ..CreateOptions::new("swarm")
    };
    let files = (0..)
        .zip(lengths)
        .map(|(index, length)| InputFile::new([name(index)], *length));
    let creator = Creator::new(options, files.collect())?;
    let open = |file: usize| -> io::Result<std::fs::File> {
        std::fs::File::open(seeds.join(name(file as u64)))
    };
    let hashes = creator.hash_readers(open, |_| std::ops::ControlFlow::Continue(()))?;
    Ok(Metainfo::from_bytes(&creator.torrent(&hashes)?)?)
}

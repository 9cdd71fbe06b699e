//! What is transferred, the torrent of it, and the comparison.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use headwater_metainfo::create::{CreateOptions, Creator, InputFile};
use headwater_metainfo::{InfoHash, Metainfo};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::clients::ClientKind;

const PIECE: u64 = 64 * 1024;

/// How the data is cut into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One file of a whole number of pieces.
    Single,
    /// One file that ends inside a block.
    SingleRagged,
    /// Several files, each of a whole number of pieces.
    Multi,
    /// Several files in folders, none aligned, one empty.
    MultiRagged,
    /// Several files that share pieces; the leech skips the second.
    MultiSkip,
}

impl Shape {
    /// Paths and lengths; a single file has no path of its own.
    pub(crate) fn files(self) -> Vec<(&'static [&'static str], u64)> {
        match self {
            Self::Single => vec![(&[], 48 * PIECE)],
            Self::SingleRagged => vec![(&[], 40 * PIECE + 12_345)],
            Self::Multi => vec![
                (&["a.bin"], 16 * PIECE),
                (&["b.bin"], PIECE),
                (&["c", "d.bin"], 20 * PIECE),
            ],
            Self::MultiRagged => vec![
                (&["a.bin"], 700_001),
                (&["empty.bin"], 0),
                (&["sub", "b.bin"], 65_536),
                (&["sub", "deeper", "c ü.bin"], 1_300_003),
                (&["z.bin"], 1),
            ],
            Self::MultiSkip => vec![
                (&["a.bin"], 900_000),
                (&["b.bin"], 800_000),
                (&["c.bin"], 700_001),
            ],
        }
    }

    /// The file that the leech does not want, counted from 0.
    pub(crate) const fn skipped(self) -> Option<usize> {
        match self {
            Self::MultiSkip => Some(1),
            _ => None,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Single => "one file",
            Self::SingleRagged => "one file, ragged",
            Self::Multi => "files",
            Self::MultiRagged => "files, ragged",
            Self::MultiSkip => "files, one skipped",
        })
    }
}

/// Data on disk and in memory, different for every case.
pub(crate) struct Content {
    /// Name of the file, or of the folder of files.
    name: String,
    shape: Shape,
    data: Vec<Vec<u8>>,
}

impl Content {
    /// The data of case `number`.
    pub(crate) fn new(shape: Shape, number: usize) -> Self {
        let mut random = SmallRng::seed_from_u64(number as u64);
        let data = shape.files().into_iter().map(|(_, length)| {
            let mut bytes = vec![0; length as usize];
            random.fill_bytes(&mut bytes);
            bytes
        });
        Self {
            name: format!("content-{number}"),
            shape,
            data: data.collect(),
        }
    }

    /// Writes the data below `folder`.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        for (path, data) in self.paths(folder).zip(&self.data) {
            fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            fs::write(path, data)?;
        }
        Ok(())
    }

    /// The torrent, with one tracker or none.
    pub(crate) fn torrent(&self, tracker: Option<String>) -> anyhow::Result<Vec<u8>> {
        let files = self.shape.files().into_iter();
        let files = files.map(|(path, length)| match path {
            [] => InputFile::single(length),
            path => InputFile::new(path.iter().copied(), length),
        });
        let options = CreateOptions {
            piece_length: Some(PIECE as u32),
            trackers: tracker.into_iter().map(|url| vec![url]).collect(),
            ..CreateOptions::new(&self.name)
        };
        let creator = Creator::new(options, files.collect())?;
        let hashes = creator.hash(&self.data, NonZeroUsize::MIN, |_| ControlFlow::Continue(()))?;
        Ok(creator.torrent(&hashes)?)
    }

    /// The torrent's info-hash.
    pub(crate) fn info_hash(&self) -> anyhow::Result<InfoHash> {
        let metainfo = Metainfo::from_bytes(&self.torrent(None)?)?;
        Ok(metainfo.info_hashes().primary())
    }

    /// An error unless all that `leech` wanted lies below `folder`, to the byte, and of what it skipped nothing whole.
    pub(crate) fn compare(&self, folder: &Path, leech: ClientKind) -> anyhow::Result<()> {
        for (index, (path, expected)) in self.paths(folder).zip(&self.data).enumerate() {
            let got = fs::read(&path).with_context(|| format!("can't read {}", path.display()));
            if self.shape.skipped() == Some(index) {
                let is_there = got.is_ok_and(|got| got == *expected);
                ensure!(!is_there, "{} was skipped and is there", path.display());
            } else if !expected.is_empty() || leech.makes_empty_files() {
                ensure!(got? == *expected, "{} differs", path.display());
            }
        }
        Ok(())
    }

    /// Where the files lie below `folder`.
    fn paths(&self, folder: &Path) -> impl Iterator<Item = PathBuf> {
        let top = folder.join(&self.name);
        let files = self.shape.files().into_iter();
        files.map(move |(path, _)| {
            path.iter()
                .fold(top.clone(), |path, component| path.join(component))
        })
    }
}

//! What is downloaded.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use headwater_metainfo::create::{CreateOptions, Creator, InputFile};
use headwater_metainfo::{FileEntry, Metainfo};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

/// Piece lengths that are drawn from: of one block, of several, and so long that a kill mostly finds partial pieces.
const PIECE_LENGTHS: [u32; 4] = [16 << 10, 32 << 10, 128 << 10, 512 << 10];

/// A torrent with its bytes.
pub(super) struct Sample {
    pub(super) metainfo: Metainfo,
    pub(super) torrent: Vec<u8>,
    /// Of all files, one after the other.
    pub(super) data: Vec<u8>,
}

impl Sample {
    /// A few files, none of which ends where a piece does, but by chance.
    pub(super) fn draw(noise: &mut SmallRng) -> anyhow::Result<Self> {
        let count = noise.random_range(1..=5);
        let files: Vec<Vec<u8>> = (0..count).map(|file| draw_file(noise, file)).collect();
        let inputs = (0..count).map(|file| {
            let name = format!("file-{file}.bin");
            InputFile::new([name], files[file].len() as u64)
        });
        let options = CreateOptions {
            piece_length: Some(PIECE_LENGTHS[noise.random_range(0..PIECE_LENGTHS.len())]),
            ..CreateOptions::new("crash")
        };
        let creator = Creator::new(options, inputs.collect())?;
        let hashes = creator.hash(&files, NonZeroUsize::MIN, |_| ControlFlow::Continue(()))?;
        let torrent = creator.torrent(&hashes)?;
        Ok(Self {
            metainfo: Metainfo::from_bytes(&torrent)?,
            torrent,
            data: files.concat(),
        })
    }

    pub(super) fn files(&self) -> &[FileEntry] {
        self.metainfo.info().layout().files()
    }

    /// The bytes of a file.
    pub(super) fn bytes_of(&self, file: &FileEntry) -> &[u8] {
        let range = file.range();
        &self.data[range.start as usize..range.end as usize]
    }

    /// Writes the files below `folder`.
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        for file in self.files() {
            let path = file.path().under(folder);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, self.bytes_of(file))?;
        }
        Ok(())
    }

    /// The wanted files that are not the same below `folder`, and skipped ones that are there.
    pub(super) fn differences(&self, folder: &Path, skipped: Option<usize>) -> Vec<String> {
        let is_wrong = |(number, file): &(usize, &FileEntry)| {
            let there = std::fs::read(file.path().under(folder));
            match there {
                Ok(there) => skipped == Some(*number) || there != self.bytes_of(file),
                Err(_) => skipped != Some(*number),
            }
        };
        let files = self.files().iter().enumerate().filter(is_wrong);
        files
            .map(|(_, file)| file.path().as_str().to_owned())
            .collect()
    }
}

fn draw_file(noise: &mut SmallRng, number: usize) -> Vec<u8> {
    let length = match noise.random_range(0..10) {
        // A torrent of nothing is none.
        _ if number == 0 => noise.random_range(500_000..2_000_000),
        0 => 0,
        1 => noise.random_range(1..100),
        2 => 64 << 10,
        _ => noise.random_range(10_000..2_000_000),
    };
    let mut bytes = vec![0; length];
    noise.fill_bytes(&mut bytes);
    bytes
}

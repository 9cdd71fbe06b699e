//! Files of noise, and whether two of them are the same.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const CHUNK: usize = 1 << 20;

/// Where files go whose durability does not matter: memory, where there is a folder of it.
pub(crate) fn memory_folder() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() {
        shared
    } else {
        std::env::temp_dir()
    }
}

/// Writes `length` bytes that depend on `seed` alone.
pub(crate) fn write_noise(path: &Path, length: u64, seed: u64) -> io::Result<()> {
    let mut noise = SmallRng::seed_from_u64(seed);
    let mut file = File::create(path)?;
    let mut chunk = vec![0; CHUNK];
    let mut left = length;
    while left > 0 {
        let part = &mut chunk[..left.min(CHUNK as u64) as usize];
        noise.fill(part);
        file.write_all(part)?;
        left -= part.len() as u64;
    }
    Ok(())
}

/// Whether two files have the same length and bytes.
pub(crate) fn same_bytes(left: &Path, right: &Path) -> io::Result<bool> {
    let mut sides = [File::open(left)?, File::open(right)?];
    let mut left = sides[0].metadata()?.len();
    if sides[1].metadata()?.len() != left {
        return Ok(false);
    }
    let mut chunks = [vec![0; CHUNK], vec![0; CHUNK]];
    while left > 0 {
        let length = left.min(CHUNK as u64) as usize;
        for (side, chunk) in sides.iter_mut().zip(&mut chunks) {
            side.read_exact(&mut chunk[..length])?;
        }
        if chunks[0][..length] != chunks[1][..length] {
            return Ok(false);
        }
        left -= length as u64;
    }
    Ok(true)
}

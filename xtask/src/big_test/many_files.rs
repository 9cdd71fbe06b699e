//! Very many small files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use super::program::Program;
use super::report::{Report, Size};

const PIECE_LENGTH: u64 = 64 << 10;
/// Files in a folder.
const FOLDER: u32 = 1000;
/// Bytes of a file at most.
const LONGEST: usize = 2500;

pub(super) fn run(
    program: &Program,
    folder: &Path,
    files: u32,
    report: &mut Report,
) -> anyhow::Result<()> {
    let total = write_files(&folder.join("many"), files)?;
    let size = Size {
        files: files.into(),
        pieces: total.div_ceil(PIECE_LENGTH),
    };
    let mut add = |step, usage| report.add("many", step, size, usage);
    let create = ["create", "many", "--piece-length", "64KiB"];
    add("create", program.run(folder, &create)?);
    add("verify", program.run(folder, &["verify", "many.torrent"])?);

    let local = ["--bind", "127.0.0.1", "--port", "0", "--no-trackers"];
    let seed = [&["seed", "many.torrent"], &local[..]].concat();
    let mut seed = program.start(folder, &seed)?;
    let port = seed.event("listening")?["port"].to_string();
    seed.event("checked")?;
    add("seed, checked", seed.usage());
    let peer = format!("127.0.0.1:{port}");
    let more = ["--dir", "target", "--peer", &peer, "--save-interval", "1"];
    let download = [&["download", "many.torrent"], &more[..], &local].concat();
    add("download", program.run(folder, &download)?);
    add("seed", seed.usage());
    for number in 0..files {
        let path = path(number);
        let (from, to) = (
            folder.join("many").join(&path),
            folder.join("target/many").join(&path),
        );
        ensure!(
            fs::read(from)? == fs::read(to)?,
            "{} differs",
            path.display()
        );
    }
    // From resume data alone, which says that nothing has changed.
    add("download again", program.run(folder, &download)?);
    Ok(())
}

fn path(number: u32) -> PathBuf {
    let (folder, file) = (number / FOLDER, number % FOLDER);
    PathBuf::from(format!("folder-{folder:04}/file-{file:04}.bin"))
}

/// Gives how many bytes they have all together.
fn write_files(folder: &Path, files: u32) -> anyhow::Result<u64> {
    let mut noise = SmallRng::seed_from_u64(files.into());
    let mut bytes = vec![0; LONGEST];
    let mut total = 0;
    for number in 0..files {
        let path = folder.join(path(number));
        if let Some(parent) = path.parent().filter(|_| number.is_multiple_of(FOLDER)) {
            fs::create_dir_all(parent)?;
        }
        let length = noise.random_range(1..=LONGEST);
        noise.fill_bytes(&mut bytes[..length]);
        fs::write(path, &bytes[..length])?;
        total += length as u64;
    }
    Ok(total)
}

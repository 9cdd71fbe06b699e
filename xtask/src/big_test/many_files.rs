//! Very many small files.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use anyhow::ensure;
use headwater_metainfo::Metainfo;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use super::program::{Program, Running};
use super::report::{Report, Size};
use super::wire::Wire;
use crate::interop::process::LOCAL;

const PIECE_LENGTH: u64 = 64 << 10;
/// Files in a folder.
const FOLDER: u32 = 1000;
/// Bytes of a file at most.
const LONGEST: usize = 2500;
/// Files that are fetched while a crowd waits.
const FETCHED: u32 = 2000;

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
    program.run(folder, &create)?;
    add("verify", program.run(folder, &["verify", "many.torrent"])?);

    let (mut seed, address) = program.seed(folder, "many.torrent")?;
    add("seed, checked", seed.usage());
    let peer = address.to_string();
    let more = ["--dir", "target", "--peer", &peer, "--save-interval", "1"];
    let download = [&["download", "many.torrent"], &more[..], &LOCAL].concat();
    add("download", program.run(folder, &download)?);
    fetch_in_a_crowd(folder, address, files, &mut seed, program.descriptors)?;
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

/// Has a seed open many files while more peers than it has descriptors want to be let in.
fn fetch_in_a_crowd(
    folder: &Path,
    address: SocketAddr,
    files: u32,
    seed: &mut Running,
    descriptors: usize,
) -> anyhow::Result<()> {
    let torrent = Metainfo::from_bytes(&fs::read(folder.join("many.torrent"))?)?;
    let mut wire = Wire::connect(address, torrent.info().info_hashes().primary())?;
    let crowd = (0..descriptors + 50).map(|_| TcpStream::connect(address));
    let _crowd = crowd.collect::<Result<Vec<_>, _>>()?;
    let mut start = 0;
    for number in 0..files.min(FETCHED) {
        let expected = fs::read(folder.join("many").join(path(number)))?;
        let got = wire.fetch(start, expected.len(), PIECE_LENGTH)?;
        ensure!(got == expected, "what is served of file {number} differs");
        start += expected.len() as u64;
        if number.is_multiple_of(FETCHED / 20) {
            seed.usage();
        }
    }
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

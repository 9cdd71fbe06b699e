//! A file that is very long, and of which most was never written.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::ensure;
use headwater_hash::{sha1, sha1_of_zeros};
use headwater_metainfo::create::{CreateOptions, Creator, InputFile};
use headwater_metainfo::{Metainfo, PieceIndex};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use super::program::Program;
use super::report::{Report, Size};
use super::wire::Wire;
use crate::files::{same_bytes, write_noise};
use crate::interop::process::LOCAL;

const PIECE_LENGTH: u64 = 16 << 20;
/// Runs of data in the long file.
const ISLANDS: u64 = 16;
const ISLAND_LENGTH: usize = 300_000;
/// Bytes of the file behind it, which the leech wants.
const TAIL_LENGTH: u64 = 40 << 20;

pub(super) fn run(
    program: &Program,
    folder: &Path,
    total: u64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let data = folder.join("sparse");
    fs::create_dir_all(&data)?;
    let islands = write_islands(&data.join("a-huge.bin"), total.saturating_sub(TAIL_LENGTH))?;
    write_noise(&data.join("b-tail.bin"), TAIL_LENGTH, total)?;
    let size = Size {
        files: 2,
        pieces: total.div_ceil(PIECE_LENGTH),
    };
    let mut add = |step, usage| report.add("sparse", step, size, usage);
    fs::write(
        folder.join("sparse.torrent"),
        make_torrent(&data, &islands)?,
    )?;
    add(
        "verify",
        program.run(folder, &["verify", "sparse.torrent"])?,
    );

    let (mut seed, address) = program.seed(folder, "sparse.torrent")?;
    add("seed, checked", seed.usage());
    let peer = address.to_string();
    // The first piece of the tail is the last of the huge file: what is not wanted of it goes to the part file.
    let more = ["--dir", "target", "--peer", &peer, "--select", "2"];
    let download = [&["download", "sparse.torrent"], &more[..], &LOCAL].concat();
    add("download, a part", program.run(folder, &download)?);
    ensure!(
        same_bytes(
            &data.join("b-tail.bin"),
            &folder.join("target/sparse/b-tail.bin")
        )?,
        "the selected file differs"
    );
    compare_islands(folder, address, &islands)?;
    add("seed", seed.usage());
    Ok(())
}

/// All pieces that hold no data are alike, so that only the others are hashed.
fn make_torrent(data: &Path, islands: &[u64]) -> anyhow::Result<Vec<u8>> {
    let names = ["a-huge.bin", "b-tail.bin"];
    let files = names.map(|name| File::open(data.join(name)));
    let files = files.into_iter().collect::<Result<Vec<_>, _>>()?;
    let lengths = files
        .iter()
        .map(|file| file.metadata().map(|data| data.len()));
    let lengths = lengths.collect::<Result<Vec<_>, _>>()?;
    let inputs = names.iter().zip(&lengths);
    let inputs = inputs.map(|(name, &length)| InputFile::new([*name], length));
    let options = CreateOptions {
        piece_length: Some(PIECE_LENGTH as u32),
        ..CreateOptions::new("sparse")
    };
    let creator = Creator::new(options, inputs.collect())?;
    let (layout, geometry) = (creator.layout(), creator.geometry());
    let mut hashes = vec![sha1_of_zeros(PIECE_LENGTH); geometry.piece_count() as usize];
    let island = |start: &u64| *start..start + ISLAND_LENGTH as u64;
    let written = islands.iter().map(island);
    let tail = lengths[0]..lengths[0] + lengths[1];
    let mut bytes = vec![0; PIECE_LENGTH as usize];
    for piece in written
        .chain([tail])
        .flat_map(|range| geometry.pieces_touching(range))
    {
        let range = geometry.piece_range(PieceIndex(piece));
        let mut rest = &mut bytes[..(range.end - range.start) as usize];
        for span in layout.spans(range.start, range.end - range.start) {
            let (now, later) = rest.split_at_mut(span.length as usize);
            files[span.file.as_usize()].read_exact_at(now, span.offset)?;
            rest = later;
        }
        let length = (range.end - range.start) as usize;
        hashes[piece as usize] = sha1(&bytes[..length]);
    }
    Ok(creator.torrent(&hashes)?)
}

/// Gives where the islands are.
fn write_islands(path: &Path, length: u64) -> anyhow::Result<Vec<u64>> {
    let file = File::create(path)?;
    file.set_len(length)?;
    let mut noise = SmallRng::seed_from_u64(length);
    let mut islands = Vec::new();
    for number in 0..ISLANDS {
        // Somewhere in each part, and at both ends.
        let part = (length - ISLAND_LENGTH as u64) / (ISLANDS - 1);
        let start = number * part;
        let mut bytes = vec![0; ISLAND_LENGTH];
        noise.fill_bytes(&mut bytes);
        file.write_all_at(&bytes, start)?;
        islands.push(start);
    }
    islands.push(noise.random_range(0..length - ISLAND_LENGTH as u64));
    Ok(islands)
}

/// Fetches the islands, and a place where there is most likely none, block by block.
fn compare_islands(folder: &Path, address: SocketAddr, starts: &[u64]) -> anyhow::Result<()> {
    let torrent = Metainfo::from_bytes(&fs::read(folder.join("sparse.torrent"))?)?;
    let file = File::open(folder.join("sparse/a-huge.bin"))?;
    let mut wire = Wire::connect(address, torrent.info().info_hashes().primary())?;
    for &start in starts {
        let mut expected = vec![0; ISLAND_LENGTH];
        file.read_exact_at(&mut expected, start)?;
        let got = wire.fetch(start, ISLAND_LENGTH, PIECE_LENGTH)?;
        ensure!(got == expected, "what is served from {start} differs");
    }
    Ok(())
}

//! Checks read each byte once: holes not at all, and the system's page cache is left as it was.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use std::fs::File;
use std::io::IoSliceMut;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use headwater_metainfo::{FileLayout, PieceIndex};
use headwater_store::testing::Sample;
use headwater_store::{Contents, FileOptions, FileStorage, Options, PieceCheck, PieceStore, scan};
use parking_lot::Mutex;
use rustix::fs::{Advice, fadvise};
use rustix::io::{ReadWriteFlags, preadv2};

const PAGE: u64 = 4096;

/// A folder on a disk, where there is one.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Whether each page of the file is in memory; `None` where nobody can tell.
fn resident_pages(path: &Path) -> Option<Vec<bool>> {
    let file = scan::open(path).unwrap();
    let pages = (0..file.metadata().unwrap().len()).step_by(PAGE as usize);
    let is_resident = |offset| {
        let mut byte = [0];
        let mut slices = [IoSliceMut::new(&mut byte)];
        match preadv2(&file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Some(read == 1),
            Err(rustix::io::Errno::AGAIN) => Some(false),
            Err(_) => None,
        }
    };
    pages.map(is_resident).collect()
}

fn evict(path: &Path) {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
}

fn check_all(
    sample: &Arc<Sample>,
    dir: &Path,
    options: FileOptions,
) -> Vec<(PieceIndex, PieceCheck)> {
    let storage = FileStorage::new(sample.clone(), dir, options).unwrap();
    let store = PieceStore::new(sample.clone(), Arc::new(storage), Options::default());
    let results = Mutex::new(Vec::new());
    let pieces: Vec<_> = sample.geometry().pieces().collect();
    let report = |piece, result: Result<_, _>| results.lock().push((piece, result.unwrap()));
    assert!(store.check_many(&pieces, 2, &report, &AtomicBool::new(false)));
    let mut results = results.into_inner();
    results.sort_by_key(|(piece, _)| *piece);
    results
}

fn all_pass(results: &[(PieceIndex, PieceCheck)]) -> bool {
    results
        .iter()
        .all(|(_, result)| *result == PieceCheck::Passed)
}

#[test]
fn a_check_leaves_the_page_cache_as_it_was() {
    const LENGTH: u64 = 24 << 20;
    let dir = folder();
    let sample = Arc::new(Sample::new([("cold", LENGTH), ("warm", LENGTH)], 1 << 20));
    for (name, from) in [("cold", 0), ("warm", LENGTH as usize)] {
        let path = dir.path().join(name);
        std::fs::write(&path, &sample.data()[from..from + LENGTH as usize]).unwrap();
        evict(&path);
    }
    let warm = std::fs::read(dir.path().join("warm")).unwrap();
    assert_eq!(warm.len() as u64, LENGTH);
    let count = |name: &str| {
        let pages = resident_pages(&dir.path().join(name))?;
        Some(pages.iter().filter(|resident| **resident).count() as u64)
    };
    let (Some(cold), Some(warm)) = (count("cold"), count("warm")) else {
        println!("skipped: the file system does not say what is in memory");
        return;
    };
    if cold > LENGTH / PAGE / 10 || warm < LENGTH / PAGE {
        println!("skipped: the system keeps files in memory as it likes");
        return;
    }
    // Looking has itself brought single pages in.
    evict(&dir.path().join("cold"));
    assert!(all_pass(&check_all(
        &sample,
        dir.path(),
        FileOptions::default()
    )));
    let (cold, warm) = (count("cold").unwrap(), count("warm").unwrap());
    assert!(
        cold <= LENGTH / PAGE / 10,
        "{cold} pages were left in memory"
    );
    assert!(
        warm >= LENGTH / PAGE * 9 / 10,
        "only {warm} pages are still in memory"
    );
}

#[test]
fn holes_pass_or_fail_as_zeros_do() {
    const PIECE: u64 = 65_536;
    let data = {
        // Pieces 1, 3 and the short last one are zeros; 4 is zeros but for its first byte.
        let mut data = vec![0; 5 * PIECE as usize + 100];
        for (start, length) in [(0, PIECE), (2 * PIECE, PIECE), (4 * PIECE, 1)] {
            data[start as usize..(start + length) as usize].fill(7);
        }
        data
    };
    let layout = FileLayout::new([("a", PIECE + 10), ("b", 4 * PIECE + 90)]).unwrap();
    let sample = Arc::new(Sample::from_data(layout, PIECE, data.clone()));
    let dir = folder();
    let write = |name: &str, from: usize, length: u64| {
        let file = File::create(dir.path().join(name)).unwrap();
        file.set_len(length).unwrap();
        for at in (0..length as usize).step_by(PAGE as usize) {
            let part = &data[from + at..from + (at + PAGE as usize).min(length as usize)];
            if part.iter().any(|byte| *byte != 0) {
                file.write_all_at(part, at as u64).unwrap();
            }
        }
    };
    write("a", 0, PIECE + 10);
    write("b", PIECE as usize + 10, 4 * PIECE + 90);
    for portable in [false, true] {
        let options = || FileOptions {
            portable,
            ..FileOptions::default()
        };
        assert!(all_pass(&check_all(&sample, dir.path(), options())));
        let b = dir.path().join("b");
        let file = File::options().write(true).open(&b).unwrap();

        // A file that is cut has no zeros where its end was,
        file.set_len(4 * PIECE + 89).unwrap();
        let results = check_all(&sample, dir.path(), options());
        assert_eq!(results[5].1, PieceCheck::Failed);
        assert!(all_pass(&results[..5]));
        file.set_len(4 * PIECE + 90).unwrap();

        // and one that is gone has none at all.
        std::fs::rename(&b, dir.path().join("elsewhere")).unwrap();
        let results = check_all(&sample, dir.path(), options());
        assert!(
            results[1..]
                .iter()
                .all(|(_, result)| *result == PieceCheck::Failed)
        );
        std::fs::rename(dir.path().join("elsewhere"), &b).unwrap();
    }
    // A hole where data belongs fails.
    let hollow = File::create(dir.path().join("a")).unwrap();
    hollow.set_len(PIECE + 10).unwrap();
    let length = NonZeroU64::new(PIECE + 10);
    let _ = fadvise(&hollow, 0, length, Advice::DontNeed);
    let results = check_all(&sample, dir.path(), FileOptions::default());
    assert_eq!(results[0].1, PieceCheck::Failed);
    assert!(all_pass(&results[1..]));
}

/// Pieces so long that a batch of them would not fit into memory are read side by side all the same.
#[test]
fn long_pieces_are_checked_in_parts() {
    let sample = Arc::new(Sample::new([("f", (5 << 20) + 77)], 2 << 20));
    let dir = folder();
    let mut data = sample.data().to_vec();
    data[(2 << 20) + 1_500_000] ^= 1;
    std::fs::write(dir.path().join("f"), &data).unwrap();
    let results = check_all(&sample, dir.path(), FileOptions::default());
    let failed: Vec<_> = results
        .iter()
        .filter(|(_, result)| *result == PieceCheck::Failed)
        .map(|(piece, _)| *piece)
        .collect();
    assert_eq!(failed, [PieceIndex(1)]);
}

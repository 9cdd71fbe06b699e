use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::{Metainfo, PieceIndex};

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn go_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn creator(contents: &[Vec<u8>], piece_length: u32) -> Creator {
    let files = contents.iter().enumerate();
    let files = files.map(|(index, data)| InputFile::new([format!("f{index}")], data.len() as u64));
    let options = CreateOptions {
        piece_length: Some(piece_length),
        ..CreateOptions::new("t")
    };
    Creator::new(options, files.collect()).unwrap()
}

/// A reader that gives a few bytes at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = buffer.len().min(777);
        self.0.read(&mut buffer[..limit])
    }
}

#[test]
fn everything_asked_for_is_in_the_torrent() {
    let options = CreateOptions {
        private: true,
        comment: Some("words".into()),
        source: Some("here".into()),
        created_by: Some("a test".into()),
        creation_date: Some(1),
        trackers: vec![
            vec!["http://a/".into()],
            vec!["http://b/".into(), "udp://c".into()],
        ],
        web_seeds: vec!["http://seed/".into()],
        ..CreateOptions::new("name")
    };
    let contents = vec![vec![1; 10]];
    let creator = Creator::new(options.clone(), vec![InputFile::single(10)]).unwrap();
    let hashes = creator.hash(&contents, threads(1), go_on).unwrap();
    let bytes = creator.torrent(&hashes).unwrap();
    headwater_bencode::decode(&bytes).expect("canonical");

    let torrent = Metainfo::from_bytes(&bytes).unwrap();
    assert_eq!(torrent.trackers(), options.trackers);
    assert_eq!(torrent.web_seeds(), options.web_seeds);
    assert_eq!(torrent.comment(), Some("words"));
    assert_eq!(torrent.created_by(), Some("a test"));
    assert_eq!(torrent.creation_date(), Some(1));
    let info = torrent.info();
    assert!(info.is_private() && !info.is_multi_file());
    assert_eq!((info.name(), info.source()), ("name", Some("here")));
    assert_eq!(
        info.piece_hash(PieceIndex(0)),
        Some(headwater_hash::sha1(&contents[0]))
    );
}

#[test]
fn the_order_of_the_files_changes_nothing() {
    let contents = BTreeMap::from([
        ("a/b", vec![1; 20_000]),
        ("a!", vec![2; 5]),
        ("c", vec![3; 7]),
    ]);
    let make = |names: [&str; 3]| {
        let data: Vec<_> = names.iter().map(|name| contents[name].clone()).collect();
        let files = names.iter().zip(&data);
        let files = files
            .map(|(name, data)| InputFile::new(name.split('/'), data.len() as u64))
            .collect();
        let creator = Creator::new(CreateOptions::new("t"), files).unwrap();
        let hashes = creator.hash(&data, threads(2), go_on).unwrap();
        creator.torrent(&hashes).unwrap()
    };
    assert_eq!(make(["c", "a!", "a/b"]), make(["a/b", "c", "a!"]));
}

#[test]
fn files_that_change_while_they_are_read_are_noticed() {
    let creator = creator(&[vec![0; 20_000], vec![0; 20_000]], 16_384);
    for (lengths, expected) in [
        ([20_000, 19_999], "t/f1 has become shorter"),
        ([20_001, 20_000], "t/f0 has become longer"),
    ] {
        let now: Vec<_> = lengths.iter().map(|&length| vec![0; length]).collect();
        let parallel = creator.hash(&now, threads(2), go_on).unwrap_err();
        let serial = creator
            .hash_readers(|file| Ok(&now[file][..]), go_on)
            .unwrap_err();
        assert!(parallel.to_string().starts_with(expected), "{parallel}");
        assert!(serial.to_string().starts_with(expected), "{serial}");
    }
    let gone = creator
        .hash(&vec![vec![0; 20_000]], threads(1), go_on)
        .unwrap_err();
    assert!(gone.to_string().starts_with("cannot read t/f1"), "{gone}");
}

#[test]
fn progress_adds_up_and_can_interrupt() {
    let contents = vec![vec![7; 100_000], vec![8; 50_000]];
    let creator = creator(&contents, 16_384);
    let seen = AtomicU64::new(0);
    let count = |bytes| {
        seen.fetch_add(bytes, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    creator.hash(&contents, threads(3), count).unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 150_000);

    let stopped = creator.hash(&contents, threads(3), |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(CreateError::Interrupted)));
    let stopped = creator.hash_readers(|file| Ok(&contents[file][..]), |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(CreateError::Interrupted)));
}

#[test]
fn what_makes_no_torrent_is_refused() {
    let make = |name: &str, files: &[&[&str]], length| {
        let files = files
            .iter()
            .map(|path| InputFile::new(path.iter().copied(), length));
        Creator::new(CreateOptions::new(name), files.collect())
            .map(|_| ())
            .unwrap_err()
    };
    assert!(matches!(
        make("t", &[], 1),
        CreateError::Layout(LayoutError::NoFiles)
    ));
    assert!(matches!(make("t", &[&["a"]], 0), CreateError::NoData));
    assert!(matches!(make("..", &[&["a"]], 1), CreateError::Name(_)));
    assert!(matches!(make("t", &[&["a/b"]], 1), CreateError::Name(_)));
    assert!(matches!(make("t", &[&["a"], &[]], 1), CreateError::Name(_)));
    assert!(matches!(
        make("t", &[&["a"], &["a"]], 1),
        CreateError::Duplicate(_)
    ));
    assert!(matches!(
        make("t", &[&["a", "b"], &["a!"], &["a"]], 1),
        CreateError::Duplicate(_)
    ));
    assert!(matches!(
        make("t", &[&["a"], &["b"]], u64::MAX),
        CreateError::Layout(LayoutError::TooLarge)
    ));

    let odd = CreateOptions {
        piece_length: Some(20_000),
        ..CreateOptions::new("t")
    };
    let error = Creator::new(odd, vec![InputFile::single(1)]).unwrap_err();
    assert!(matches!(error, CreateError::PieceLength(20_000)));

    let creator = creator(&[vec![0; 5]], 16_384);
    let error = creator.torrent(&[]).unwrap_err();
    assert!(matches!(
        error,
        CreateError::HashCount {
            got: 0,
            expected: 1
        }
    ));
}

#[test]
fn a_torrent_that_could_not_be_loaded_is_refused_before_hashing() {
    let options = CreateOptions {
        comment: Some("x".repeat(MAX_TORRENT_SIZE)),
        ..CreateOptions::new("t")
    };
    let error = Creator::new(options, vec![InputFile::single(1)]).unwrap_err();
    assert!(matches!(error, CreateError::TooLarge));
}

#[test]
fn files_that_others_will_save_elsewhere_are_told() {
    let files = ["Makefile", "back\\slash", "makefile"].map(|name| InputFile::new([name], 1));
    let creator = Creator::new(CreateOptions::new("t"), files.into()).unwrap();
    let renamed: Vec<_> = creator
        .renamed_files()
        .map(|(given, saved)| (given, saved.to_string()))
        .collect();
    let expected = [
        ("t/back\\slash", "t/back_slash"),
        ("t/makefile", "t/makefile (2)"),
    ];
    assert_eq!(
        renamed,
        expected.map(|(given, saved)| (given.to_owned(), saved.to_owned()))
    );
}

#[test]
fn piece_lengths_make_one_to_two_thousand_pieces() {
    for total in [
        1u64 << 25,
        (1 << 30) + 1,
        50_000_000_000,
        16_000_000_000,
        33_554_432_000,
    ] {
        let pieces = total.div_ceil(u64::from(piece_length_for(total)));
        assert!(
            (1_000..=2_000).contains(&pieces) || total > 16_777_216 * 2_000,
            "{total}: {pieces}"
        );
    }
    assert_eq!(piece_length_for(0), 16 << 10);
    assert_eq!(piece_length_for(1 << 44), 16 << 20);
    assert_eq!(piece_length_for((1 << 45) + 1), 32 << 20);
    assert_eq!(piece_length_for(u64::MAX), PieceGeometry::MAX_PIECE_LENGTH);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_way_of_hashing_gives_the_hashes_of_the_joined_files(
        lengths in prop::collection::vec(prop_oneof![Just(0usize), 1usize..60_000], 1..8), seed: u8, count in 1usize..4,
    ) {
        prop_assume!(lengths.iter().any(|&length| length > 0));
        let contents: Vec<Vec<u8>> = lengths
            .iter()
            .enumerate()
            .map(|(file, &length)| (0..length).map(|n| (n / 3) as u8 ^ seed ^ file as u8).collect())
            .collect();
        let creator = creator(&contents, 16_384);
        let expected: Vec<_> = contents.concat().chunks(16_384).map(headwater_hash::sha1).collect();
        prop_assert_eq!(&creator.hash(&contents, threads(count), go_on).unwrap(), &expected);
        let read = creator.hash_readers(|file| Ok(Slow(&contents[file])), go_on).unwrap();
        prop_assert_eq!(&read, &expected);

        let mut hasher = PieceHasher::new(creator.geometry());
        contents.concat().chunks(1_234).for_each(|part| hasher.update(part));
        prop_assert_eq!(&hasher.finish(), &expected);
    }
}

/// Files in memory of which runs of zeros count as holes, and which keep a record of what they are told.
#[derive(Default)]
struct Sparse {
    contents: Vec<Vec<u8>>,
    holes: std::sync::Mutex<u64>,
    ahead: std::sync::Mutex<Vec<(usize, Range<u64>)>>,
    behind: std::sync::Mutex<Vec<(usize, Range<u64>)>>,
}

impl Source for Sparse {
    fn read_at(&self, file: usize, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.contents.read_at(file, offset, buffer)
    }

    fn read_ahead(&self, file: usize, range: Range<u64>) -> Vec<Range<u64>> {
        self.ahead.lock().unwrap().push((file, range.clone()));
        let middle = u64::midpoint(range.start, range.end);
        vec![range.start..middle, middle..range.end]
    }

    fn let_go(&self, file: usize, brought: Range<u64>) {
        self.behind.lock().unwrap().push((file, brought));
    }

    fn is_hole(&self, file: usize, range: Range<u64>) -> bool {
        let bytes = self.contents[file].get(range.start as usize..range.end as usize);
        let is_hole = bytes.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
        *self.holes.lock().unwrap() += u64::from(is_hole);
        is_hole
    }
}

#[test]
fn holes_hash_as_zeros_and_what_was_brought_in_is_let_go() {
    let mut contents = vec![
        vec![7; 3_000_000],
        vec![0; 5_000_000],
        vec![7; 10],
        vec![0; 70_000],
    ];
    contents[1][4_999_999] = 1;
    let creator = creator(&contents, 1 << 16);
    let expected = creator.hash(&contents, threads(1), go_on).unwrap();
    let sparse = Sparse {
        contents,
        ..Sparse::default()
    };
    let counted = AtomicU64::new(0);
    let count = |bytes| {
        counted.fetch_add(bytes, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    assert_eq!(creator.hash(&sparse, threads(3), count).unwrap(), expected);
    assert_eq!(counted.into_inner(), creator.geometry().total_size());
    assert!(*sparse.holes.lock().unwrap() > 70);
    let bytes = |told: &std::sync::Mutex<Vec<(usize, Range<u64>)>>| -> BTreeMap<usize, u64> {
        let mut bytes = BTreeMap::new();
        for (file, range) in &*told.lock().unwrap() {
            *bytes.entry(*file).or_default() += range.end - range.start;
        }
        bytes
    };
    assert_eq!(bytes(&sparse.ahead), bytes(&sparse.behind));
    assert_eq!(bytes(&sparse.ahead)[&0], 3_000_000);
    assert!(bytes(&sparse.ahead)[&1] < 200_000, "holes are not read");
}

#[test]
fn a_hole_that_ends_too_early_or_too_late_is_noticed() {
    let contents = vec![vec![0; 200_000]];
    let creator = creator(&contents, 1 << 16);
    let hash = |length| {
        let sparse = Sparse {
            contents: vec![vec![0; length]],
            ..Sparse::default()
        };
        creator.hash(&sparse, threads(1), go_on)
    };
    assert!(hash(200_000).is_ok());
    assert!(matches!(hash(199_999), Err(CreateError::Shorter(_))));
    assert!(matches!(hash(200_001), Err(CreateError::Longer(_))));
}

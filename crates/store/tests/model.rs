//! Every back end against a plain row of bytes, under random operations.

use std::fmt::Debug;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use headwater_metainfo::{Attributes, FileLayout, LayoutBuilder};
use headwater_store::testing::Sample;
use headwater_store::{
    Allocation, Contents, FileOptions, FileStorage, MemoryStorage, Pool, PoolOptions, Storage,
};
use proptest::prelude::*;
use proptest::sample::Index;

const PIECE_LENGTH: u64 = 100;

#[derive(Debug, Clone)]
enum Step {
    Write(Index, Index, u8),
    Read(Index, Index),
    Want(Vec<bool>),
    Reopen(Vec<bool>),
    Prepare,
    Sync,
    Release,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Backend {
    Memory,
    Reserved,
    Sparse,
    Portable,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wanted = || prop::collection::vec(any::<bool>(), 8);
    let step = prop_oneof![
        6 => (any::<Index>(), any::<Index>(), 1u8..).prop_map(|(a, b, seed)| Step::Write(a, b, seed)),
        3 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Step::Read(a, b)),
        2 => wanted().prop_map(Step::Want),
        1 => wanted().prop_map(Step::Reopen),
        1 => Just(Step::Prepare),
        1 => Just(Step::Sync),
        1 => Just(Step::Release),
    ];
    prop::collection::vec(step, 1..40)
}

fn layouts() -> impl Strategy<Value = FileLayout> {
    let length = prop_oneof![1 => Just(0u64), 4 => 1u64..350];
    let files = prop::collection::vec((length, prop::bool::weighted(0.2)), 1..8);
    let files = files.prop_filter("no bytes", |files| {
        files.iter().any(|(length, _)| *length > 0)
    });
    files.prop_map(|files| {
        let mut builder = LayoutBuilder::new();
        for (index, (length, is_pad)) in files.into_iter().enumerate() {
            let name = index.to_string();
            let attributes = Attributes {
                pad: is_pad,
                ..Attributes::default()
            };
            let folder = if index % 2 == 0 { "even" } else { "odd" };
            builder
                .push(&["t", folder, &name], length, &attributes)
                .unwrap();
        }
        builder.finish().unwrap()
    })
}

/// The storage under test and what it should hold.
struct Pair {
    torrent: Arc<Sample>,
    backend: Backend,
    dir: tempfile::TempDir,
    storage: Box<dyn Storage>,
    wanted: Vec<bool>,
    /// Files that were never wanted.
    shunned: Vec<bool>,
    model: Vec<Option<u8>>,
}

impl Pair {
    fn new(layout: FileLayout, backend: Backend, wanted: &[bool]) -> Self {
        let mut model = vec![None; layout.total_size() as usize];
        for pad in layout.files().iter().filter(|file| file.is_pad()) {
            model[pad.offset() as usize..][..pad.length() as usize].fill(Some(0));
        }
        let torrent = Arc::new(Sample::from_layout(layout, PIECE_LENGTH));
        let dir = tempfile::tempdir().unwrap();
        let wanted = wanted[..torrent.layout().len()].to_vec();
        let storage = open(&torrent, backend, dir.path(), &wanted);
        let shunned = wanted.iter().map(|wanted| !wanted).collect();
        Self {
            torrent,
            backend,
            dir,
            storage,
            wanted,
            shunned,
            model,
        }
    }

    fn run(&mut self, step: &Step) {
        let files = self.torrent.layout().len();
        match step {
            Step::Write(a, b, seed) => self.write(*a, *b, *seed),
            Step::Read(a, b) => {
                let range = self.range(*a, *b);
                self.compare(range);
            }
            Step::Want(wanted) => {
                self.want(&wanted[..files]);
                self.storage.set_wanted(&wanted[..files]).unwrap();
            }
            Step::Reopen(wanted) if self.backend != Backend::Memory => {
                self.want(&wanted[..files]);
                self.storage = open(&self.torrent, self.backend, self.dir.path(), &self.wanted);
            }
            Step::Reopen(_) => {}
            Step::Prepare => self.storage.prepare().unwrap(),
            Step::Sync => self.storage.sync().unwrap(),
            Step::Release => self.storage.release().unwrap(),
        }
        self.check_shunned();
    }

    fn want(&mut self, wanted: &[bool]) {
        self.wanted = wanted.to_vec();
        for (shunned, wanted) in self.shunned.iter_mut().zip(wanted) {
            *shunned &= !wanted;
        }
    }

    fn range(&self, a: Index, b: Index) -> std::ops::Range<usize> {
        let size = self.model.len() + 1;
        let (a, b) = (a.index(size), b.index(size));
        a.min(b)..a.max(b)
    }

    fn write(&mut self, a: Index, b: Index, seed: u8) {
        let range = self.range(a, b);
        let mut data: Vec<u8> = range
            .clone()
            .map(|at| (at as u8).wrapping_mul(seed) | 1)
            .collect();
        for pad in self
            .torrent
            .layout()
            .files()
            .iter()
            .filter(|file| file.is_pad())
        {
            for at in pad.range().filter(|at| range.contains(&(*at as usize))) {
                data[at as usize - range.start] = 0;
            }
        }
        let (front, back) = data.split_at(data.len() / 3);
        let slices = [IoSlice::new(front), IoSlice::new(&[]), IoSlice::new(back)];
        self.storage.write_at(range.start as u64, &slices).unwrap();
        for (cell, byte) in self.model[range].iter_mut().zip(&data) {
            *cell = Some(*byte);
        }
    }

    fn compare(&self, range: std::ops::Range<usize>) {
        let mut read = vec![0xee; range.len()];
        let result = self.storage.read_at(range.start as u64, &mut read);
        let shared = self.storage.read_shared(range.start as u64, range.len());
        assert_eq!(result.is_ok(), shared.is_ok());
        let expected = &self.model[range.clone()];
        if expected.iter().all(Option::is_some) {
            result.unwrap();
        } else if result.is_err() {
            return;
        } else {
            assert_ne!(self.backend, Backend::Memory, "{range:?} was never written");
        }
        assert_eq!(read, shared.unwrap());
        for (at, (byte, cell)) in read.iter().zip(expected).enumerate() {
            assert!(
                cell.is_none_or(|cell| cell == *byte),
                "byte {}",
                range.start + at
            );
        }
    }

    fn check_shunned(&self) {
        for (entry, shunned) in self.torrent.layout().files().iter().zip(&self.shunned) {
            let path = entry.path().under(self.dir.path());
            assert!(
                !(*shunned || entry.is_pad()) || !path.exists(),
                "{} is skipped",
                path.display()
            );
        }
    }

    fn finish(&mut self) {
        self.compare(0..self.model.len());
        self.compare_everywhere();
        let all = vec![true; self.wanted.len()];
        self.storage.set_wanted(&all).unwrap();
        self.storage.prepare().unwrap();
        self.compare_everywhere();
        if self.backend != Backend::Memory {
            self.check_files();
        }
    }

    fn compare_everywhere(&self) {
        for at in (0..self.model.len()).step_by(13) {
            self.compare(at..(at + 13).min(self.model.len()));
            self.compare(at..at + 1);
        }
    }

    fn check_files(&self) {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert!(
            names.iter().all(|name| name == "t"),
            "the part file is still there: {names:?}"
        );
        for entry in self
            .torrent
            .layout()
            .files()
            .iter()
            .filter(|file| !file.is_pad())
        {
            let bytes = std::fs::read(entry.path().under(self.dir.path())).unwrap_or_default();
            assert!(bytes.len() as u64 <= entry.length());
            let expected = &self.model[entry.offset() as usize..][..entry.length() as usize];
            for (at, cell) in expected.iter().enumerate() {
                assert!(cell.is_none() || bytes.get(at) == cell.as_ref());
            }
        }
    }
}

fn open(torrent: &Arc<Sample>, backend: Backend, dir: &Path, wanted: &[bool]) -> Box<dyn Storage> {
    if backend == Backend::Memory {
        return Box::new(MemoryStorage::new(torrent.layout()));
    }
    let options = FileOptions {
        allocation: if backend == Backend::Reserved {
            Allocation::Reserve
        } else {
            Allocation::Sparse
        },
        portable: backend == Backend::Portable,
        wanted: wanted.to_vec(),
        pool: Pool::new(PoolOptions {
            max_open_files: 2,
            ..PoolOptions::default()
        }),
        ..FileOptions::default()
    };
    Box::new(FileStorage::new(torrent.clone(), dir, options).unwrap())
}

fn check(layout: &FileLayout, backend: Backend, wanted: &[bool], steps: &[Step]) {
    let mut pair = Pair::new(layout.clone(), backend, wanted);
    for step in steps {
        pair.run(step);
    }
    pair.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_back_end_agrees_with_a_row_of_bytes(
        layout in layouts(),
        wanted in prop::collection::vec(any::<bool>(), 8),
        steps in steps(),
    ) {
        for backend in [Backend::Memory, Backend::Reserved, Backend::Sparse, Backend::Portable] {
            check(&layout, backend, &wanted, &steps);
        }
    }
}

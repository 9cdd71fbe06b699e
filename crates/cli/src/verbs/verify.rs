//! `headwater verify`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use clap::Args;
use headwater_metainfo::{FileEntry, FileIndex, Info, PieceIndex};
use headwater_store::{
    FileOptions, FileStorage, Options, PieceCheck, PieceStore, StorageError, StoreError,
};
use parking_lot::Mutex;

use crate::args::Dir;
use crate::exit::{Code, Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output, Phase, Snapshot, printable, with_progress};
use crate::ranges::{Ranges, shortened};
use crate::source::{self, shown};

/// Check data on disk against a torrent, without changing anything.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The .torrent file
    torrent: PathBuf,
    #[command(flatten)]
    dir: Dir,
    /// Check these pieces only, counted from 0, such as 1-5,34-56
    #[arg(long, value_name = "RANGES", conflicts_with = "file")]
    pieces: Option<Ranges>,
    /// Check the pieces of this file only, by its number in `show`
    #[arg(long, value_name = "N")]
    file: Option<u32>,
}

impl Verify {
    pub(crate) fn run(self, output: &Output, interrupt: &Interrupt) -> Result {
        let torrent = source::load(&self.torrent)?;
        let info = torrent.info();
        let pieces = self.wanted_pieces(info)?;
        let options = FileOptions {
            read_only: true,
            ..FileOptions::default()
        };
        let storage = FileStorage::new(Arc::clone(info) as _, &self.dir.dir, options)
            .map_err(|error| storage_failure(&error))?;
        let storage = Arc::new(storage);
        let store = PieceStore::new(
            Arc::clone(info) as _,
            Arc::clone(&storage) as _,
            Options::default(),
        );
        let findings = check(&store, &pieces, info, output, interrupt)?;
        Report {
            info,
            storage: &storage,
            bad: &findings,
            checked: pieces.len(),
        }
        .tell(output)
    }

    fn wanted_pieces(&self, info: &Info) -> Result<Vec<PieceIndex>> {
        let count = info.geometry().piece_count();
        let numbers = match (&self.pieces, self.file) {
            (Some(ranges), _) => ranges.numbers(0..=count - 1).map_err(|outside| {
                Failure::usage(format_args!(
                    "there is no piece {outside}: the torrent's are 0 to {}",
                    count - 1
                ))
            })?,
            (None, Some(number)) => {
                let file = file_index(info, number)?;
                info.layout().pieces_of(file, &info.geometry()).collect()
            }
            (None, None) => (0..count).collect(),
        };
        Ok(numbers.into_iter().map(PieceIndex).collect())
    }
}

/// The file with the number that `show` prints.
fn file_index(info: &Info, number: u32) -> Result<FileIndex> {
    let count = info.layout().len();
    match number.checked_sub(1) {
        Some(index) if (index as usize) < count => Ok(FileIndex(index)),
        _ => Err(Failure::usage(format_args!(
            "there is no file {number}: the torrent's are 1 to {count}"
        ))),
    }
}

/// The pieces that do not match, in ascending order.
fn check(
    store: &PieceStore,
    pieces: &[PieceIndex],
    info: &Info,
    output: &Output,
    interrupt: &Interrupt,
) -> Result<Vec<PieceIndex>> {
    let geometry = info.geometry();
    let total = pieces
        .iter()
        .map(|piece| u64::from(geometry.piece_size(*piece)))
        .sum();
    let (done, cancel) = (AtomicU64::new(0), AtomicBool::new(false));
    let found = Mutex::new(Ok(Vec::new()));
    let report = |piece, result| {
        done.fetch_add(geometry.piece_size(piece).into(), Ordering::Relaxed);
        let mut found = found.lock();
        match (result, &mut *found) {
            (Ok(PieceCheck::Failed), Ok(bad)) => bad.push(piece),
            (Err(error), Ok(_)) => {
                *found = Err(store_failure(&error));
                cancel.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
        if interrupt.is_requested() {
            cancel.store(true, Ordering::Relaxed);
        }
    };
    let snapshot = || Snapshot {
        phase: Phase::Checking,
        done: done.load(Ordering::Relaxed),
        total,
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let is_complete = with_progress(output, snapshot, || {
        store.check_many(pieces, threads, &report, &cancel)
    });
    let mut bad = found.into_inner()?;
    if !is_complete {
        return Err(Failure::interrupted());
    }
    bad.sort_unstable();
    Ok(bad)
}

fn store_failure(error: &StoreError) -> Failure {
    match error.storage() {
        Some(error) => storage_failure(error),
        None => Failure::failed(error),
    }
}

fn storage_failure(error: &StorageError) -> Failure {
    let code = if error.kind().is_full_or_forbidden() {
        Code::Disk
    } else {
        Code::Failed
    };
    Failure::new(code, format_args!("{error}; nothing is known of the rest"))
}

/// What came out.
struct Report<'a> {
    info: &'a Info,
    storage: &'a FileStorage,
    bad: &'a [PieceIndex],
    checked: usize,
}

impl Report<'_> {
    fn tell(&self, output: &Output) -> Result {
        for piece in self.bad {
            output.event(&Event::BadPiece {
                piece: piece.0,
                files: self.files_of(*piece).map(|file| self.path(file)).collect(),
            });
        }
        for (file, pieces) in self.by_file() {
            let (path, state) = (self.path(file), self.state(file));
            output.line(format_args!(
                "bad: {}: {state}pieces {}",
                printable(&path),
                shortened(&pieces)
            ));
        }
        output.event(&Event::Checked {
            pass: (self.checked - self.bad.len()) as u64,
            fail: self.bad.len() as u64,
            torrent: &self.info.info_hashes().primary().to_string(),
        });
        self.verdict(output)
    }

    fn verdict(&self, output: &Output) -> Result {
        let (bad, checked) = (self.bad.len(), self.checked);
        if bad == 0 {
            output.line(format_args!(
                "all {checked} checked pieces match the torrent"
            ));
            return Ok(());
        }
        let place = self.storage.base_dir().join(self.info.name());
        let advice = if place.symlink_metadata().is_err() {
            format!(
                "{} is not there: is --dir the folder that holds it?",
                shown(&place)
            )
        } else {
            "download the torrent to the same folder to repair it".to_owned()
        };
        let message =
            format_args!("{bad} of {checked} checked pieces do not match the torrent; {advice}");
        Err(Failure::new(Code::Mismatch, message))
    }

    fn by_file(&self) -> BTreeMap<FileIndex, Vec<u32>> {
        let mut by_file = BTreeMap::<_, Vec<u32>>::new();
        for piece in self.bad {
            for file in self.files_of(*piece) {
                by_file.entry(file).or_default().push(piece.0);
            }
        }
        by_file
    }

    fn files_of(&self, piece: PieceIndex) -> impl Iterator<Item = FileIndex> {
        let range = self.info.geometry().piece_range(piece);
        let spans = self
            .info
            .layout()
            .spans(range.start, range.end - range.start);
        spans.map(|span| span.file)
    }

    fn path(&self, file: FileIndex) -> String {
        let entry = self.info.layout().file(file);
        entry
            .map(|entry| entry.path().to_string())
            .unwrap_or_default()
    }

    /// What can be seen of a bad file without reading it.
    fn state(&self, file: FileIndex) -> &'static str {
        let length = self.info.layout().file(file).map(FileEntry::length);
        let path = self.storage.path_of(file);
        match (path.and_then(|path| path.metadata().ok()), length) {
            (None, _) => "missing; ",
            (Some(metadata), Some(length)) if metadata.len() < length => "too short; ",
            _ => "",
        }
    }
}

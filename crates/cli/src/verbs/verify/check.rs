//! Reading and hashing the pieces.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use headwater_metainfo::{Info, PieceIndex};
use headwater_store::{PieceCheck, PieceStore, StorageError, StorageErrorKind, StoreError};
use parking_lot::Mutex;

use crate::exit::{Code, Failure, Result, describe};
use crate::interrupt::Interrupt;
use crate::output::{Output, Phase, Snapshot, with_progress};
use crate::source::shown;

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Pieces that were to be checked.
    pub(super) wanted: usize,
    pub(super) passed: usize,
    /// Pieces that do not match, in ascending order.
    pub(super) bad: Vec<PieceIndex>,
    /// What could not be read.
    pub(super) unreadable: BTreeMap<PathBuf, Unreadable>,
    /// An error that has nothing to do with a file.
    fault: Option<StoreError>,
}

/// A file that could not be read, so that nothing is known of some pieces.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) code: Code,
    /// What failed, on what, why, and what to do.
    pub(super) message: String,
    pub(super) pieces: Vec<PieceIndex>,
}

impl Findings {
    /// Pieces of which something is known.
    pub(super) fn known(&self) -> usize {
        self.passed + self.bad.len()
    }

    /// Pieces that could not be read.
    pub(super) fn unknown(&self) -> usize {
        self.unreadable.values().map(|it| it.pieces.len()).sum()
    }

    /// The exit code for what could not be read. What the user can permit comes first.
    pub(super) fn unreadable_code(&self) -> Option<Code> {
        let mut codes = self.unreadable.values().map(|it| it.code);
        let first = codes.next()?;
        Some(codes.find(|code| *code == Code::Disk).unwrap_or(first))
    }

    fn add(&mut self, piece: PieceIndex, result: Result<PieceCheck, StoreError>) {
        match result {
            Ok(PieceCheck::Passed) => self.passed += 1,
            Ok(PieceCheck::Failed) => self.bad.push(piece),
            Err(StoreError::Storage(error)) if error.kind() == StorageErrorKind::WrongType => {
                self.bad.push(piece);
            }
            Err(StoreError::Storage(error)) => self.add_unreadable(piece, &error),
            Err(error) => self.fault = Some(error),
        }
    }

    fn add_unreadable(&mut self, piece: PieceIndex, error: &StorageError) {
        let entry = self.unreadable.entry(error.path().to_owned());
        let unreadable = entry.or_insert_with(|| Unreadable {
            code: Code::of(error.cause()),
            message: format!(
                "cannot {} {}: {}",
                error.operation(),
                shown(error.path()),
                describe(error.cause())
            ),
            pieces: Vec::new(),
        });
        unreadable.pieces.push(piece);
    }

    fn sorted(mut self) -> Self {
        self.bad.sort_unstable();
        for unreadable in self.unreadable.values_mut() {
            unreadable.pieces.sort_unstable();
        }
        self
    }
}

/// Checks all of `pieces`, or fewer when interrupted. A file that cannot be read does not keep others from being checked.
pub(super) fn run(
    store: &PieceStore,
    pieces: &[PieceIndex],
    info: &Info,
    output: &Output,
    interrupt: &Interrupt,
) -> Result<Findings> {
    let size = |piece| u64::from(info.geometry().piece_size(piece));
    let total = pieces.iter().copied().map(size).sum();
    let (done, cancel) = (AtomicU64::new(0), AtomicBool::new(false));
    let findings = Mutex::new(Findings {
        wanted: pieces.len(),
        ..Findings::default()
    });
    let report = |piece, result| {
        done.fetch_add(size(piece), Ordering::Relaxed);
        findings.lock().add(piece, result);
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
    with_progress(output, snapshot, || {
        store.check_many(pieces, threads, &report, &cancel)
    });
    let findings = findings.into_inner().sorted();
    match &findings.fault {
        Some(error) => Err(Failure::failed(error)),
        None => Ok(findings),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use headwater_store::Operation;

    use super::*;

    fn unreadable(path: &str, kind: ErrorKind) -> Result<PieceCheck, StoreError> {
        let error = StorageError::from_io(Operation::Read, path, Error::from(kind));
        Err(error.into())
    }

    #[test]
    fn what_is_known_and_what_is_not_adds_up() {
        let mut findings = Findings::default();
        findings.add(PieceIndex(4), Ok(PieceCheck::Failed));
        findings.add(PieceIndex(3), unreadable("a", ErrorKind::Other));
        findings.add(PieceIndex(2), Ok(PieceCheck::Passed));
        findings.add(PieceIndex(1), unreadable("a", ErrorKind::Other));
        findings.add(PieceIndex(0), unreadable("folder", ErrorKind::IsADirectory));
        let findings = findings.sorted();
        assert_eq!(findings.bad, [PieceIndex(0), PieceIndex(4)]);
        assert_eq!((findings.known(), findings.unknown()), (3, 2));
        let pieces = findings.unreadable.values().map(|it| &it.pieces);
        assert_eq!(
            pieces.collect::<Vec<_>>(),
            [&[PieceIndex(1), PieceIndex(3)]]
        );
    }

    #[test]
    fn what_is_not_permitted_has_the_code_of_its_own() {
        let mut findings = Findings::default();
        assert_eq!(findings.unreadable_code(), None);
        findings.add(PieceIndex(0), unreadable("a", ErrorKind::Other));
        assert_eq!(findings.unreadable_code(), Some(Code::Failed));
        findings.add(PieceIndex(1), unreadable("b", ErrorKind::PermissionDenied));
        assert_eq!(findings.unreadable_code(), Some(Code::Disk));
    }
}

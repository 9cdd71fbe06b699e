//! Telling what a check has found.

use std::collections::BTreeMap;

use headwater_metainfo::{FileEntry, FileIndex, Info, PieceIndex};
use headwater_store::FileStorage;

use super::check::Findings;
use super::state::{BadFile, State};
use crate::exit::{Code, Failure, Result};
use crate::output::{Event, Output, printable};
use crate::ranges::shortened;
use crate::source::shown;

/// Findings, and what it takes to put them in words.
pub(super) struct Report<'a> {
    info: &'a Info,
    storage: &'a FileStorage,
    findings: &'a Findings,
}

impl<'a> Report<'a> {
    pub(super) fn new(info: &'a Info, storage: &'a FileStorage, findings: &'a Findings) -> Self {
        Self {
            info,
            storage,
            findings,
        }
    }

    /// Says what hashes do not tell: files with more bytes than the torrent knows of, and empty ones that are missing.
    pub(super) fn tell_oddities(&self, files: &[FileIndex], output: &Output) {
        if self.nothing_is_there() {
            return;
        }
        let (mut longer, mut hollow) = (Vec::new(), Vec::new());
        for &file in files {
            match self.state(file) {
                State::Longer => longer.push(file),
                State::Missing if self.length(file) == 0 => hollow.push(file),
                _ => {}
            }
        }
        self.warn(output, &longer, "longer than in the torrent");
        self.warn(output, &hollow, "missing, and empty in the torrent");
    }

    /// Prints what is wrong, and gives the verdict.
    pub(super) fn tell(&self, output: &Output) -> Result {
        self.tell_unreadable(output);
        for piece in &self.findings.bad {
            output.event(&Event::BadPiece {
                piece: piece.0,
                files: self.files_of(*piece).map(|file| self.path(file)).collect(),
            });
        }
        if !self.nothing_is_there() {
            self.tell_bad_files(output);
        }
        if self.is_interrupted() {
            return Err(self.interruption());
        }
        output.event(&Event::Checked {
            pass: self.findings.passed as u64,
            fail: self.findings.bad.len() as u64,
            torrent: &self.info.info_hashes().primary().to_string(),
        });
        self.verdict(output)
    }

    fn tell_unreadable(&self, output: &Output) {
        for unreadable in self.findings.unreadable.values() {
            let pieces: Vec<u32> = unreadable.pieces.iter().map(|piece| piece.0).collect();
            let message = printable(&unreadable.message);
            output.line(format_args!("unknown: {}; {message}", counted(&pieces)));
            output.event(&Event::Unreadable {
                message: &unreadable.message,
                pieces,
            });
        }
    }

    fn tell_bad_files(&self, output: &Output) {
        for (file, bad) in self.by_file() {
            let path = self.path(file);
            let shared = match bad.culprit {
                Some(culprit) => format!(", shared with {}", self.path(culprit)),
                None => String::new(),
            };
            output.line(format_args!(
                "bad: {}: {}{}{}",
                printable(&path),
                bad.state.prefix(),
                counted(&bad.pieces),
                printable(&shared)
            ));
        }
    }

    fn verdict(&self, output: &Output) -> Result {
        let (bad, checked) = (self.findings.bad.len(), self.findings.wanted);
        let first = self.findings.unreadable.values().next();
        if let (Some(code), Some(first)) = (self.findings.unreadable_code(), first) {
            let unknown = self.findings.unknown();
            return Err(Failure::new(
                code,
                format_args!(
                    "{}; {unknown} of {checked} checked pieces are unknown, {bad} do not match the torrent",
                    first.message
                ),
            ));
        }
        if bad > 0 {
            return Err(self.mismatch());
        }
        output.line(match checked {
            0 => "there is nothing to check: what was asked for is empty".to_owned(),
            1 => "the checked piece matches the torrent".to_owned(),
            _ => format!("all {checked} checked pieces match the torrent"),
        });
        Ok(())
    }

    fn mismatch(&self) -> Failure {
        let (bad, checked) = (self.findings.bad.len(), self.findings.wanted);
        let base = self.storage.base_dir();
        let advice = if !self.nothing_is_there() {
            "download the torrent to the same folder to repair it".to_owned()
        } else if base.file_name() == Some(self.info.name().as_ref())
            && let Some(parent) = base.parent()
        {
            format!(
                "--dir is the folder that holds the torrent's own: try --dir {}",
                shown(parent)
            )
        } else {
            let place = base.join(self.info.name());
            format!(
                "{} is not there: is --dir the folder that holds it?",
                shown(&place)
            )
        };
        let message =
            format!("{bad} of {checked} checked pieces do not match the torrent; {advice}");
        Failure::new(Code::Mismatch, message)
    }

    fn is_interrupted(&self) -> bool {
        self.findings.known() + self.findings.unknown() < self.findings.wanted
    }

    fn interruption(&self) -> Failure {
        let Findings { wanted, bad, .. } = self.findings;
        let (known, bad) = (self.findings.known(), bad.len());
        Failure::new(
            Code::Interrupted,
            format_args!(
                "interrupted after {known} of {wanted} pieces, of which {bad} do not match the torrent"
            ),
        )
    }

    fn by_file(&self) -> BTreeMap<FileIndex, BadFile> {
        let mut by_file = BTreeMap::<_, BadFile>::new();
        for piece in &self.findings.bad {
            let files: Vec<_> = self.files_of(*piece).collect();
            for file in &files {
                let entry = by_file.entry(*file);
                let bad = entry.or_insert_with(|| BadFile::new(self.state(*file)));
                bad.pieces.push(piece.0);
            }
            let culprit = files.iter().find(|file| by_file[file].state.is_cause());
            for file in &files {
                if let Some(bad) = by_file.get_mut(file) {
                    bad.blame(culprit.copied());
                }
            }
        }
        by_file
    }

    /// The files of which a piece holds bytes. What only fills up pieces is nobody's file.
    fn files_of(&self, piece: PieceIndex) -> impl Iterator<Item = FileIndex> {
        let range = self.info.geometry().piece_range(piece);
        let layout = self.info.layout();
        let spans = layout.spans(range.start, range.end - range.start);
        let is_pad = |file| layout.file(file).is_some_and(FileEntry::is_pad);
        spans
            .map(|span| span.file)
            .filter(move |file| !is_pad(*file))
    }

    fn path(&self, file: FileIndex) -> String {
        let entry = self.info.layout().file(file);
        entry
            .map(|entry| entry.path().to_string())
            .unwrap_or_default()
    }

    fn length(&self, file: FileIndex) -> u64 {
        let entry = self.info.layout().file(file);
        entry.map(FileEntry::length).unwrap_or_default()
    }

    fn state(&self, file: FileIndex) -> State {
        let entry = self.info.layout().file(file);
        match (entry, self.storage.path_of(file)) {
            (Some(entry), Some(path)) => State::of(entry, &path),
            _ => State::Right,
        }
    }

    /// Whether not even the torrent's own file or folder is there.
    fn nothing_is_there(&self) -> bool {
        let place = self.storage.base_dir().join(self.info.name());
        self.findings.passed == 0 && place.symlink_metadata().is_err()
    }

    fn warn(&self, output: &Output, files: &[FileIndex], what: &str) {
        let Some(first) = files.first() else {
            return;
        };
        let path = self.path(*first);
        match files.len() - 1 {
            0 => output.warning(format_args!("{path} is {what}")),
            more => output.warning(format_args!("{path} and {more} more are {what}")),
        }
    }
}

/// `piece 3`, or `pieces 3, 5-7`.
fn counted(pieces: &[u32]) -> String {
    let noun = if pieces.len() == 1 { "piece" } else { "pieces" };
    format!("{noun} {}", shortened(pieces))
}

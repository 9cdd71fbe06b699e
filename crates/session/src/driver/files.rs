//! Which files are whole, and what is left to do with those that are.

use std::mem;

use headwater_metainfo::{Bitfield, FileIndex, Info, PieceIndex};
use headwater_store::StoreError;

use super::{Driver, Input};
use crate::Event;

/// Counts each file's missing pieces.
pub(super) struct Files {
    missing: Box<[u32]>,
    /// Files that have their final length, or need none.
    is_finished: Box<[bool]>,
    /// Files that became whole.
    whole: Vec<FileIndex>,
    /// Files that are with the disk threads.
    finishing: usize,
}

impl Files {
    pub(super) fn new(info: &Info, have: &Bitfield) -> Self {
        let geometry = info.geometry();
        let missing = info.layout().iter().map(|(file, _)| {
            let pieces = info.layout().pieces_of(file, &geometry).map(PieceIndex);
            pieces.filter(|&piece| !have.has(piece)).count() as u32
        });
        let missing: Box<[u32]> = missing.collect();
        let files = info.layout().files().iter().zip(&missing);
        Self {
            // Those that are whole by the resume data were finished when they became so; empty ones are made anew.
            is_finished: files
                .map(|(entry, &missing)| missing == 0 && entry.length() > 0)
                .collect(),
            missing,
            whole: Vec::new(),
            finishing: 0,
        }
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.finishing > 0 || !self.whole.is_empty()
    }

    /// A piece came or was lost.
    pub(super) fn piece_changed(&mut self, info: &Info, piece: PieceIndex, have: bool) {
        let range = info.geometry().piece_range(piece);
        for span in info.layout().spans(range.start, range.end - range.start) {
            let file = span.file.as_usize();
            if have {
                self.missing[file] -= 1;
                if self.missing[file] == 0 {
                    self.whole.push(span.file);
                }
            } else {
                self.missing[file] += 1;
                self.is_finished[file] = false;
            }
        }
    }

    /// Looks again at files that were whole but not wanted.
    pub(super) fn look_again(&mut self) {
        let files = self.missing.iter().zip(&self.is_finished).zip(0..);
        let whole = files.filter(|((missing, is_finished), _)| **missing == 0 && !**is_finished);
        self.whole = whole.map(|(_, file)| FileIndex(file)).collect();
    }

    /// The files that are to be finished now: whole, and one of the `wanted`.
    fn take_whole(&mut self, wanted: impl Fn(FileIndex) -> bool) -> Vec<FileIndex> {
        let mut whole = mem::take(&mut self.whole);
        whole.retain(|&file| {
            let index = file.as_usize();
            let ready = self.missing[index] == 0 && !self.is_finished[index] && wanted(file);
            self.is_finished[index] |= ready;
            ready
        });
        whole
    }
}

impl Driver {
    /// Has files that became whole cut to their length and given their attributes.
    pub(super) fn finish_files(&mut self) {
        if self.files.whole.is_empty() || self.moves.is_running() {
            return;
        }
        let whole = {
            let pieces = self.shared.pieces.lock();
            let priorities = pieces.file_priorities();
            let layout = self.shared.info().layout();
            self.files.take_whole(|file| {
                let entry = &layout.files()[file.as_usize()];
                let is_regular = !entry.is_pad() && entry.symlink_target().is_none();
                priorities[file.as_usize()] > 0 && is_regular
            })
        };
        if whole.is_empty() {
            return;
        }
        self.files.finishing += whole.len();
        let (store, inputs, read_only) = (self.store.clone(), self.inputs.clone(), self.read_only);
        self.core.disk.submit(move || {
            let finish = |file| {
                if read_only {
                    Ok(true)
                } else {
                    store.finish_file(file)
                }
            };
            let outcomes = whole.into_iter().map(|file| (file, finish(file))).collect();
            let _ = inputs.send(Input::Finished(outcomes));
        });
    }

    pub(super) fn files_finished(&mut self, outcomes: Vec<(FileIndex, Result<bool, StoreError>)>) {
        self.files.finishing -= outcomes.len();
        self.saving.dirty();
        for (file, outcome) in outcomes {
            match outcome {
                Ok(true) => self.shared.listeners.tell(&Event::FileCompleted(file)),
                // A piece was lost meanwhile.
                Ok(false) => self.files.is_finished[file.as_usize()] = false,
                Err(error) => {
                    self.files.is_finished[file.as_usize()] = false;
                    self.fail(error.into());
                }
            }
        }
    }
}

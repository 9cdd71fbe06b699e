//! What is had and what is wanted, in pieces and in bytes.

use std::sync::Arc;

use headwater_metainfo::{Bitfield, FileIndex, Info, PieceIndex};
use headwater_swarm::Priority;

/// Which pieces are had, and which are wanted by the files' priorities. Always consistent in itself.
#[derive(Debug)]
pub(crate) struct Pieces {
    info: Arc<Info>,
    have: Bitfield,
    /// One a file; 0 is skip.
    file_priorities: Box<[u32]>,
    /// Pieces that touch any file that is not skipped, had or not.
    selected: Bitfield,
    /// Bytes of selected pieces.
    selected_bytes: u64,
    /// Bytes of selected pieces that are not had.
    left: u64,
    have_bytes: u64,
}

impl Pieces {
    /// Nothing is had. One priority a file.
    pub(crate) fn new(info: Arc<Info>, file_priorities: Box<[u32]>) -> Self {
        let count = info.geometry().piece_count();
        let mut pieces = Self {
            info,
            have: Bitfield::new(count),
            file_priorities,
            selected: Bitfield::new(count),
            selected_bytes: 0,
            left: 0,
            have_bytes: 0,
        };
        pieces.select();
        pieces
    }

    pub(crate) const fn have(&self) -> &Bitfield {
        &self.have
    }

    pub(crate) const fn left(&self) -> u64 {
        self.left
    }

    pub(crate) const fn have_bytes(&self) -> u64 {
        self.have_bytes
    }

    pub(crate) const fn selected_bytes(&self) -> u64 {
        self.selected_bytes
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// Wanted and not had.
    pub(crate) fn wanted(&self) -> Bitfield {
        let mut wanted = self.selected.clone();
        for piece in self.have.ones() {
            wanted.clear(piece);
        }
        wanted
    }

    /// Notes whether a piece is had; false if that is known.
    pub(crate) fn set_have(&mut self, piece: PieceIndex, have: bool) -> bool {
        let changed = if have {
            self.have.set(piece)
        } else {
            self.have.clear(piece)
        };
        if !changed {
            return false;
        }
        let size = u64::from(self.info.geometry().piece_size(piece));
        let left = if self.selected.has(piece) { size } else { 0 };
        if have {
            self.have_bytes += size;
            self.left -= left;
        } else {
            self.have_bytes -= size;
            self.left += left;
        }
        true
    }

    pub(crate) const fn file_priorities(&self) -> &[u32] {
        &self.file_priorities
    }

    /// Sets files' priorities; false if nothing changes.
    pub(crate) fn set_priorities(
        &mut self,
        priorities: impl IntoIterator<Item = (FileIndex, u32)>,
    ) -> bool {
        let mut changed = false;
        for (file, priority) in priorities {
            let slot = &mut self.file_priorities[file.as_usize()];
            changed |= std::mem::replace(slot, priority) != priority;
        }
        if changed {
            self.select();
        }
        changed
    }

    /// One entry a file.
    pub(crate) fn wanted_files(&self) -> Vec<bool> {
        self.file_priorities.iter().map(|&each| each > 0).collect()
    }

    /// Each piece's priority: the highest of the files that it touches. Empty if all are normal.
    pub(crate) fn piece_priorities(&self) -> Vec<Priority> {
        let all_normal = self
            .file_priorities
            .iter()
            .all(|&each| each == Priority::NORMAL.0);
        if all_normal && self.selected.is_full() {
            return Vec::new();
        }
        let mut priorities = vec![Priority::SKIP; self.have.len() as usize];
        for (file, priority) in self.prioritised_files() {
            for piece in self.pieces_of(file) {
                let slot = &mut priorities[piece as usize];
                *slot = (*slot).max(Priority(priority));
            }
        }
        priorities
    }

    /// Bytes of `file` in pieces that are had.
    pub(crate) fn done_of(&self, file: FileIndex) -> u64 {
        let Some(entry) = self.info.layout().file(file) else {
            return 0;
        };
        let geometry = self.info.geometry();
        let had = self
            .pieces_of(file)
            .map(PieceIndex)
            .filter(|&piece| self.have.has(piece));
        had.map(|piece| {
            let range = geometry.piece_range(piece);
            range.end.min(entry.range().end) - range.start.max(entry.range().start)
        })
        .sum()
    }

    /// Files whose priority is above 0. Pad files are nobody's wish.
    fn prioritised_files(&self) -> impl Iterator<Item = (FileIndex, u32)> + '_ {
        self.info
            .layout()
            .iter()
            .filter(|(_, entry)| !entry.is_pad())
            .map(|(file, _)| (file, self.file_priorities[file.as_usize()]))
            .filter(|&(_, priority)| priority > 0)
    }

    fn pieces_of(&self, file: FileIndex) -> std::ops::Range<u32> {
        self.info.layout().pieces_of(file, &self.info.geometry())
    }

    /// Works out what the priorities select.
    fn select(&mut self) {
        let geometry = self.info.geometry();
        let mut selected = Bitfield::new(geometry.piece_count());
        for (file, _) in self.prioritised_files() {
            for piece in self.pieces_of(file) {
                selected.set(PieceIndex(piece));
            }
        }
        let size = |piece| u64::from(geometry.piece_size(piece));
        self.selected_bytes = selected.ones().map(size).sum();
        self.left = selected
            .ones()
            .filter(|&piece| !self.have.has(piece))
            .map(size)
            .sum();
        self.selected = selected;
    }
}

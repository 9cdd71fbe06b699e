//! What of old resume data still holds.

use headwater_metainfo::{Bitfield, FileIndex, PieceIndex};

use super::{ResumeData, ResumeError};
use crate::file::are_distinct;
use crate::{Contents, FileStamp};

/// What resume data says that still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// Pieces that need no check: give them to [`PieceStore::trust`](crate::PieceStore::trust).
    pub have: Bitfield,
    /// Blocks that need not be fetched: give them to [`PieceStore::restore_partial`](crate::PieceStore::restore_partial).
    pub partial: Vec<(PieceIndex, Bitfield)>,
    /// Files that have changed; the pieces that touch them are to be checked.
    pub changed: Vec<FileIndex>,
}

impl Trusted {
    /// The pieces that touch a changed file.
    pub fn to_check(&self, contents: &dyn Contents) -> Bitfield {
        let geometry = contents.geometry();
        let mut pieces = Bitfield::new(geometry.piece_count());
        for file in &self.changed {
            for piece in contents.layout().pieces_of(*file, &geometry) {
                pieces.set(PieceIndex(piece));
            }
        }
        pieces
    }
}

impl ResumeData {
    /// Whether it is of this torrent, and [`renamed`](Self::renamed) makes sense for its files: to be asked before a storage
    /// is opened with those names.
    pub fn check_torrent(&self, contents: &dyn Contents) -> Result<(), ResumeError> {
        let layout = contents.layout();
        let same_torrent = self.info_hash == contents.info_hash()
            && self.have.len() == contents.geometry().piece_count()
            && self.stamps.len() == layout.len();
        if !same_torrent {
            return Err(ResumeError::OtherTorrent);
        }
        if !are_distinct(layout, &self.renamed.iter().cloned().collect()) {
            return Err(ResumeError::Malformed("renamed"));
        }
        Ok(())
    }

    /// Compares with how the files are now: only those that have changed lose their pieces.
    ///
    /// `stamps` comes from [`Storage::stamps`](crate::Storage::stamps), taken before anything was prepared or
    /// written, of a storage that was told the same wanted files.
    pub fn validate(
        &self,
        contents: &dyn Contents,
        stamps: &[FileStamp],
    ) -> Result<Trusted, ResumeError> {
        let layout = contents.layout();
        let geometry = contents.geometry();
        self.check_torrent(contents)?;
        if stamps.len() != layout.len() {
            return Err(ResumeError::OtherTorrent);
        }
        let is_changed = |file: FileIndex| {
            let now = stamps[file.as_usize()];
            now != self.stamps[file.as_usize()]
        };
        let changed = layout.iter().filter(|(_, entry)| !entry.is_pad());
        let changed = changed
            .map(|(file, _)| file)
            .filter(|file| is_changed(*file));
        let mut trusted = Trusted {
            have: self.have.clone(),
            partial: Vec::new(),
            changed: changed.collect(),
        };
        let doubtful = trusted.to_check(contents);
        for piece in doubtful.ones() {
            trusted.have.clear(piece);
        }
        let holds = |(piece, blocks): &&(PieceIndex, Bitfield)| {
            !doubtful.has(*piece) && blocks.len() == geometry.block_count(*piece)
        };
        trusted.partial = self.partial.iter().filter(holds).cloned().collect();
        Ok(trusted)
    }
}

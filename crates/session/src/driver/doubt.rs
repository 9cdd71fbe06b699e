//! What an error of the disk says about what we have.

use headwater_metainfo::{Bitfield, FileIndex, PieceIndex};

use super::Driver;
use crate::TorrentError;

impl Driver {
    /// A file that was deleted, moved away, cut or replaced has not got what it had. Nobody knows what is left, so nothing of it
    /// is offered until that has been checked, at the next start.
    pub(super) fn doubt_after(&mut self, error: &TorrentError) {
        let Some(error) = error.storage().filter(|error| error.kind().casts_doubt()) else {
            return;
        };
        let (info, places) = (
            self.shared.info().clone(),
            self.shared.whereabouts.lock().clone(),
        );
        let mut files = info.layout().iter();
        let file = files.find(|(file, entry)| places.path(*file, entry) == error.path());
        let files: Vec<FileIndex> = match file {
            Some((file, _)) => vec![file],
            // The part file has the data of all that are skipped.
            None if error.path().starts_with(&places.dir) => self.skipped_files(),
            None => return,
        };
        let geometry = info.geometry();
        let pieces = files
            .iter()
            .flat_map(|file| info.layout().pieces_of(*file, &geometry))
            .map(PieceIndex);
        let pieces: Vec<_> = pieces.collect();
        self.doubtful.extend(files);
        self.doubt(pieces);
    }

    /// Whether a piece that was just written may have gone to a file that is not there any more.
    pub(super) fn is_doubtful(&self, piece: PieceIndex) -> bool {
        let (layout, geometry) = (self.shared.info().layout(), self.shared.info().geometry());
        let mut files = self.doubtful.iter();
        files.any(|file| layout.pieces_of(*file, &geometry).contains(&piece.0))
    }

    /// Takes back those of `pieces` that are had, and has them checked before the torrent goes on.
    pub(super) fn doubt(&mut self, pieces: impl IntoIterator<Item = PieceIndex>) {
        let now = super::now();
        let mut doubtful = Bitfield::new(self.shared.info().geometry().piece_count());
        for piece in pieces {
            if self.swarm.have().has(piece) {
                doubtful.set(piece);
            }
        }
        self.store.distrust(doubtful.ones());
        for piece in doubtful.ones() {
            self.swarm.set_have(now, piece, false);
            self.piece_checked(piece, false);
        }
        self.checks.unknown(doubtful.ones());
    }

    fn skipped_files(&self) -> Vec<FileIndex> {
        let wanted = self.shared.pieces.lock().wanted_files();
        let files = (0..).map(FileIndex).zip(wanted);
        files
            .filter(|(_, wanted)| !wanted)
            .map(|(file, _)| file)
            .collect()
    }
}

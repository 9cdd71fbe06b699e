//! What the disk threads report, and whether they keep up.

use std::time::Instant;

use headwater_metainfo::{Bitfield, PieceIndex};
use headwater_store::{Completed, StorageErrorKind, StoreError};
use headwater_swarm::PieceCheck;

use super::Driver;
use crate::disk::{DiskEvent, Op};

/// Bytes of blocks that may wait for a disk thread before nothing more is asked for.
const MAX_WAITING: usize = 16 << 20;

impl Driver {
    pub(super) fn handle_disk(&mut self, now: Instant, event: DiskEvent) {
        match event {
            DiskEvent::Checked(results) => {
                self.completing -= results.len();
                for (piece, result) in results {
                    self.completed(now, piece, result);
                }
            }
            DiskEvent::Digested(piece, Ok(digests)) => {
                self.swarm.handle_block_digests(now, piece, &digests);
            }
            DiskEvent::Digested(piece, Err(error)) => {
                self.unreadable([piece].into_iter(), error);
            }
            // The block is kept; it is the disk that is in trouble.
            DiskEvent::StoreFailed(error) => self.fail(error.into()),
            DiskEvent::Unreadable {
                peer,
                blocks,
                error,
            } => {
                for &block in &blocks {
                    self.swarm.handle_block_unreadable(now, peer, block);
                }
                self.unreadable(blocks.iter().map(|block| block.piece), error);
            }
            // Looked at before the next requests are made.
            DiskEvent::CaughtUp => {}
        }
    }

    /// A piece was hashed and, if it is good, written.
    fn completed(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        result: Result<Completed, StoreError>,
    ) {
        match result {
            Ok(Completed::Passed) if self.is_doubtful(piece) => {
                self.swarm.handle_store_failed(now, piece);
                self.store.distrust([piece]);
                self.checks.unknown([piece]);
            }
            Ok(Completed::Passed) => {
                self.swarm
                    .handle_piece_checked(now, piece, PieceCheck::Passed);
            }
            Ok(Completed::Failed(mut digests)) => {
                if self.is_doubtful(piece) {
                    // What was written early may have been read back from another file.
                    digests.fill(None);
                }
                self.swarm
                    .handle_piece_checked(now, piece, PieceCheck::Failed { digests });
            }
            Err(error) => {
                self.ops.push(Op::Discard(piece));
                // Blocks that were on disk by the resume data, and are not: they are fetched again. In every other case
                // the failure comes first, so that nothing is asked for that could not be kept.
                if !matches!(error, StoreError::Incomplete(_)) {
                    self.fail(error.into());
                }
                self.swarm.handle_store_failed(now, piece);
            }
        }
    }

    /// What we have cannot be read: if it is gone, that is found out and it is fetched again.
    fn unreadable(&mut self, pieces: impl Iterator<Item = PieceIndex>, error: StoreError) {
        let is_broken = error
            .storage()
            .is_some_and(|error| !error.kind().is_absence());
        if is_broken {
            self.doubt(pieces);
            self.fail(error.into());
        } else if error
            .storage()
            .is_some_and(|error| error.kind() == StorageErrorKind::Changed)
        {
            let pieces = self.sharing_files_with(pieces);
            self.suspect(pieces.ones());
        } else {
            self.suspect(pieces);
        }
    }

    /// All pieces of the files that these pieces lie in.
    fn sharing_files_with(&self, pieces: impl Iterator<Item = PieceIndex>) -> Bitfield {
        let (layout, geometry) = (self.shared.info().layout(), self.shared.info().geometry());
        let mut all = Bitfield::new(geometry.piece_count());
        for piece in pieces {
            let range = geometry.piece_range(piece);
            for span in layout.spans(range.start, range.end - range.start) {
                let others = layout.pieces_of(span.file, &geometry);
                others.map(PieceIndex).for_each(|piece| _ = all.set(piece));
            }
        }
        all
    }

    /// Tells the swarm when the disk falls behind, and when it has caught up.
    pub(super) fn watch_the_disk(&mut self, now: Instant) {
        let is_behind = self.lane.is_behind(MAX_WAITING);
        if is_behind != self.is_behind {
            self.is_behind = is_behind;
            self.swarm.set_backlogged(now, is_behind);
        }
    }
}

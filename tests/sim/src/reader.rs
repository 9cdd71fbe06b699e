//! Somebody who watches while it downloads.

use std::time::Duration;

use headwater_metainfo::{Bitfield, PieceGeometry, PieceIndex};

use crate::time::{Rate, Time};

/// How often a reader looks whether it can go on.
pub(crate) const STEP: Duration = Duration::from_millis(100);

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderSpec {
    /// Bytes a second that are played.
    pub rate: Rate,
    /// Time's worth of data that must be there before it begins, and after each stall before it goes on.
    pub cushion: Duration,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Playback {
    /// Time until it began.
    pub startup: Duration,
    /// How often it had to stop.
    pub stalls: u32,
    /// Time for which it stood still after it had begun.
    pub stalled: Duration,
    /// When the end was reached.
    pub ended: Option<Time>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) spec: ReaderSpec,
    pub(crate) playback: Playback,
    position: u64,
    playing: bool,
    begun: bool,
}

impl Reader {
    pub(crate) fn new(spec: ReaderSpec) -> Self {
        Self {
            spec,
            playback: Playback::default(),
            position: 0,
            playing: false,
            begun: false,
        }
    }

    /// One [`STEP`] has passed.
    pub(crate) fn step(&mut self, now: Time, geometry: PieceGeometry, have: &Bitfield) {
        if self.playback.ended.is_some() {
            return;
        }
        let end = geometry.total_size();
        let there = contiguous(self.position, geometry, have);
        if self.playing {
            let wanted = self.position + self.bytes_in(STEP);
            self.position = wanted.min(there);
            if self.position == end {
                self.playback.ended = Some(now);
            } else if wanted > there {
                self.playing = false;
                self.playback.stalls += 1;
            }
        } else if there == end || there >= self.position + self.bytes_in(self.spec.cushion) {
            self.playing = true;
            self.begun = true;
        } else if self.begun {
            self.playback.stalled += STEP;
        } else {
            self.playback.startup += STEP;
        }
    }

    fn bytes_in(&self, time: Duration) -> u64 {
        (self.spec.rate.0 as f64 * time.as_secs_f64()) as u64
    }
}

/// Where the data ends that is there without a gap from `position` on.
fn contiguous(position: u64, geometry: PieceGeometry, have: &Bitfield) -> u64 {
    let first = (position / u64::from(geometry.piece_length())) as u32;
    let pieces = (first..geometry.piece_count()).map(PieceIndex);
    let missing = pieces.into_iter().find(|&piece| !have.has(piece));
    match missing {
        Some(piece) => geometry.piece_range(piece).start.max(position),
        None => geometry.total_size(),
    }
}

//! Somebody who watches while it downloads.

use std::time::{Duration, Instant};

use headwater_metainfo::{Bitfield, PieceGeometry, PieceIndex};
use headwater_swarm::Torrent;

use crate::time::{Rate, Time};

/// How often a reader looks whether it can go on.
pub(crate) const STEP: Duration = Duration::from_millis(100);
/// Playing time within which pieces have deadlines, and how many have one at least.
const WINDOW: Duration = Duration::from_secs(10);
const WINDOW_PIECES: u32 = 4;
/// A deadline that is further off than this is set anew.
const TOLERANCE: Duration = Duration::from_millis(500);

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderSpec {
    /// Bytes a second that are played.
    pub rate: Rate,
    /// Time's worth of data that must be there before it begins, and after each stall before it goes on.
    pub cushion: Duration,
    /// What its brain is told of it.
    pub order: ReadingOrder,
}

/// How a brain knows which pieces are needed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadingOrder {
    /// It does not.
    Unknown,
    /// By [`Torrent::set_sequential`].
    Sequential,
    /// By [`Torrent::set_deadline`], for the next ten seconds of playing, four pieces at least.
    #[default]
    Deadlines,
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

    /// Tells the brain when it will come to which piece, as if it were playing from now on.
    pub(crate) fn set_deadlines(&self, instant: Instant, torrent: &mut Torrent) {
        if self.spec.order != ReadingOrder::Deadlines || self.playback.ended.is_some() {
            return;
        }
        let geometry = torrent.geometry();
        for piece in self.window(geometry) {
            let ahead = geometry.piece_range(piece).start;
            let ahead = ahead.saturating_sub(self.position);
            let due = instant + self.spec.rate.time_for(ahead);
            let is_close =
                |set: Instant| due.max(set).saturating_duration_since(due.min(set)) <= TOLERANCE;
            if !torrent.have().has(piece) && !torrent.deadline(piece).is_some_and(is_close) {
                torrent.set_deadline(instant, piece, Some(due));
            }
        }
    }

    /// The pieces that it is about to come to.
    fn window(&self, geometry: PieceGeometry) -> impl Iterator<Item = PieceIndex> + use<> {
        let piece_at = |byte: u64| (byte / u64::from(geometry.piece_length())) as u32;
        let first = piece_at(self.position);
        let end = piece_at(self.position + self.bytes_in(WINDOW)) + 1;
        let end = end.max(first + WINDOW_PIECES).min(geometry.piece_count());
        (first..end).map(PieceIndex)
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

#[cfg(test)]
mod tests {
    use headwater_metainfo::{InfoHash, PeerId};
    use headwater_swarm::Config;

    use super::*;

    /// Plays a piece of 1,000 bytes a second, and wants two before it begins.
    fn reader() -> Reader {
        Reader::new(ReaderSpec {
            rate: Rate(1_000),
            cushion: Duration::from_secs(2),
            order: ReadingOrder::Deadlines,
        })
    }

    fn geometry() -> PieceGeometry {
        PieceGeometry::new(20_000, 1_000).unwrap()
    }

    fn pieces(range: std::ops::Range<u32>) -> Bitfield {
        let mut have = Bitfield::new(20);
        range.for_each(|piece| _ = have.set(PieceIndex(piece)));
        have
    }

    fn play(reader: &mut Reader, have: &Bitfield, steps: u32) {
        (0..steps).for_each(|_| reader.step(Time::ZERO, geometry(), have));
    }

    #[test]
    fn it_begins_with_a_cushion_and_stops_where_the_data_ends() {
        let mut reader = reader();
        play(&mut reader, &pieces(0..1), 5);
        play(&mut reader, &pieces(0..2), 1);
        assert_eq!(reader.playback.startup, STEP * 5);
        play(&mut reader, &pieces(0..2), 21);
        assert_eq!((reader.playback.stalls, reader.position), (1, 2_000));
        play(&mut reader, &pieces(0..3), 4);
        assert_eq!(reader.playback.stalled, STEP * 4);
        play(&mut reader, &pieces(0..19), 172);
        assert_eq!((reader.playback.stalls, reader.position), (2, 19_000));
        // The rest is there: no cushion is needed at the end.
        play(&mut reader, &pieces(0..20), 11);
        assert_eq!(reader.playback.ended, Some(Time::ZERO));
        assert_eq!(
            (reader.playback.stalls, reader.playback.stalled),
            (2, STEP * 4)
        );
    }

    #[test]
    fn a_gap_is_the_end() {
        let mut have = pieces(0..20);
        have.clear(PieceIndex(3));
        assert_eq!(contiguous(1_500, geometry(), &have), 3_000);
        assert_eq!(contiguous(3_500, geometry(), &have), 3_500);
        assert_eq!(contiguous(4_000, geometry(), &have), 20_000);
    }

    #[test]
    fn each_piece_has_the_deadline_at_which_it_is_played() {
        let now = Instant::now();
        let id = PeerId(*b"-HW0100-abcdefghijkl");
        let mut config = Config::new(InfoHash([1; 20]), id, geometry());
        config.have.set(PieceIndex(2));
        let mut torrent = Torrent::new(now, config);
        reader().set_deadlines(now, &mut torrent);
        let after = |piece| {
            let deadline = torrent.deadline(PieceIndex(piece));
            deadline.map(|deadline| (deadline - now).as_secs())
        };
        assert_eq!(
            [0, 1, 2, 10, 11].map(after),
            [Some(0), Some(1), None, Some(10), None]
        );
    }
}

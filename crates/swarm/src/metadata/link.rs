//! What goes between us and one peer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use headwater_wire::MetadataMessage;
use smallvec::SmallVec;

/// Pieces that a peer is asked for at a time.
const WINDOW: usize = 4;
/// Requests that were given up and whose answer is still taken.
const MAX_LATE: usize = 16;
/// Time after which a request is made of somebody else.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pieces that a peer is sent in a second.
const SERVED_AT_ONCE: u32 = 64;
/// Pieces beyond that for which it may wait. Past these, requests are rejected.
const MAX_WAITING: usize = 64;
/// How often a peer is sent all of it; a few pieces more are given for small ones.
const MAX_COPIES: u32 = 4;

/// One connection's part in the exchange of metadata.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Its size, as the peer says; none where there can be no such metadata.
    pub(crate) size: Option<u32>,
    /// It is not asked before.
    pub(crate) resting: Option<Instant>,
    /// How often it was asked in vain.
    pub(crate) vain: u32,
    asked: SmallVec<[Asked; WINDOW]>,
    /// Answers that may come to requests which are forgotten.
    stale: u32,
    /// What it asked for and will get later.
    waiting: VecDeque<u32>,
    /// What it was sent, in all and in this second.
    served: u32,
    served_lately: u32,
}

#[derive(Debug)]
struct Asked {
    piece: u32,
    at: Instant,
    /// Somebody else is asked for it.
    is_late: bool,
}

/// How a piece that a peer sends came to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was asked for.
    Asked,
    /// It was asked for, and given up since.
    Late,
    /// It was asked for, and all about that is forgotten.
    Stale,
    /// It was never asked for.
    Unasked,
}

impl Link {
    /// Takes a size that the peer tells.
    pub(crate) fn tell_size(&mut self, size: u32) {
        self.size = Some(size).filter(|size| *size <= MetadataMessage::MAX_SIZE);
    }

    pub(crate) fn is_resting(&self, now: Instant) -> bool {
        self.resting.is_some_and(|until| now < until)
    }

    /// It was asked in vain, and is left alone for a while.
    pub(crate) fn rest(&mut self, until: Instant) {
        self.vain += 1;
        self.resting = self.resting.max(Some(until));
    }

    pub(crate) fn has_room(&self) -> bool {
        self.outstanding().count() < WINDOW
    }

    pub(crate) fn has_asked(&self, piece: u32) -> bool {
        self.asked
            .iter()
            .any(|asked| asked.piece == piece && !asked.is_late)
    }

    pub(crate) fn ask(&mut self, now: Instant, piece: u32) {
        self.asked.retain(|asked| asked.piece != piece);
        if self.asked.len() >= MAX_LATE {
            self.forget_oldest();
        }
        self.asked.push(Asked {
            piece,
            at: now,
            is_late: false,
        });
    }

    fn forget_oldest(&mut self) {
        if let Some(at) = self.asked.iter().position(|asked| asked.is_late) {
            self.asked.remove(at);
            self.stale += 1;
        }
    }

    /// The peer has answered, or refused, a request for `piece`.
    pub(crate) fn answer(&mut self, piece: u32) -> Answer {
        if let Some(at) = self.asked.iter().position(|asked| asked.piece == piece) {
            return if self.asked.remove(at).is_late {
                Answer::Late
            } else {
                Answer::Asked
            };
        }
        if self.stale == 0 {
            return Answer::Unasked;
        }
        self.stale -= 1;
        Answer::Stale
    }

    /// Gives up what has not been answered for too long, and says what that is.
    pub(crate) fn give_up_late(&mut self, now: Instant) -> SmallVec<[u32; WINDOW]> {
        let is_due =
            |asked: &Asked| !asked.is_late && now.saturating_duration_since(asked.at) >= TIMEOUT;
        let due = self.asked.iter_mut().filter(|asked| is_due(asked));
        due.map(|asked| {
            asked.is_late = true;
            asked.piece
        })
        .collect()
    }

    /// Forgets what was asked, because it belongs to a copy that is given up.
    pub(crate) fn forget_asked(&mut self) {
        self.stale += self.asked.len() as u32;
        self.asked.clear();
    }

    /// What was asked for and is neither answered nor given up.
    pub(crate) fn outstanding(&self) -> impl Iterator<Item = u32> + '_ {
        let asked = self.asked.iter().filter(|asked| !asked.is_late);
        asked.map(|asked| asked.piece)
    }

    /// The peer asks for one of `count` pieces. Whether that is granted; the piece comes out of [`next_served`](Self::next_served).
    pub(crate) fn grant(&mut self, piece: u32, count: u32) -> bool {
        let sent = self.served.saturating_add(self.waiting.len() as u32);
        let allowed = sent < (count * MAX_COPIES).max(MAX_WAITING as u32);
        let grants = piece < count && allowed && self.waiting.len() < MAX_WAITING;
        if grants {
            self.waiting.push_back(piece);
        }
        grants
    }

    /// The next piece to send, if it is its time.
    pub(crate) fn next_served(&mut self) -> Option<u32> {
        if self.served_lately >= SERVED_AT_ONCE {
            return None;
        }
        let piece = self.waiting.pop_front()?;
        self.served += 1;
        self.served_lately += 1;
        Some(piece)
    }

    /// A second has gone by.
    pub(crate) fn tick(&mut self) {
        self.served_lately = 0;
    }
}

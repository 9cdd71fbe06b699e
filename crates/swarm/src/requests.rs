//! What one peer was asked for, and how much of it at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use headwater_metainfo::BLOCK_LENGTH;

use crate::Limits;
use crate::picker::BlockId;

/// Time's worth of a peer's rate that is kept outstanding beside what its distance takes. More would keep pieces from being begun
/// elsewhere, and would ask a seed for pieces that it has given to others meanwhile.
const QUEUE_TIME: Duration = Duration::from_secs(1);
/// Requests at least that are kept outstanding.
const MIN_TARGET: u32 = 2;
/// What a peer that says nothing about it takes (`reqq`, BEP 10).
const DEFAULT_REQQ: u32 = 250;
/// Requests at most that go out together.
const MAX_BATCH: u32 = 64;
/// Requests that were given up and may be answered all the same.
const MAX_LATE: usize = 1_024;

const SHORTEST_TIMEOUT: Duration = Duration::from_secs(20);
const FIRST_TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_TIMEOUT: Duration = Duration::from_mins(1);
/// Seconds that a peer is expected to take for each block before it has sent one.
const FIRST_BLOCK: f64 = 0.5;
/// No peer is expected to take longer.
const A_LONG_TIME: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, Copy)]
struct Request {
    block: BlockId,
    sent: Instant,
}

/// How a block that arrived, or was rejected, relates to what the peer was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is outstanding.
    Outstanding,
    /// It was, and was given up.
    Earlier,
    /// It never was.
    Never,
}

/// The requests that are outstanding to one peer.
///
/// How many there should be follows the peer's rate and its distance: as much as it sends in a second and in the time of its
/// quickest answer, so that it never runs dry and no block waits for long behind others. Until the rate stops growing, each
/// block that arrives adds one (slow start).
#[derive(Debug, Clone)]
pub(crate) struct RequestQueue {
    outstanding: VecDeque<Request>,
    late: VecDeque<BlockId>,
    target: u32,
    ceiling: u32,
    slow_start: bool,
    last_rate: u64,
    /// When the last block came, or the queue was last empty.
    waiting_since: Instant,
    /// Mean time between two blocks, and its mean deviation, in seconds.
    pace: Option<(f64, f64)>,
    /// The shortest time in which a request was ever answered: there and back, and little else.
    quickest: Option<Duration>,
    snubbed: bool,
}

impl RequestQueue {
    pub(crate) fn new(now: Instant, limits: &Limits) -> Self {
        let ceiling = limits.max_requests.clamp(1, DEFAULT_REQQ);
        Self {
            outstanding: VecDeque::new(),
            late: VecDeque::new(),
            target: limits.first_requests.clamp(1, ceiling),
            ceiling,
            slow_start: true,
            last_rate: 0,
            waiting_since: now,
            pace: None,
            quickest: None,
            snubbed: false,
        }
    }

    /// The peer says how many requests it takes (`reqq`, BEP 10).
    pub(crate) fn set_reqq(&mut self, reqq: u32, limits: &Limits) {
        self.ceiling = reqq.min(limits.max_requests).max(1);
        self.target = self.target.min(self.ceiling);
    }

    pub(crate) fn len(&self) -> usize {
        self.outstanding.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outstanding.is_empty()
    }

    pub(crate) fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    /// Requests that should be outstanding.
    pub(crate) fn target(&self) -> u32 {
        if self.snubbed { 1 } else { self.target }
    }

    pub(crate) fn blocks(&self) -> impl DoubleEndedIterator<Item = BlockId> + Clone + '_ {
        self.outstanding.iter().map(|request| request.block)
    }

    /// Requests to send now: none until so many are missing that they are worth a packet.
    pub(crate) fn room(&self) -> usize {
        let target = self.target();
        let batch = (target / 4).clamp(1, MAX_BATCH);
        let missing = target.saturating_sub(self.outstanding.len() as u32);
        if missing >= batch {
            missing as usize
        } else {
            0
        }
    }

    pub(crate) fn push(&mut self, now: Instant, block: BlockId) {
        if self.outstanding.is_empty() {
            self.waiting_since = now;
        }
        self.outstanding.push_back(Request { block, sent: now });
    }

    /// A block arrived.
    pub(crate) fn receive(&mut self, now: Instant, block: BlockId) -> Asked {
        if let Some(request) = self
            .outstanding
            .iter()
            .find(|request| request.block == block)
        {
            let answered_in = now.saturating_duration_since(request.sent);
            self.quickest = Some(
                self.quickest
                    .map_or(answered_in, |least| least.min(answered_in)),
            );
        }
        let asked = self.take(block);
        if asked == Asked::Never {
            return asked;
        }
        self.note_pace(now.saturating_duration_since(self.waiting_since));
        self.waiting_since = now;
        if self.snubbed {
            self.snubbed = false;
            self.slow_start = true;
            self.target = MIN_TARGET.min(self.ceiling);
        } else if self.slow_start {
            self.target = (self.target + 1).min(self.ceiling);
        }
        asked
    }

    /// The peer will not send a block. One that was given up is taken to be meant before one that is outstanding: the
    /// peer answers in order.
    pub(crate) fn reject(&mut self, block: BlockId) -> Asked {
        if let Some(at) = self.late.iter().position(|&late| late == block) {
            self.late.remove(at);
            return Asked::Earlier;
        }
        self.take(block)
    }

    fn take(&mut self, block: BlockId) -> Asked {
        let outstanding = self.outstanding.iter().position(|r| r.block == block);
        if let Some(at) = outstanding {
            self.outstanding.remove(at);
            return Asked::Outstanding;
        }
        match self.late.iter().position(|&late| late == block) {
            Some(at) => {
                self.late.remove(at);
                Asked::Earlier
            }
            None => Asked::Never,
        }
    }

    /// Gives up one request. It may still be answered.
    pub(crate) fn give_up(&mut self, block: BlockId) -> bool {
        let Some(at) = self.outstanding.iter().position(|r| r.block == block) else {
            return false;
        };
        self.outstanding.remove(at);
        self.remember_late(block);
        true
    }

    /// Gives up everything. It may still be answered.
    pub(crate) fn give_up_all(&mut self) -> Vec<BlockId> {
        let blocks: Vec<_> = self.outstanding.drain(..).map(|r| r.block).collect();
        for &block in &blocks {
            self.remember_late(block);
        }
        blocks
    }

    fn remember_late(&mut self, block: BlockId) {
        if self.late.len() == MAX_LATE {
            self.late.pop_front();
        }
        self.late.push_back(block);
    }

    /// Adapts the queue to the peer's rate, about once a second.
    pub(crate) fn adapt(&mut self, bytes_per_second: u64) {
        if self.outstanding.is_empty() {
            return;
        }
        if self.slow_start && bytes_per_second > self.last_rate + self.last_rate / 10 {
            self.last_rate = bytes_per_second;
            return;
        }
        if self.slow_start && bytes_per_second == 0 {
            return;
        }
        self.slow_start = false;
        self.last_rate = bytes_per_second;
        let time = QUEUE_TIME + self.quickest.unwrap_or_default();
        let blocks = bytes_per_second as f64 * time.as_secs_f64() / f64::from(BLOCK_LENGTH);
        let blocks = blocks as u32;
        self.target = blocks.max(MIN_TARGET).min(self.ceiling);
    }

    fn note_pace(&mut self, gap: Duration) {
        let gap = gap.as_secs_f64();
        self.pace = Some(match self.pace {
            None => (gap, gap / 2.0),
            Some((mean, deviation)) => {
                let error = (gap - mean).abs();
                (
                    mean + (gap - mean) / 8.0,
                    deviation + (error - deviation) / 4.0,
                )
            }
        });
    }

    /// How long the peer may let us wait: longer if it was always slow.
    pub(crate) fn timeout(&self) -> Duration {
        let Some((mean, deviation)) = self.pace else {
            return FIRST_TIMEOUT;
        };
        let allowed = 4.0 * (mean + 4.0 * deviation);
        Duration::from_secs_f64(allowed.min(LONGEST_TIMEOUT.as_secs_f64())).max(SHORTEST_TIMEOUT)
    }

    /// How long a peer is likely to take for `blocks` blocks, judged by the time that it took for earlier ones and by how
    /// long it has been silent.
    pub(crate) fn expected(&self, now: Instant, blocks: usize) -> Duration {
        if self.snubbed {
            return A_LONG_TIME;
        }
        let mean = self.pace.map_or(FIRST_BLOCK, |(mean, _)| mean);
        let paced = (mean * blocks as f64).min(A_LONG_TIME.as_secs_f64());
        let silent = if self.outstanding.is_empty() {
            Duration::ZERO
        } else {
            now.saturating_duration_since(self.waiting_since)
        };
        // Who has been silent for longer than usual is likely to be so for as long again.
        Duration::from_secs_f64(paced).max(silent)
    }

    /// Whether the peer has let us wait for too long.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.waiting_since);
        !self.outstanding.is_empty() && waited >= self.timeout()
    }

    /// A request that the peer seems to have forgotten while it answered later ones.
    pub(crate) fn forgotten(&self, now: Instant) -> Option<BlockId> {
        let oldest = self.outstanding.front()?;
        let age = now.saturating_duration_since(oldest.sent);
        (age >= LONGEST_TIMEOUT * 2).then_some(oldest.block)
    }

    /// The peer has let us wait for too long: it gets one request at a time until it answers.
    pub(crate) fn snub(&mut self, now: Instant) -> Vec<BlockId> {
        self.snubbed = true;
        self.waiting_since = now;
        self.give_up_all()
    }
}

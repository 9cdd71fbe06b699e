//! Connections and the links that they share.
//!
//! What a peer sends waits in two places: with the program, from where it can still be taken back, and in the send buffer of
//! the connection, which is small and drains at the speed of the link. The connections of a peer that have something to
//! send take turns on its uplink, a packet each. A connection whose receiver does not keep up, having a full window of
//! bytes under way, loses its turn.

use std::collections::VecDeque;
use std::time::Duration;

use headwater_metainfo::BlockSpan;
use headwater_swarm::PeerKey;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::packet::Packet;
use crate::time::{Rate, Time};

/// Bytes that the send buffer of a connection takes: what TCP leaves with us until then, if it is asked to.
const SEND_BUFFER: u64 = 32 * 1024;
/// Bytes at most that are under way to a receiver.
const WINDOW: u64 = 4 * 1024 * 1024;

/// One of the two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndId {
    pub(crate) connection: u32,
    pub(crate) side: u8,
}

impl EndId {
    pub(crate) const fn other(self) -> Self {
        Self {
            connection: self.connection,
            side: 1 - self.side,
        }
    }
}

/// What every packet needs to know of a connection, kept apart from the rest, and in one line of the cache, because there are so many
/// packets.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Route {
    /// Whose the two ends are.
    pub(crate) nodes: [u32; 2],
    /// The brains' names for it, each as long as that end is open.
    pub(crate) keys: [Option<PeerKey>; 2],
    /// One way, in nanoseconds.
    latency: u32,
    /// What may be added to that at random, in nanoseconds.
    jitter: u32,
    /// For each end, when the latest packet of each lane arrives that it sent: packets do not overtake each other.
    due: [[Time; 2]; 2],
}

impl Route {
    pub(crate) fn new(nodes: [u32; 2], latency: Duration, jitter: Duration) -> Self {
        let nanoseconds = |time: Duration| u32::try_from(time.as_nanos()).unwrap_or(u32::MAX);
        Self {
            nodes,
            keys: [None; 2],
            latency: nanoseconds(latency),
            jitter: nanoseconds(jitter),
            due: [[Time::ZERO; 2]; 2],
        }
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_nanos(u64::from(self.latency))
    }

    /// How long a packet takes, which is another time for each.
    pub(crate) fn delay(&self, rng: &mut Xoshiro256PlusPlus) -> Duration {
        let jitter = match u64::from(self.jitter) {
            0 => 0,
            most => rng.random_range(0..most),
        };
        self.latency() + Duration::from_nanos(jitter)
    }

    /// When a packet of the end `side` arrives that would do so at `arrival` if it were alone.
    pub(crate) fn schedule(&mut self, side: u8, arrival: Time, overtakes: bool) -> Time {
        let lane = &mut self.due[usize::from(side)][usize::from(overtakes)];
        *lane = arrival.max(*lane);
        *lane
    }

    /// When everything has arrived that the end `side` sent.
    pub(crate) fn last_due(&self, side: u8) -> Time {
        let [blocks, others] = self.due[usize::from(side)];
        blocks.max(others)
    }
}

/// What one end of a connection sends, and how far it has come.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// With the program.
    waiting: VecDeque<Packet>,
    /// In the send buffer.
    buffered: VecDeque<Packet>,
    buffered_bytes: u64,
    in_flight: u64,
    /// It is in its node's round.
    pub(crate) takes_turns: bool,
    /// Blocks that are being read from disk.
    pub(crate) reading: Vec<BlockSpan>,
}

impl End {
    /// Forgets everything that was to be sent.
    pub(crate) fn close(&mut self) {
        self.waiting = VecDeque::new();
        self.buffered = VecDeque::new();
        self.buffered_bytes = 0;
        self.reading = Vec::new();
    }

    /// Whether nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.buffered.is_empty()
    }

    pub(crate) fn push(&mut self, packet: Packet) {
        self.waiting.push_back(packet);
    }

    /// Moves what fits into the send buffer; the blocks among it are `sent` as far as the program is concerned.
    pub(crate) fn fill_buffer(&mut self, mut sent: impl FnMut(BlockSpan)) {
        while self.buffered_bytes < SEND_BUFFER
            && let Some(packet) = self.waiting.pop_front()
        {
            self.buffered_bytes += packet.length();
            if let Packet::Block { span, .. } = &packet {
                sent(*span);
            }
            self.buffered.push_back(packet);
        }
    }

    /// Takes a block back; false if it is in the send buffer, or gone.
    pub(crate) fn take_back(&mut self, block: BlockSpan) -> bool {
        let same = |packet: &Packet| matches!(packet, Packet::Block { span, .. } if *span == block);
        let at = self.waiting.iter().position(same);
        at.and_then(|at| self.waiting.remove(at)).is_some()
    }

    /// Whether the link may take something from it.
    pub(crate) fn is_ready(&self) -> bool {
        !self.buffered.is_empty() && self.in_flight < WINDOW
    }

    pub(crate) fn transmit(&mut self) -> Option<Packet> {
        let packet = self.buffered.pop_front()?;
        self.buffered_bytes -= packet.length();
        if let Packet::Block { .. } = packet {
            self.in_flight += packet.length();
        }
        Some(packet)
    }

    pub(crate) fn delivered(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }
}

/// What a node sends through.
#[derive(Debug)]
pub(crate) struct Uplink {
    pub(crate) rate: Rate,
    pub(crate) busy_until: Time,
    /// The resolution of time.
    tick: Duration,
    /// Bytes of small messages, which go ahead of everything and delay what comes after them.
    pub(crate) debt: u64,
    pub(crate) turns: VecDeque<EndId>,
    /// It will look for something to send at [`busy_until`](Self::busy_until).
    pub(crate) is_scheduled: bool,
}

impl Uplink {
    pub(crate) fn new(rate: Rate, tick: Duration) -> Self {
        Self {
            rate,
            busy_until: Time::ZERO,
            tick,
            debt: 0,
            turns: VecDeque::new(),
            is_scheduled: false,
        }
    }

    /// Whether it can take something in the tick that begins at `now`.
    pub(crate) fn is_free(&self, now: Time) -> bool {
        self.busy_until < now + self.tick
    }

    /// Sends so many bytes, and says when the last one is out.
    pub(crate) fn send(&mut self, now: Time, bytes: u64) -> Time {
        // What it was busy with may have ended since the last tick.
        let start = if self.busy_until + self.tick >= now {
            self.busy_until
        } else {
            now
        };
        self.busy_until = start + self.rate.time_for(bytes + std::mem::take(&mut self.debt));
        self.busy_until
    }
}

/// What a node receives through.
#[derive(Debug)]
pub(crate) struct Downlink {
    pub(crate) rate: Rate,
    busy_until: Time,
}

impl Downlink {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            busy_until: Time::ZERO,
        }
    }

    /// When so many bytes are through, of which the last one arrives at `arrival`.
    pub(crate) fn receive(&mut self, arrival: Time, bytes: u64) -> Time {
        self.busy_until = arrival.max(self.busy_until + self.rate.time_for(bytes));
        self.busy_until
    }
}

#[cfg(test)]
mod tests {
    use headwater_metainfo::PieceIndex;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn span(piece: u32) -> BlockSpan {
        BlockSpan {
            piece: PieceIndex(piece),
            offset: 0,
            length: 16_384,
        }
    }

    fn block(piece: u32) -> Packet {
        Packet::Block {
            span: span(piece),
            spoilt: false,
        }
    }

    #[test]
    fn the_send_buffer_is_small_and_what_waits_before_it_can_be_taken_back() {
        let mut end = End::default();
        (0..6).for_each(|piece| end.push(block(piece)));
        let mut sent = Vec::new();
        end.fill_buffer(|block| sent.push(block.piece.0));
        assert_eq!(sent, [0, 1]);
        assert!(!end.take_back(span(0)) && end.take_back(span(2)));
        end.transmit();
        end.fill_buffer(|block| sent.push(block.piece.0));
        assert_eq!(sent, [0, 1, 3]);
    }

    #[test]
    fn a_full_window_stops_it_until_something_is_delivered() {
        let mut end = End::default();
        (0..300).for_each(|piece| end.push(block(piece)));
        let mut under_way = 0;
        end.fill_buffer(|_| {});
        while end.is_ready() {
            under_way += end.transmit().unwrap().length();
            end.fill_buffer(|_| {});
        }
        assert!((WINDOW..WINDOW + 20_000).contains(&under_way));
        end.delivered(20_000);
        assert!(end.is_ready());
    }

    #[test]
    fn a_route_fits_in_a_line_of_the_cache() {
        assert_eq!(size_of::<Route>(), 64);
    }

    #[test]
    fn packets_of_a_lane_do_not_overtake_each_other() {
        let mut route = Route::new([0, 1], SECOND, SECOND);
        let (early, late) = (Time::ZERO + SECOND, Time::ZERO + SECOND * 2);
        assert_eq!(route.schedule(0, late, false), late);
        assert_eq!(route.schedule(0, early, false), late);
        assert_eq!(route.schedule(0, early, true), early);
        assert_eq!(route.schedule(1, early, false), early);
        assert_eq!((route.last_due(0), route.last_due(1)), (late, early));
    }

    #[test]
    fn links_move_no_more_than_their_rate() {
        let mut up = Uplink::new(Rate(1_000), Duration::from_millis(1));
        assert_eq!(up.send(Time::ZERO, 1_000), Time::ZERO + SECOND);
        // Small messages went ahead, and delay what comes after them.
        up.debt = 500;
        assert_eq!(up.send(Time::ZERO + SECOND, 500), Time::ZERO + SECOND * 2);
        assert!(!up.is_free(Time::ZERO + SECOND));
        let mut down = Downlink::new(Rate(1_000));
        let arrival = Time::ZERO + SECOND * 5;
        assert_eq!(down.receive(arrival, 1_000), arrival);
        assert_eq!(down.receive(arrival, 2_000), arrival + SECOND * 2);
    }
}

//! What is to happen, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Time;

/// The resolution of virtual time. Links reckon exactly; only the moment at which something is noticed is rounded up.
pub(crate) const TICK: Duration = Duration::from_millis(1);
const TICK_NANOS: u64 = TICK.as_nanos() as u64;
/// Ticks that have a bucket of their own; what is due later waits in a map.
const RING: u64 = 4_096;

/// Events by the tick in which they are due. Pushing and taking cost the same however many there are.
///
/// The events of one tick come out in the order in which they were pushed.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    ring: Vec<Vec<E>>,
    later: BTreeMap<u64, Vec<E>>,
    /// The tick that is being handled.
    now: u64,
    pending: usize,
}

impl<E> Agenda<E> {
    /// Nothing is to happen; the time is zero.
    pub(crate) fn new() -> Self {
        Self {
            ring: (0..RING).map(|_| Vec::new()).collect(),
            later: BTreeMap::new(),
            now: 0,
            pending: 0,
        }
    }

    /// The start of the tick that is being handled.
    pub(crate) const fn now(&self) -> Time {
        Time(self.now * TICK_NANOS)
    }

    /// Notes an event. It happens in the first tick that begins at or after `due`, and in the next one at the earliest.
    pub(crate) fn push(&mut self, due: Time, event: E) {
        let tick = due.0.div_ceil(TICK_NANOS).max(self.now + 1);
        self.pending += 1;
        if tick - self.now < RING {
            self.ring[(tick % RING) as usize].push(event);
        } else {
            self.later.entry(tick).or_default().push(event);
        }
    }

    /// Goes on to the next tick in which something happens, and puts that into `events`. Says whether there is any.
    ///
    /// The buffer that `events` brings is used again.
    pub(crate) fn advance(&mut self, events: &mut Vec<E>) -> bool {
        events.clear();
        if self.pending == 0 {
            return false;
        }
        while events.is_empty() {
            self.step(events);
        }
        self.pending -= events.len();
        true
    }

    fn step(&mut self, events: &mut Vec<E>) {
        self.now += 1;
        // What was pushed when this tick was still far away was pushed first.
        if let Some(mut first) = self.later.remove(&self.now) {
            events.append(&mut first);
        }
        let bucket = &mut self.ring[(self.now % RING) as usize];
        if events.is_empty() {
            std::mem::swap(events, bucket);
        } else {
            events.append(bucket);
        }
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_order_near_and_far() {
        let mut agenda = Agenda::new();
        let at = |millis: u64| Time(millis * TICK_NANOS);
        for (due, name) in [(9_000, 'd'), (2, 'b'), (0, 'a'), (2, 'c'), (9_000, 'e')] {
            agenda.push(at(due), name);
        }
        let mut events = Vec::new();
        let mut seen = Vec::new();
        while agenda.advance(&mut events) {
            if agenda.now() == at(5_000) {
                // Near by now, but later than what was pushed from afar.
                agenda.push(at(9_000), 'f');
            }
            if events == ['b', 'c'] {
                agenda.push(at(5_000), 'x');
            }
            seen.extend(events.iter().map(|&name| (agenda.now(), name)));
        }
        let expected = [
            (1, 'a'),
            (2, 'b'),
            (2, 'c'),
            (5_000, 'x'),
            (9_000, 'd'),
            (9_000, 'e'),
            (9_000, 'f'),
        ];
        assert_eq!(seen, expected.map(|(due, name)| (at(due), name)));
    }

    #[test]
    fn what_is_due_between_two_ticks_waits_for_the_second() {
        let mut agenda = Agenda::new();
        agenda.push(Time(2 * TICK_NANOS + 1), ());
        let mut events = Vec::new();
        assert!(agenda.advance(&mut events));
        assert_eq!(agenda.now(), Time(3 * TICK_NANOS));
        assert!(!agenda.advance(&mut events));
    }
}

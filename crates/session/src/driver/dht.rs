//! When a torrent is looked up and announced in the DHT.

use std::time::{Duration, Instant};

use headwater_dht::{Announce, LookupId, LookupStats};
use headwater_swarm::Activity;

use super::Driver;

/// Time between two announces: nodes forget a peer after half an hour.
const INTERVAL: Duration = Duration::from_mins(15);
/// Time after which more peers are looked for where there are few, and twice as long each time after that.
const FEW_INTERVAL: Duration = Duration::from_secs(15);
/// Time before another attempt after one that nobody answered.
const RETRY: Duration = Duration::from_secs(15);
/// Time at least between two starts of a torrent that is started again and again.
const LEAST: Duration = Duration::from_mins(1);
/// Connections that are few.
const FEW: usize = 8;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct DhtSchedule {
    is_wanted: bool,
    running: Option<LookupId>,
    /// When it is looked up whatever happens; once it was wanted.
    due: Option<Instant>,
    /// When it is looked up if peers are few.
    due_if_few: Option<Instant>,
    pause: Duration,
}

impl DhtSchedule {
    /// It is wanted, or no longer; gives the lookup that is to be called off.
    fn want(&mut self, now: Instant, is_wanted: bool) -> Option<LookupId> {
        if std::mem::replace(&mut self.is_wanted, is_wanted) == is_wanted {
            return None;
        }
        if !is_wanted {
            return self.running.take();
        }
        // Whoever stops and starts again and again is no more of a burden than others.
        let due = self.due.map_or(now, |due| due.min(now + LEAST));
        self.due = Some(due);
        self.due_if_few = self.due;
        self.pause = FEW_INTERVAL;
        None
    }

    /// When it is due next.
    fn next(&self, has_few: bool) -> Option<Instant> {
        let is_idle = self.is_wanted && self.running.is_none();
        let due = if has_few { self.due_if_few } else { self.due };
        due.filter(|_| is_idle)
    }

    /// A lookup has begun, or could not.
    fn began(&mut self, now: Instant, lookup: Option<LookupId>) {
        self.running = lookup;
        self.due = Some(now + if lookup.is_some() { INTERVAL } else { RETRY });
        self.due_if_few = self.due;
    }

    /// A lookup has come to its end.
    fn ended(&mut self, now: Instant, lookup: LookupId, stats: LookupStats, has_few: bool) {
        if self.running != Some(lookup) {
            return;
        }
        self.running = None;
        if stats.answers == 0 {
            self.due = Some(now + RETRY);
            self.due_if_few = self.due;
            return;
        }
        if !has_few {
            self.pause = FEW_INTERVAL;
        }
        self.due = Some(now + INTERVAL);
        self.due_if_few = Some(now + self.pause);
        self.pause = (self.pause * 2).min(INTERVAL);
    }
}

impl Driver {
    /// Whether we are a node of the DHT for this torrent's peers.
    pub(super) fn uses_dht(&self) -> bool {
        self.core.dht.node().is_some() && self.swarm.discovery().dht
    }

    /// Looks for peers in the DHT and announces us, if it is time.
    pub(super) fn search_dht(&mut self, now: Instant) {
        let uses_dht = self.uses_dht();
        self.shared.set_uses_dht(uses_dht);
        let port = Some(self.core.public_port()).filter(|_| uses_dht);
        self.swarm.set_dht_port(port);
        let is_open = self.swarm.activity() != Activity::Stopped;
        let called_off = self.dht.want(now, uses_dht && is_open);
        let Some(node) = self.core.dht.node() else {
            return;
        };
        if let Some(lookup) = called_off {
            node.cancel(lookup);
        }
        if self.next_dht_search().is_some_and(|due| due <= now) {
            let hash = self.shared.info_hash;
            let lookup = node.find_peers(hash, self.announcement(), self.inputs.clone());
            self.dht.began(now, lookup);
        }
    }

    pub(super) fn dht_searched(&mut self, now: Instant, lookup: LookupId, stats: LookupStats) {
        tracing::debug!(?stats, "searched the DHT");
        let has_few = self.has_few_peers();
        self.dht.ended(now, lookup, stats, has_few);
    }

    pub(super) fn next_dht_search(&self) -> Option<Instant> {
        self.dht.next(self.has_few_peers())
    }

    /// A peer has a node of the DHT.
    pub(super) fn heard_of_dht_node(&self, address: std::net::SocketAddr) {
        if let Some(node) = self.core.dht.node() {
            node.add_nodes([address]);
        }
    }

    fn has_few_peers(&self) -> bool {
        !self.swarm.is_seed() && self.outboxes.len() < FEW
    }

    /// The port is told, not implied: peers are to connect by TCP, and what a gateway makes of the port of our datagrams says nothing
    /// of that.
    fn announcement(&self) -> Announce {
        Announce {
            port: self.core.public_port(),
            implied_port: false,
            seed: self.swarm.is_seed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_dht::{Config, Dht, NodeId};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A schedule with a lookup that has begun.
    fn begun(now: Instant) -> (DhtSchedule, LookupId) {
        let mut dht = Dht::new(now, Config::new([1; 32]));
        let lookup = dht.find_node(now, NodeId([1; 20])).unwrap();
        let mut schedule = DhtSchedule::default();
        assert_eq!(schedule.next(true), None);
        assert_eq!(schedule.want(now, true), None);
        assert_eq!(schedule.next(false), Some(now));
        schedule.began(now, Some(lookup));
        assert_eq!(schedule.next(true), None, "one at a time");
        (schedule, lookup)
    }

    fn answered(answers: u32) -> LookupStats {
        LookupStats {
            answers,
            ..LookupStats::default()
        }
    }

    #[test]
    fn every_quarter_of_an_hour_and_sooner_where_peers_are_few() {
        let now = super::super::now();
        let (mut schedule, lookup) = begun(now);
        for seconds in [15, 30, 60, 120, 240, 480, 900, 900] {
            schedule.running = Some(lookup);
            schedule.ended(now, lookup, answered(5), true);
            assert_eq!(schedule.next(true), Some(now + seconds * SECOND));
            assert_eq!(schedule.next(false), Some(now + INTERVAL));
        }
        schedule.running = Some(lookup);
        schedule.ended(now, lookup, answered(5), false);
        assert_eq!(schedule.next(true), Some(now + FEW_INTERVAL));
    }

    #[test]
    fn a_lookup_that_nobody_answers_is_repeated() {
        let now = super::super::now();
        let (mut schedule, lookup) = begun(now);
        schedule.ended(now, lookup, answered(0), false);
        assert_eq!(schedule.next(false), Some(now + RETRY));
        schedule.began(now, None);
        assert_eq!(schedule.next(false), Some(now + RETRY));
    }

    #[test]
    fn stopping_calls_off_and_starting_again_and_again_changes_nothing() {
        let now = super::super::now();
        let (mut schedule, lookup) = begun(now);
        assert_eq!(schedule.want(now, false), Some(lookup));
        assert_eq!(schedule.next(true), None);
        assert_eq!(schedule.want(now, true), None);
        assert_eq!(schedule.next(true), Some(now + LEAST));
        schedule.ended(now, lookup, answered(0), true);
        assert_eq!(
            schedule.next(true),
            Some(now + LEAST),
            "it is another's end"
        );
    }
}

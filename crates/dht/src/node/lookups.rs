//! Lookups under way: what they ask, how they begin and end.

use std::time::Instant;

use super::home::Home;
use super::{Dht, Event, Role};
use crate::lookup::{Errand, Goal, Lookup, LookupId, Run, Walk, WalkLimits};
use crate::{Family, PerFamily};

impl Dht {
    /// Begins lookups that wait, as many as may be, once there is anybody to ask.
    pub(super) fn start_waiting(&mut self, now: Instant) {
        let known = |family: &Family| self.homes[*family].as_ref().is_some_and(Home::has_sources);
        if self.waiting.is_empty() || !Family::ALL.iter().any(known) {
            return;
        }
        while self.lookups.len() < self.limits.max_lookups {
            let Some((id, goal)) = self.waiting.pop_front() else {
                return;
            };
            self.start(now, id, goal, None);
        }
    }

    /// Begins a lookup; one that is `internal` is for the table of that family, and nobody is told of it.
    pub(super) fn start(
        &mut self,
        now: Instant,
        id: LookupId,
        goal: Goal,
        internal: Option<Family>,
    ) {
        let runs = PerFamily::new(|family| {
            let wanted = internal.is_none_or(|only| only == family);
            wanted.then(|| self.run(&goal, family)).flatten()
        });
        let lookup = Lookup {
            goal,
            runs,
            began: now,
            internal,
        };
        self.lookups.insert(id, lookup);
        self.advance(now, id);
    }

    /// Asks what a lookup wants to ask, and ends it if that was all.
    pub(super) fn advance(&mut self, now: Instant, id: LookupId) {
        let Some(mut lookup) = self.lookups.remove(&id) else {
            return;
        };
        for family in Family::ALL {
            if let Some(run) = &mut lookup.runs[family] {
                self.advance_run(now, id, run, &lookup.goal);
            }
        }
        if lookup.is_finished() {
            self.finish(now, id, &lookup);
        } else {
            self.lookups.insert(id, lookup);
        }
    }

    /// Lets those go on that had to wait for others.
    pub(super) fn resume_stalled(&mut self, now: Instant) {
        for _ in 0..self.stalled.len() {
            if !self.may_ask(now) {
                return;
            }
            if let Some(id) = self.stalled.pop_front() {
                self.advance(now, id);
            }
        }
    }

    fn run(&self, goal: &Goal, family: Family) -> Option<Run> {
        let home = self.homes[family].as_ref()?;
        let start = home.start(goal.target());
        let few = !start.is_full() || !home.ready;
        let guides = home.routers.iter().copied().filter(|_| few);
        let limits = WalkLimits {
            max_queries: self.limits.max_queries_per_lookup,
            restricted: self.restricted,
            enforce_ids: self.enforce_ids,
        };
        Some(Run::new(Walk::new(
            home.table.own(),
            limits,
            &start,
            guides,
        )))
    }

    fn advance_run(&mut self, now: Instant, id: LookupId, run: &mut Run, goal: &Goal) {
        while !goal.is_over() {
            if !self.may_ask(now) {
                if !self.stalled.contains(&id) {
                    self.stalled.push_back(id);
                }
                return;
            }
            let Some(errand) = run.next(goal) else {
                return;
            };
            let Errand {
                address,
                id: expected,
                kind,
                part,
            } = errand;
            self.asking.take(now);
            if !self.ask(now, address, expected, Role::Lookup(id, part), kind) {
                run.failed(part, address, true);
            }
        }
    }

    fn may_ask(&self, now: Instant) -> bool {
        self.transactions.is_open() && self.asking.is_ready(now)
    }

    fn finish(&mut self, now: Instant, id: LookupId, lookup: &Lookup) {
        let stats = lookup.stats(now);
        if let Some(family) = lookup.internal {
            self.internal_done(now, family, lookup);
        } else {
            if let Some(event) = lookup.last_words(id) {
                self.events.push_back(event);
            }
            self.events.push_back(Event::Done { lookup: id, stats });
        }
        self.start_waiting(now);
    }
}

//! What comes back, and what does not.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Dht, Event, Pending, Role};
use crate::krpc::{KrpcError, Response, Transaction};
use crate::lookup::{Answer, LookupId, LookupStats, Part};
use crate::{Contact, Family, security};

impl Dht {
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction: &Transaction,
        external: Option<SocketAddr>,
        response: Response,
    ) {
        let Some(pending) = self.transactions.answer(now, transaction, from) else {
            self.stats.unsolicited += 1;
            return;
        };
        let contact = Contact {
            id: response.id,
            address: from,
        };
        self.note_answer(now, &contact, &pending);
        if let Some(external) = external {
            self.note_vote(now, from, external);
        }
        self.hand_over(now, contact, &pending, response);
        self.pump(now);
    }

    /// An error. Whoever sent it is there, but of no use.
    pub(super) fn handle_refusal(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction: &Transaction,
        external: Option<SocketAddr>,
        error: KrpcError,
    ) {
        let Some(pending) = self.transactions.answer(now, transaction, from) else {
            self.stats.unsolicited += 1;
            return;
        };
        if let Some(external) = external {
            self.note_vote(now, from, external);
        }
        match pending.role {
            Role::Lookup(lookup, part) => {
                if part == Part::Store && self.lookups.contains_key(&lookup) {
                    self.tell_refusal(lookup, from, error);
                }
                self.fail(now, lookup, part, from, true);
            }
            Role::Ping(lookup) | Role::Sample(lookup) => {
                self.tell_refusal(lookup, from, error);
                self.done(lookup, single(now, &pending, 1));
            }
            Role::Probe => {}
        }
        self.pump(now);
    }

    pub(super) fn handle_late(&mut self, now: Instant, pending: &Pending) {
        let Role::Lookup(id, Part::Walk) = pending.role else {
            return;
        };
        if let Some(lookup) = self.lookups.get_mut(&id)
            && let Some(run) = &mut lookup.runs[Family::of(pending.to)]
        {
            run.walk.late(pending.to);
            self.advance(now, id);
        }
    }

    pub(super) fn handle_expired(&mut self, now: Instant, pending: &Pending) {
        if let (Some(id), Some(home)) = (pending.expected, &mut self.homes[Family::of(pending.to)])
        {
            let address = pending.to;
            home.table.failed(now, &Contact { id, address });
        }
        match pending.role {
            Role::Lookup(lookup, part) => self.fail(now, lookup, part, pending.to, false),
            Role::Ping(lookup) | Role::Sample(lookup) => {
                self.done(lookup, single(now, pending, 0));
            }
            Role::Probe => {}
        }
    }

    /// What every answer tells of the one who gave it.
    fn note_answer(&mut self, now: Instant, contact: &Contact, pending: &Pending) {
        let Some(home) = &mut self.homes[Family::of(contact.address)] else {
            return;
        };
        if pending.expected.is_some_and(|id| id != contact.id) {
            // Either it changed its id or it shows each a different one (BEP 45): if the former, it will be back.
            home.table.forget(contact.address);
        } else if !home.routers.contains(&contact.address) {
            let verified = security::is_valid(&contact.id, contact.address.ip());
            home.table.answered(now, *contact, verified);
        }
    }

    fn hand_over(&mut self, now: Instant, from: Contact, pending: &Pending, response: Response) {
        match pending.role {
            Role::Lookup(lookup, Part::Walk) => self.walked(now, lookup, from, response),
            Role::Lookup(id, Part::Store) => {
                if let Some(lookup) = self.lookups.get_mut(&id)
                    && let Some(run) = &mut lookup.runs[Family::of(from.address)]
                {
                    run.store_ended(true);
                    self.advance(now, id);
                }
            }
            Role::Ping(lookup) => {
                let after = now.duration_since(pending.sent);
                self.events.push_back(Event::Pong {
                    lookup,
                    from,
                    after,
                });
                self.done(lookup, single(now, pending, 1));
            }
            Role::Sample(lookup) => {
                self.sampled(lookup, from, response);
                self.done(lookup, single(now, pending, 1));
            }
            Role::Probe => self.probed(now, from),
        }
    }

    fn walked(&mut self, now: Instant, id: LookupId, from: Contact, mut response: Response) {
        let Some(lookup) = self.lookups.get_mut(&id) else {
            return;
        };
        let family = Family::of(from.address);
        let (own, other) = match family {
            Family::V4 => (&response.nodes, &response.nodes6),
            Family::V6 => (&response.nodes6, &response.nodes),
        };
        if let Some(run) = &mut lookup.runs[family] {
            run.walk.answered_by(&Answer {
                from,
                token: response.token.as_ref(),
                seq: response.seq,
                nodes: own,
            });
        }
        match &mut lookup.runs[family.other()] {
            Some(run) => run.hint(other),
            None => self.told_of(family.other(), other),
        }
        if let Some(lookup) = self.lookups.get_mut(&id)
            && let Some(find) = lookup.goal.take(&mut response)
        {
            self.events.push_back(find.into_event(id, from));
        }
        self.advance(now, id);
    }

    fn sampled(&mut self, lookup: LookupId, from: Contact, response: Response) {
        if let Some(samples) = response.samples {
            self.events.push_back(Event::Samples {
                lookup,
                from,
                samples,
            });
        }
        let mut nodes = response.nodes;
        nodes.extend(response.nodes6);
        self.events.push_back(Event::Nodes { lookup, nodes });
    }

    fn fail(
        &mut self,
        now: Instant,
        id: LookupId,
        part: Part,
        address: SocketAddr,
        answered: bool,
    ) {
        if let Some(lookup) = self.lookups.get_mut(&id)
            && let Some(run) = &mut lookup.runs[Family::of(address)]
        {
            run.failed(part, address, answered);
            self.advance(now, id);
        }
    }

    fn tell_refusal(&mut self, lookup: LookupId, from: SocketAddr, error: KrpcError) {
        self.events.push_back(Event::Refused {
            lookup,
            from,
            error,
        });
    }
}

/// What a single query took.
fn single(now: Instant, pending: &Pending, answers: u32) -> LookupStats {
    LookupStats {
        queries: 1,
        answers,
        timeouts: 1 - answers,
        elapsed: now.duration_since(pending.sent),
        ..LookupStats::default()
    }
}

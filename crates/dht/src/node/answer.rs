//! Answers to what others ask.

use std::net::SocketAddr;
use std::time::Instant;

use rand::Rng;

use super::{Dht, Limits};
use crate::krpc::{Body, DecodeError, Message, Query, QueryKind, Response, Transaction};
use crate::table::Nearest;
use crate::{Contact, Family, NodeId};

/// What is kept for others, and what answering takes.
#[derive(Debug)]
pub(super) struct Answering {}

impl Answering {
    pub(super) fn new(_now: Instant, _limits: &Limits, _rng: &mut impl Rng) -> Self {
        Self {}
    }
}

impl Dht {
    pub(super) fn handle_query(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction: Transaction,
        read_only: bool,
        query: &Query,
    ) {
        if self.read_only {
            return;
        }
        let Some(home) = &mut self.homes[Family::of(from)] else { return };
        let contact = Contact { id: query.id, address: from };
        let known = home.table.asked_us(now, &contact);
        let mut response = Response::new(home.table.own());
        match query.kind {
            QueryKind::FindNode { target } => self.add_nodes(now, target, from, query, &mut response),
            QueryKind::GetPeers { info_hash, .. } => self.add_nodes(now, info_hash.into(), from, query, &mut response),
            _ => {}
        }
        let message = Message::new(transaction, Body::Response(Box::new(response)));
        self.stats.answered += 1;
        self.outbox.push(from, |out| message.encode(out));
        if !known && !read_only {
            self.consider(now, &contact);
        }
    }

    pub(super) fn refuse_malformed(&mut self, _now: Instant, from: SocketAddr, error: &DecodeError) {
        if let Some(reply) = error.reply() && !self.read_only {
            self.outbox.push(from, |out| reply.encode(out));
        }
    }

    fn add_nodes(&self, now: Instant, target: NodeId, from: SocketAddr, query: &Query, response: &mut Response) {
        let want = query.want.resolved(from);
        let mut nearest = Nearest::to(target);
        if let (true, Some(home)) = (want.v4, &self.homes[Family::V4]) {
            home.table.nearest(&mut nearest, |entry| entry.is_good(now));
            response.nodes.extend(nearest.iter());
        }
        let mut nearest = Nearest::to(target);
        if let (true, Some(home)) = (want.v6, &self.homes[Family::V6]) {
            home.table.nearest(&mut nearest, |entry| entry.is_good(now));
            response.nodes6.extend(nearest.iter());
        }
    }
}

//! Answers to what others ask.

use std::net::SocketAddr;
use std::time::Instant;

use rand::Rng;

use super::{Dht, Limits};
use crate::item::Item;
use crate::krpc::{
    Body, DecodeError, ErrorCode, KrpcError, Message, PutArgs, Query, QueryKind, Response, Token,
    Transaction,
};
use crate::storage::{ItemStore, PeerStore, PutError, Sampler, Wanted};
use crate::table::Nearest;
use crate::throttle::{Throttle, Verdict};
use crate::token::Tokens;
use crate::{Contact, Family, NodeId};

/// Peers in an answer; those beyond 1,024 bytes are left out.
const MAX_PEERS: usize = 100;

const BAD_TOKEN: KrpcError = KrpcError::new(ErrorCode::PROTOCOL, "invalid token");

/// What is kept for others, and what answering takes.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) peers: PeerStore,
    pub(super) items: ItemStore,
    sampler: Sampler,
    tokens: Tokens,
    throttle: Throttle,
    /// The last answer, whose memory is used again.
    scratch: Option<Box<Response>>,
}

impl Answering {
    pub(super) fn new(now: Instant, limits: &Limits, restricted: bool, rng: &mut impl Rng) -> Self {
        let mut throttle = limits.throttle;
        if !restricted {
            throttle.per_address = throttle.total;
        }
        Self {
            peers: PeerStore::new(limits.peers, now, rng),
            items: ItemStore::new(limits.max_items, now, rng),
            sampler: Sampler::new(limits.samples),
            tokens: Tokens::new(now, rng),
            throttle: Throttle::new(throttle, now, rng),
            scratch: None,
        }
    }

    /// An answer that says nothing yet.
    fn response(&mut self, id: NodeId) -> Box<Response> {
        let mut response = self
            .scratch
            .take()
            .unwrap_or_else(|| Response::new(id).into());
        let (mut nodes, mut nodes6) = Default::default();
        let mut values = Vec::new();
        std::mem::swap(&mut nodes, &mut response.nodes);
        std::mem::swap(&mut nodes6, &mut response.nodes6);
        std::mem::swap(&mut values, &mut response.values);
        nodes.clear();
        nodes6.clear();
        values.clear();
        *response = Response {
            nodes,
            nodes6,
            values,
            ..Response::new(id)
        };
        response
    }

    /// Drops what has been kept long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        self.peers.expire(now);
        self.items.expire(now);
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
        if self.answering.throttle.query(now, from.ip()) != Verdict::Answer {
            self.stats.throttled += 1;
            return;
        }
        let body = match self.answer(now, from, query) {
            Ok(response) => Body::Response(response),
            Err(error) => Body::Error(error),
        };
        self.reply(from, Message::new(transaction, body));
        // BEP 43: who does not answer is not asked.
        if !read_only {
            self.note_query(now, from, query.id);
        }
    }

    /// Tells the sender of a query that it cannot be understood.
    pub(super) fn refuse(&mut self, now: Instant, from: SocketAddr, error: &DecodeError) {
        let Some(reply) = error.reply().filter(|_| !self.read_only) else {
            return;
        };
        if self.answering.throttle.query(now, from.ip()) == Verdict::Answer {
            self.reply(from, reply);
        } else {
            self.stats.throttled += 1;
        }
    }

    fn reply(&mut self, to: SocketAddr, mut message: Message) {
        message.version = self.version;
        message.external = Some(to);
        self.stats.answered += 1;
        self.outbox.push(to, |out| message.encode(out));
        if let Body::Response(response) = message.body {
            self.answering.scratch = Some(response);
        }
    }

    fn note_query(&mut self, now: Instant, address: SocketAddr, id: NodeId) {
        let contact = Contact { id, address };
        let home = self.homes[Family::of(address)].as_mut();
        if home.is_some_and(|home| !home.table.asked_us(now, &contact)) {
            self.consider(now, &contact);
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        query: &Query,
    ) -> Result<Box<Response>, KrpcError> {
        let own = self.id(Family::of(from)).unwrap_or(query.id);
        let mut response = self.answering.response(own);
        match &query.kind {
            QueryKind::Ping => {}
            QueryKind::FindNode { target } | QueryKind::Unknown { target, .. } => {
                self.add_nodes(now, *target, from, query, &mut response);
            }
            QueryKind::GetPeers { info_hash, .. } => {
                self.add_nodes(now, (*info_hash).into(), from, query, &mut response);
                self.add_peers(now, from, &query.kind, &mut response);
            }
            QueryKind::Get { target, seq } => {
                self.add_nodes(now, *target, from, query, &mut response);
                self.add_item(now, from, target, *seq, &mut response);
            }
            QueryKind::SampleInfohashes { target } => {
                self.add_nodes(now, *target, from, query, &mut response);
                let Answering { sampler, peers, .. } = &mut self.answering;
                response.samples = Some(sampler.sample(now, peers));
            }
            QueryKind::AnnouncePeer { token, .. } => {
                self.check_token(now, from, token)?;
                self.store_peer(now, from, &query.kind);
            }
            QueryKind::Put(put) => self.store_item(now, from, put)?,
        }
        Ok(response)
    }

    fn add_nodes(
        &self,
        now: Instant,
        target: NodeId,
        from: SocketAddr,
        query: &Query,
        response: &mut Response,
    ) {
        let want = query.want.resolved(from);
        let wanted = [
            (want.v4, Family::V4, &mut response.nodes),
            (want.v6, Family::V6, &mut response.nodes6),
        ];
        for (wanted, family, nodes) in wanted {
            if let Some(home) = self.homes[family].as_ref().filter(|_| wanted) {
                let mut nearest = Nearest::to(target);
                home.table.nearest(&mut nearest, |entry| entry.is_good(now));
                nodes.extend(nearest.iter());
            }
        }
    }

    fn add_peers(
        &mut self,
        now: Instant,
        from: SocketAddr,
        kind: &QueryKind,
        response: &mut Response,
    ) {
        let &QueryKind::GetPeers {
            info_hash,
            noseed,
            scrape,
        } = kind
        else {
            return;
        };
        let wanted = Wanted {
            v6: Family::of(from) == Family::V6,
            most: MAX_PEERS,
            no_seeds: noseed,
        };
        let Answering { peers, tokens, .. } = &mut self.answering;
        peers.sample(now, &info_hash, wanted, &mut response.values);
        if scrape {
            response.scrape = peers.scrape(now, &info_hash).map(Box::new);
        }
        response.token = Some(tokens.issue(now, from.ip()));
    }

    fn add_item(
        &mut self,
        now: Instant,
        from: SocketAddr,
        target: &NodeId,
        known: Option<i64>,
        response: &mut Response,
    ) {
        response.token = Some(self.answering.tokens.issue(now, from.ip()));
        match self.answering.items.get(now, target) {
            None => {}
            Some(Item::Immutable(value)) => response.value = Some(value.clone()),
            Some(Item::Mutable(item)) => {
                response.seq = Some(item.seq);
                if known.is_none_or(|known| item.seq > known) {
                    response.value = Some(item.value.clone());
                    response.key = Some(item.key);
                    response.signature = Some(item.signature);
                }
            }
        }
    }

    fn store_peer(&mut self, now: Instant, from: SocketAddr, kind: &QueryKind) {
        if let &QueryKind::AnnouncePeer {
            info_hash, seed, ..
        } = kind
            && let Some(port) = kind.announced_port(from)
        {
            let peer = SocketAddr::new(from.ip(), port);
            self.answering.peers.announce(now, info_hash, peer, seed);
        }
    }

    fn store_item(
        &mut self,
        now: Instant,
        from: SocketAddr,
        put: &PutArgs,
    ) -> Result<(), KrpcError> {
        self.check_token(now, from, &put.token)?;
        let stored = self.answering.items.put(now, put.item.clone(), put.cas);
        stored.map_err(PutError::refusal)
    }

    fn check_token(&self, now: Instant, from: SocketAddr, token: &Token) -> Result<(), KrpcError> {
        let tokens = &self.answering.tokens;
        let good = tokens.accepts(now, from.ip(), token);
        if good { Ok(()) } else { Err(BAD_TOKEN) }
    }
}

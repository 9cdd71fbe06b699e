//! The walk to the nodes that are nearest to a target, without what is asked of them.

use std::net::{IpAddr, SocketAddr};

use super::candidate::{Candidate, Guide, Informer, Near, Progress};
use crate::krpc::Token;
use crate::security::is_local;
use crate::table::{K, Nearest, Range};
use crate::{Contact, NodeId};

/// Queries under way that are not late yet (the alpha of Kademlia).
pub(crate) const ALPHA: usize = 3;

/// Nodes that are kept in mind; the farthest that were not asked are forgotten first.
const MAX_CANDIDATES: usize = 96;

/// Nodes taken from one answer: the eight that BEP 5 has, and as many again for those who give more.
const MAX_FROM_ANSWER: usize = 2 * K;

/// Addresses to begin with that are taken.
const MAX_GUIDES: usize = 32;

/// Bounds of a walk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WalkLimits {
    /// Queries in all.
    pub(crate) max_queries: u32,
    /// Of each range of addresses only one node is believed in at a time.
    pub(crate) restricted: bool,
    /// Only nodes are believed in whose id goes with their address (BEP 42).
    pub(crate) enforce_ids: bool,
}

/// What a walk did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WalkStats {
    pub(crate) queries: u32,
    pub(crate) answers: u32,
    pub(crate) timeouts: u32,
}

/// Whom a walk wants to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) address: SocketAddr,
    /// Who is expected there, unless it is an address to begin with.
    pub(crate) id: Option<NodeId>,
}

/// A node that answered, and is near enough to store something with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeper<'w> {
    pub(crate) contact: Contact,
    pub(crate) token: &'w Token,
    /// The version of the item that it has.
    pub(crate) seq: Option<i64>,
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer<'r> {
    pub(crate) from: Contact,
    pub(crate) token: Option<&'r Token>,
    /// The version of the item that it has.
    pub(crate) seq: Option<i64>,
    /// Nodes that it told of.
    pub(crate) nodes: &'r [Contact],
}

/// Goes from node to node towards `target`. It is told of answers and silence, and says whom to ask.
///
/// It has arrived when the [`K`] nearest have answered, and the [`K`] nearest of those whose id goes with their address (BEP 42):
/// anybody can choose an id next to the target, but few can choose an address that goes with it.
///
/// Nodes may lie about others. What that costs is bounded by [`WalkLimits::max_queries`], and kept low by noting who told of
/// whom: of a node that mostly told of nodes that don't answer, nobody else is asked unless others know them too.
#[derive(Debug)]
pub(crate) struct Walk {
    target: NodeId,
    own: NodeId,
    limits: WalkLimits,
    /// Nearest first.
    candidates: Vec<Candidate>,
    guides: Vec<Guide>,
    informers: Vec<Informer>,
    stats: WalkStats,
}

impl Walk {
    /// A walk from `start` and, if those are few, from `guides`.
    pub(crate) fn new(
        own: NodeId,
        limits: WalkLimits,
        start: &Nearest,
        guides: impl Iterator<Item = SocketAddr>,
    ) -> Self {
        let mut walk = Self {
            target: start.target(),
            own,
            limits,
            candidates: Vec::new(),
            guides: Vec::new(),
            informers: Vec::new(),
            stats: WalkStats::default(),
        };
        for contact in start.iter() {
            walk.learn(*contact, None, 0);
        }
        let guides = guides.take(MAX_GUIDES);
        walk.guides.extend(guides.map(|address| Guide {
            address,
            progress: Progress::Fresh,
        }));
        walk
    }

    pub(crate) fn stats(&self) -> WalkStats {
        self.stats
    }

    /// Answers that led one after the other to the nearest node that answered.
    pub(crate) fn hops(&self) -> u32 {
        let mut answered = self.answered();
        answered.next().map_or(0, |candidate| candidate.depth + 1)
    }

    /// Whom to ask now, which is noted as done. `None` while enough are being asked, and when there is nobody left.
    pub(crate) fn next(&mut self) -> Option<Ask> {
        if self.stats.queries >= self.limits.max_queries || self.active() >= ALPHA {
            return None;
        }
        let ask = self.next_guide().or_else(|| self.next_candidate())?;
        self.stats.queries += 1;
        Some(ask)
    }

    /// Whether it has arrived, or can get no farther.
    pub(crate) fn is_done(&self) -> bool {
        let exhausted = self.stats.queries >= self.limits.max_queries;
        let open = |progress| match progress {
            Progress::Fresh => !exhausted,
            Progress::Asked => true,
            _ => false,
        };
        if self.guides.iter().any(|guide| open(guide.progress)) {
            return false;
        }
        let mut near = Near::default();
        for candidate in &self.candidates {
            if near.is_full() {
                return true;
            }
            if open(candidate.progress) && near.wants(candidate) {
                return false;
            }
            near.count(candidate);
        }
        if near.all >= K {
            return true;
        }
        // There are too few to give up those that may just be slow.
        !self.has_late()
    }

    /// A node that was asked answered.
    pub(crate) fn answered_by(&mut self, answer: &Answer<'_>) {
        self.stats.answers += 1;
        let depth = self.settle(answer);
        let informer = self.informers.len();
        self.informers.push(Informer::default());
        let source = answer.from.address.ip();
        for contact in answer.nodes.iter().take(MAX_FROM_ANSWER) {
            if is_plausible(source, contact.address.ip()) {
                self.learn(*contact, Some(informer), depth);
            }
        }
    }

    /// A node that a walk in the other family was told of.
    pub(crate) fn hint(&mut self, contact: Contact) {
        self.learn(contact, None, 1);
    }

    /// The node at `address` did not answer yet; others are asked meanwhile.
    pub(crate) fn late(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.candidate_mut(address) {
            if candidate.progress == Progress::Asked {
                candidate.progress = Progress::Late;
                let informer = candidate.informer;
                self.missed(informer);
            }
        } else if let Some(guide) = self.guide_mut(address) {
            guide.progress = Progress::Late;
        }
    }

    /// The node at `address` did not answer, or with an error.
    pub(crate) fn failed(&mut self, address: SocketAddr, in_time: bool) {
        self.stats.timeouts += u32::from(!in_time);
        if let Some(candidate) = self.candidate_mut(address) {
            let first = candidate.progress == Progress::Asked;
            candidate.progress = Progress::Failed;
            let informer = candidate.informer.filter(|_| first);
            self.missed(informer);
        } else if let Some(guide) = self.guide_mut(address) {
            guide.progress = Progress::Failed;
        }
    }

    /// The nearest that answered and take something to store, nearest first, and the nearest of those whose id goes with their
    /// address (BEP 42).
    pub(crate) fn keepers(&self) -> impl Iterator<Item = Keeper<'_>> {
        let mut near = Near::default();
        let with_token = self
            .answered()
            .filter(|candidate| candidate.token.is_some());
        let near = with_token.filter(move |candidate| {
            let wanted = near.wants(candidate);
            near.count(candidate);
            wanted
        });
        near.filter_map(|candidate| {
            Some(Keeper {
                contact: candidate.contact,
                token: candidate.token.as_ref()?,
                seq: candidate.seq,
            })
        })
    }

    /// The nearest that answered, nearest first.
    pub(crate) fn found(&self) -> impl Iterator<Item = Contact> {
        self.answered().take(K).map(|candidate| candidate.contact)
    }

    fn answered(&self) -> impl Iterator<Item = &Candidate> {
        let all = self.candidates.iter();
        all.filter(|candidate| candidate.progress == Progress::Answered)
    }

    fn progress(&self) -> impl Iterator<Item = Progress> {
        let candidates = self.candidates.iter().map(|candidate| candidate.progress);
        candidates.chain(self.guides.iter().map(|guide| guide.progress))
    }

    fn active(&self) -> usize {
        self.progress()
            .filter(|&progress| progress == Progress::Asked)
            .count()
    }

    fn has_late(&self) -> bool {
        self.progress().any(|progress| progress == Progress::Late)
    }

    fn next_guide(&mut self) -> Option<Ask> {
        let mut guides = self.guides.iter_mut();
        let guide = guides.find(|guide| guide.progress == Progress::Fresh)?;
        guide.progress = Progress::Asked;
        Some(Ask {
            address: guide.address,
            id: None,
        })
    }

    fn next_candidate(&mut self) -> Option<Ask> {
        let mut near = Near::default();
        let mut candidates = self.candidates.iter_mut();
        let candidate = candidates.find(|candidate| {
            near.count(candidate);
            candidate.progress == Progress::Fresh && near.wants(candidate)
        })?;
        candidate.progress = Progress::Asked;
        Some(Ask {
            address: candidate.contact.address,
            id: Some(candidate.contact.id),
        })
    }

    fn candidate_mut(&mut self, address: SocketAddr) -> Option<&mut Candidate> {
        let mut candidates = self.candidates.iter_mut();
        candidates.find(|candidate| candidate.contact.address == address)
    }

    fn guide_mut(&mut self, address: SocketAddr) -> Option<&mut Guide> {
        let mut guides = self.guides.iter_mut();
        guides.find(|guide| guide.address == address)
    }

    /// Notes an answer, and gives the depth of those that it tells of.
    fn settle(&mut self, answer: &Answer<'_>) -> u32 {
        let from = answer.from;
        if let Some(guide) = self.guide_mut(from.address) {
            guide.progress = Progress::Answered;
            return 0;
        }
        let Some(mut candidate) = self.take(from.address) else {
            return 0;
        };
        let depth = candidate.depth;
        let was_late = candidate.progress == Progress::Late;
        let honest = candidate.contact.id == from.id;
        self.judge(candidate.informer, was_late, honest);
        // Whoever told of it gave it another name, unless that was itself, earlier on.
        let fickle = !honest && candidate.informer.is_none();
        if !honest {
            candidate = Candidate::new(&self.target, from);
            candidate.depth = depth;
        }
        candidate.progress = if self.believes(&candidate) && !fickle {
            Progress::Answered
        } else {
            Progress::Failed
        };
        candidate.token = answer.token.cloned();
        candidate.seq = answer.seq;
        if from.id != self.own {
            self.put(candidate);
        }
        depth + 1
    }

    fn judge(&mut self, informer: Option<usize>, was_late: bool, honest: bool) {
        let Some(informer) = informer.map(|index| &mut self.informers[index]) else {
            return;
        };
        informer.misses -= u32::from(was_late);
        if honest {
            informer.hits += 1;
        } else {
            informer.misses += 1;
        }
    }

    /// A node did not answer in time: whoever told of it is trusted less.
    fn missed(&mut self, informer: Option<usize>) {
        let Some(index) = informer else {
            return;
        };
        self.informers[index].misses += 1;
        if self.informers[index].is_liar() {
            self.candidates.retain(|candidate| {
                candidate.progress != Progress::Fresh
                    || candidate.confirmed
                    || candidate.informer != informer
            });
        }
    }

    fn learn(&mut self, contact: Contact, informer: Option<usize>, depth: u32) {
        if contact.id == self.own || contact.address.port() == 0 {
            return;
        }
        let same = |other: &&mut Candidate| other.contact == contact;
        if let Some(known) = self.candidates.iter_mut().find(same) {
            known.confirmed |= known.informer != informer;
            return;
        }
        if self.is_taken(&contact) {
            return;
        }
        let mut candidate = Candidate::new(&self.target, contact);
        candidate.informer = informer;
        candidate.depth = depth;
        // Those of our own table may at least know others.
        if informer.is_none() || self.believes(&candidate) {
            self.put(candidate);
            self.forget_farthest();
        }
    }

    fn believes(&self, candidate: &Candidate) -> bool {
        candidate.verified || !self.limits.enforce_ids
    }

    /// Whether its id or its address is another's, or its range of addresses has a node already.
    fn is_taken(&self, contact: &Contact) -> bool {
        let range = Range::of(contact.address.ip());
        self.candidates.iter().any(|candidate| {
            let other = candidate.contact;
            let alive = candidate.progress != Progress::Failed;
            let near = self.limits.restricted && Range::of(other.address.ip()) == range;
            other.address == contact.address || alive && (other.id == contact.id || near)
        })
    }

    fn take(&mut self, address: SocketAddr) -> Option<Candidate> {
        let mut candidates = self.candidates.iter();
        let at = candidates.position(|candidate| candidate.contact.address == address)?;
        Some(self.candidates.remove(at))
    }

    fn put(&mut self, candidate: Candidate) {
        let before = |other: &Candidate| other.distance < candidate.distance;
        let at = self.candidates.partition_point(before);
        self.candidates.insert(at, candidate);
    }

    fn forget_farthest(&mut self) {
        if self.candidates.len() <= MAX_CANDIDATES {
            return;
        }
        let fresh = |candidate: &Candidate| candidate.progress == Progress::Fresh;
        if let Some(at) = self.candidates.iter().rposition(fresh) {
            self.candidates.remove(at);
        }
    }
}

/// Whether a node at `informer` can know of one at `ip`: on the other side of a gateway, nobody knows our side of it.
fn is_plausible(informer: IpAddr, ip: IpAddr) -> bool {
    !is_local(ip) || is_local(informer)
}

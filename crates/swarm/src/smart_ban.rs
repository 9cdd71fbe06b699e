//! Who sent which block of the pieces that failed, until a good copy shows whose were bad.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use headwater_metainfo::{BlockDigest, PieceIndex};

use crate::PeerKey;
use crate::picker::Contributor;

/// Pieces at most of which evidence is kept.
const MAX_CASES: usize = 64;
/// Blocks at most of which it is kept: two copies of a piece of the greatest length. About 2 MiB.
const MAX_BLOCKS: usize = 65_536;
/// How long a piece is kept from those who may have spoilt it, for each time that it failed: the others may be slow, and the last
/// piece must not wait for them for long.
const PATIENCE: Duration = Duration::from_secs(10);

/// The evidence, oldest first.
///
/// It is bounded: past that the oldest is dropped, and those that it names have to prove themselves with pieces of their own.
#[derive(Debug, Default)]
pub(crate) struct SmartBan {
    cases: VecDeque<Case>,
    blocks: usize,
}

/// What a good copy shows.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) guilty: Vec<Contributor>,
    /// Those who sent what is right, and are named nowhere else.
    pub(crate) cleared: Vec<PeerKey>,
}

/// A piece that failed.
#[derive(Debug)]
struct Case {
    piece: PieceIndex,
    /// How often it failed.
    failures: u32,
    /// Until when it is kept from those that are named.
    until: Instant,
    named: Vec<Named>,
}

/// A peer that sent some of it.
#[derive(Debug)]
struct Named {
    who: Contributor,
    /// Bad copies that it had part in.
    copies: u32,
    blocks: BTreeMap<u32, BlockDigest>,
}

impl SmartBan {
    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        self.cases.iter().any(|case| case.piece == piece)
    }

    /// Pieces that failed and are not judged.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.cases.iter().map(|case| case.piece)
    }

    /// Notes a copy that failed. Returns those that sent something else than the last time: one of the two was bad.
    pub(crate) fn record(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        copy: impl IntoIterator<Item = (u32, Contributor, BlockDigest)>,
    ) -> Vec<Contributor> {
        let mut case = self.take(piece).unwrap_or(Case {
            piece,
            failures: 0,
            until: now,
            named: Vec::new(),
        });
        case.failures += 1;
        case.until = now + PATIENCE * case.failures;
        let liars = case.add(copy);
        if !case.named.is_empty() {
            self.blocks += case.blocks();
            self.cases.push_back(case);
            self.forget_oldest();
        }
        liars
    }

    /// A good copy has come: of each block, in order, what it is.
    pub(crate) fn judge(&mut self, piece: PieceIndex, good: &[BlockDigest]) -> Judgement {
        let mut judgement = Judgement::default();
        let named = self.take(piece).map_or_else(Vec::new, |case| case.named);
        for each in named {
            if each.is_innocent(good) {
                let key = each.who.key;
                judgement.cleared.extend((!self.names(key)).then_some(key));
            } else {
                judgement.guilty.push(each.who);
            }
        }
        judgement
    }

    /// Forgets what is known of those that `which` picks.
    pub(crate) fn forget(&mut self, which: impl Fn(&Contributor) -> bool) {
        for case in &mut self.cases {
            case.named.retain(|each| !which(&each.who));
        }
        self.cases.retain(|case| !case.named.is_empty());
        self.blocks = self.cases.iter().map(Case::blocks).sum();
    }

    /// Whether a piece is better fetched from somebody else than `who`. `others` are those that could send it.
    pub(crate) fn is_kept_from(
        &self,
        now: Instant,
        piece: PieceIndex,
        who: &Contributor,
        others: impl Iterator<Item = Contributor>,
    ) -> bool {
        let case = self.cases.iter().find(|case| case.piece == piece);
        case.is_some_and(|case| now < case.until && !case.is_turn_of(who, others))
    }

    /// Pieces that were kept from those who may have spoilt them for long enough.
    pub(crate) fn overdue(&self, now: Instant) -> impl Iterator<Item = PieceIndex> + '_ {
        let overdue = self.cases.iter().filter(move |case| case.until <= now);
        overdue.map(|case| case.piece)
    }

    fn names(&self, key: PeerKey) -> bool {
        let mut named = self.cases.iter().flat_map(|case| &case.named);
        named.any(|each| each.who.key == key)
    }

    fn take(&mut self, piece: PieceIndex) -> Option<Case> {
        let at = self.cases.iter().position(|case| case.piece == piece)?;
        let case = self.cases.remove(at)?;
        self.blocks -= case.blocks();
        Some(case)
    }

    fn forget_oldest(&mut self) {
        while self.cases.len() > MAX_CASES || self.blocks > MAX_BLOCKS {
            let is_last = self.cases.len() == 1;
            let Some(case) = self.cases.front_mut() else {
                return;
            };
            if is_last && case.named.len() > 1 {
                self.blocks -= case.named.remove(0).blocks.len();
            } else {
                self.blocks -= case.blocks();
                self.cases.pop_front();
            }
        }
    }

    /// Panics when the bookkeeping contradicts itself or the bounds are passed.
    pub(crate) fn check_invariants(&self) {
        assert!(self.cases.len() <= MAX_CASES);
        assert!(self.blocks <= MAX_BLOCKS);
        assert_eq!(
            self.blocks,
            self.cases.iter().map(Case::blocks).sum::<usize>()
        );
        for case in &self.cases {
            assert!(!case.named.is_empty());
            assert!(case.named.iter().all(|each| !each.blocks.is_empty()));
            let same = self.cases.iter().filter(|other| other.piece == case.piece);
            assert_eq!(same.count(), 1);
        }
    }
}

impl Case {
    fn blocks(&self) -> usize {
        self.named.iter().map(|each| each.blocks.len()).sum()
    }

    /// Adds a copy and returns those that contradict themselves.
    fn add(
        &mut self,
        copy: impl IntoIterator<Item = (u32, Contributor, BlockDigest)>,
    ) -> Vec<Contributor> {
        let mut senders: BTreeMap<PeerKey, (Contributor, Vec<_>)> = BTreeMap::new();
        for (block, who, digest) in copy {
            let (_, blocks) = senders.entry(who.key).or_insert((who, Vec::new()));
            blocks.push((block, digest));
        }
        let mut liars = Vec::new();
        for (who, blocks) in senders.into_values() {
            if !self.entry(who).add(blocks) {
                liars.push(who);
            }
        }
        liars
    }

    fn entry(&mut self, who: Contributor) -> &mut Named {
        let known = self.named.iter().position(|each| each.who.key == who.key);
        let at = known.unwrap_or_else(|| {
            self.named.push(Named {
                who,
                copies: 0,
                blocks: BTreeMap::new(),
            });
            self.named.len() - 1
        });
        &mut self.named[at]
    }

    /// Whether nobody else should rather fetch it: first come those that had part in the fewest bad copies. When it has failed more
    /// than once, those that are alike take turns, so that nobody spoils it again and again by always being the first.
    fn is_turn_of(&self, who: &Contributor, others: impl Iterator<Item = Contributor>) -> bool {
        let own = self.copies_of(who);
        if own == 0 {
            return true;
        }
        let mut alike = vec![who.key];
        for other in others {
            match self.copies_of(&other).cmp(&own) {
                Ordering::Less => return false,
                Ordering::Equal => alike.push(other.key),
                Ordering::Greater => {}
            }
        }
        alike.sort_unstable();
        let turn = self.failures as usize % alike.len();
        self.failures == 1 || alike[turn] == who.key
    }

    fn copies_of(&self, who: &Contributor) -> u32 {
        let same = self.named.iter().filter(|each| is_same(&each.who, who));
        same.map(|each| each.copies).sum()
    }
}

impl Named {
    /// Adds what it sent of one more copy, and says whether that agrees with what it sent before.
    fn add(&mut self, blocks: Vec<(u32, BlockDigest)>) -> bool {
        self.copies += 1;
        let mut agrees = true;
        for (block, digest) in blocks {
            agrees &= *self.blocks.entry(block).or_insert(digest) == digest;
        }
        agrees
    }

    fn is_innocent(&self, good: &[BlockDigest]) -> bool {
        let mut sent = self.blocks.iter();
        sent.all(|(&block, digest)| good.get(block as usize) == Some(digest))
    }
}

/// Whether two connections are probably those of one peer. Enough to prefer others, not to blame anybody.
fn is_same(a: &Contributor, b: &Contributor) -> bool {
    let (here, there) = (a.address.ip(), b.address.ip());
    a.key == b.key || here == there && (a.peer_id == b.peer_id || !here.is_loopback())
}

//! The picker against a model that looks at everything.

mod model;

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_metainfo::PeerId;
use proptest::prelude::*;

use super::partial::Exclusivity;
use super::*;
use crate::pieces::PeerPieces;
use model::{BLOCKS, Block, Model};

/// Partial pieces past which no new ones are begun.
const MANY: usize = 12;

/// What is special about a peer at the time.
#[derive(Debug, Clone, Copy)]
struct Manner {
    fast: bool,
    parole: bool,
}

#[derive(Debug, Clone)]
enum Operation {
    Pick {
        peer: usize,
        count: usize,
        manner: Manner,
    },
    PickUrgent {
        peer: usize,
        count: usize,
        manner: Manner,
    },
    Receive {
        nth: usize,
    },
    Release {
        nth: usize,
    },
    Choke {
        peer: usize,
    },
    Gain {
        peer: usize,
        piece: u32,
    },
    Lose {
        peer: usize,
        piece: u32,
    },
    Replace {
        peer: usize,
        pieces: Vec<bool>,
    },
    Passed {
        nth: usize,
    },
    Failed {
        nth: usize,
    },
    Lost {
        piece: u32,
    },
    Keep {
        peer: usize,
        pieces: BTreeSet<u32>,
    },
    Share {
        piece: u32,
    },
    Priorities(Vec<u32>),
    Forget {
        piece: u32,
    },
    Sequential(bool),
    Deadline {
        piece: u32,
        seconds: Option<u64>,
    },
}

fn operation(pieces: u32, peers: usize) -> impl Strategy<Value = Operation> {
    use Operation::*;
    let priorities = prop::collection::vec(0u32..4, pieces as usize);
    let manner = (any::<bool>(), 0..5u32).prop_map(|(fast, parole)| Manner {
        fast,
        parole: parole == 0,
    });
    let pick = (0..peers, 1usize..8, manner);
    prop_oneof![
        6 => pick.clone().prop_map(|(peer, count, manner)| Pick { peer, count, manner }),
        2 => pick.prop_map(|(peer, count, manner)| PickUrgent { peer, count, manner }),
        6 => (0usize..100).prop_map(|nth| Receive { nth }),
        2 => (0usize..100).prop_map(|nth| Release { nth }),
        1 => (0..peers).prop_map(|peer| Choke { peer }),
        4 => (0..peers, 0..pieces).prop_map(|(peer, piece)| Gain { peer, piece }),
        1 => (0..peers, 0..pieces).prop_map(|(peer, piece)| Lose { peer, piece }),
        1 => (0..peers, prop::collection::vec(any::<bool>(), pieces as usize))
            .prop_map(|(peer, pieces)| Replace { peer, pieces }),
        1 => (0..peers).prop_map(move |peer| Replace { peer, pieces: vec![true; pieces as usize] }),
        2 => (0usize..100).prop_map(|nth| Passed { nth }),
        1 => (0usize..100).prop_map(|nth| Failed { nth }),
        1 => (0..pieces).prop_map(|piece| Lost { piece }),
        2 => (0..peers, prop::collection::btree_set(0..pieces, 0..5))
            .prop_map(|(peer, pieces)| Keep { peer, pieces }),
        1 => (0..pieces).prop_map(|piece| Share { piece }),
        1 => priorities.prop_map(Priorities),
        1 => (0..pieces).prop_map(|piece| Forget { piece }),
        1 => any::<bool>().prop_map(Sequential),
        2 => (0..pieces, prop::option::weighted(0.8, 0u64..5))
            .prop_map(|(piece, seconds)| Deadline { piece, seconds }),
    ]
}

/// The picker and the model.
struct Pair {
    picker: Picker,
    model: Model,
    epoch: Instant,
}

impl Pair {
    fn new(pieces: u32, peers: u32) -> Self {
        let length = BLOCKS * headwater_metainfo::BLOCK_LENGTH;
        let total = u64::from(pieces) * u64::from(length);
        let geometry = PieceGeometry::new(total, length.into()).unwrap();
        let priorities = Priorities::new(vec![], pieces);
        let have = Bitfield::new(pieces);
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
        let epoch = Instant::now();
        Self {
            picker: Picker::new(geometry, &have, &priorities, 7),
            model: Model::new(pieces, peers),
            epoch,
        }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Pick {
                peer,
                count,
                manner,
            } => self.pick(peer, count, manner),
            Operation::PickUrgent {
                peer,
                count,
                manner,
            } => self.pick_urgent(peer, count, manner),
            Operation::Receive { nth } => self.receive(nth),
            Operation::Release { nth } => self.release(nth),
            Operation::Choke { peer } => self.choke(peer),
            Operation::Gain { peer, piece } => self.gain(peer, piece),
            Operation::Lose { peer, piece } => self.lose(peer, piece),
            Operation::Replace { peer, pieces } => self.replace(peer, &pieces),
            Operation::Passed { nth } => self.passed(nth),
            Operation::Failed { nth } => self.failed(nth),
            Operation::Lost { piece } => self.lose_blocks(piece),
            Operation::Keep { peer, pieces } => self.model.peers[peer].kept = pieces,
            Operation::Share { piece } => self.share(piece),
            Operation::Priorities(priorities) => self.set_priorities(priorities),
            Operation::Forget { piece } => self.forget(piece),
            Operation::Sequential(sequential) => {
                self.model.sequential = sequential;
                self.picker.set_sequential(sequential);
            }
            Operation::Deadline { piece, seconds } => self.set_deadline(piece, seconds),
        }
        self.compare();
    }

    /// Every fact that both know.
    fn compare(&self) {
        let Self { picker, model, .. } = self;
        picker.check_invariants();
        for piece in 0..model.pieces {
            let index = PieceIndex(piece);
            assert_eq!(picker.wants(index), model.wants(piece));
            assert_eq!(picker.availability(index), model.availability(piece));
            assert_eq!(picker.is_untouched(index), model.is_untouched(piece));
            let deadline = model.deadlines.get(&piece).copied();
            assert_eq!(picker.deadline(index), deadline);
        }
        // No request is lost, and none is there twice.
        for block in model.blocks() {
            let asked = model.asked.get(&block);
            for (number, peer) in model.peers.iter().enumerate() {
                let expected = asked.is_some_and(|peers| peers.contains(&number));
                assert_eq!(picker.is_asked(id(block), peer.key), expected, "{block:?}");
            }
            let expected = match asked {
                Some(peers) => BlockState::Requested(peers.len() as u8),
                None if model.received.contains(&block) => BlockState::Received,
                None => BlockState::Free,
            };
            assert_eq!(picker.state(id(block)), expected, "{block:?}");
        }
        assert_eq!(picker.is_endgame(), model.is_endgame());
    }

    /// Lets the picker choose for a peer, in the way in which `choose` does it.
    fn let_pick(
        &mut self,
        peer: usize,
        manner: Manner,
        choose: impl FnOnce(&mut Picker, &Picking<'_>, &mut Vec<BlockId>),
    ) -> Vec<Block> {
        let from = &self.model.peers[peer];
        let kept: Vec<_> = from.kept.iter().copied().map(PieceIndex).collect();
        let who = Picking {
            key: from.key,
            pieces: &from.pieces,
            kept: &kept,
            fast: manner.fast,
            parole: manner.parole,
            idle: self.model.is_idle(peer),
            allowed: None,
            preferred: &[],
            suggested: &[],
            current: from.current.map(PieceIndex),
            random: false,
            many_partials: MANY,
        };
        let mut picked = Vec::new();
        choose(&mut self.picker, &who, &mut picked);
        let blocks: Vec<_> = picked.iter().map(|id| (id.piece.0, id.index)).collect();
        for &block in &blocks {
            assert!(from.offers(block.0), "{block:?} is not for it");
            assert!(self.model.wants(block.0), "{block:?} is not wanted");
            assert!(!self.model.received.contains(&block), "{block:?} is there");
        }
        blocks
    }

    fn pick(&mut self, peer: usize, count: usize, manner: Manner) {
        let before = self.picker.clone();
        let idle = self.model.is_idle(peer);
        let picked = self.let_pick(peer, manner, |picker, who, blocks| {
            picker.pick(who, count, blocks);
        });
        assert!(picked.len() <= count);
        let mut last = None;
        for &block in &picked {
            assert!(self.model.is_free(block), "{block:?} is not free");
            if last != Some(block.0) {
                self.check_choice(&before, peer, block.0, manner);
                self.check_affinity(&before, peer, block.0, manner);
            }
            assert!(
                self.may_touch(&before, peer, block.0, manner, idle),
                "{block:?}"
            );
            last = Some(block.0);
            self.model.take(block, peer);
        }
        if picked.len() < count {
            for block in self.model.blocks() {
                let left = self.model.is_free(block) && self.model.peers[peer].offers(block.0);
                // Picking blocks makes a peer busy, and then it helps less.
                let idle = idle && picked.is_empty();
                let kept_back = left && self.may_touch(&before, peer, block.0, manner, idle);
                assert!(!kept_back, "{block:?} kept back");
            }
        }
        if picked.is_empty() && idle && self.model.is_endgame() {
            self.pick_busy(peer, count, manner);
        }
    }

    /// A piece that is begun is a rarest one of those that are wanted most, and whatever is chosen, nothing that is
    /// wanted more was for the peer to have.
    fn check_choice(&self, before: &Picker, peer: usize, piece: u32, manner: Manner) {
        let best = self.model.best_fresh(peer);
        if self.model.is_untouched(piece) {
            let chosen = Some(self.model.rank(piece));
            assert_eq!(chosen, best, "{piece} is not a best one");
        }
        let priority = Reverse(self.model.priorities[piece as usize]);
        assert!(best.is_none_or(|best| priority <= best.0), "{piece}");
        for other in 0..self.model.pieces {
            let wanted_more = self.model.priorities[other as usize] > priority.0;
            let open = (0..BLOCKS).any(|index| self.model.is_free((other, index)));
            let has = self.model.peers[peer].offers(other);
            let theirs = self.is_for(before, peer, other, manner);
            let passed_over = wanted_more && open && has && theirs;
            assert!(!passed_over, "{other} comes before {piece}");
        }
    }

    /// Partial pieces come first, except that a fast peer has pieces of its own.
    fn check_affinity(&self, before: &Picker, peer: usize, piece: u32, manner: Manner) {
        let model = &self.model;
        let priority = |piece: u32| model.priorities[piece as usize];
        if model.is_untouched(piece) {
            let joins = |other: u32| match owner(before, other) {
                Some((owner, _)) => owner == model.peers[peer].key,
                None => !manner.fast && !manner.parole,
            };
            let better = (0..model.pieces).find(|&other| {
                let free = (0..BLOCKS).any(|index| model.is_free((other, index)));
                let partial = free && before.slot(PieceIndex(other)).is_some();
                let has = model.peers[peer].offers(other);
                partial && has && priority(other) >= priority(piece) && joins(other)
            });
            assert_eq!(better, None, "{piece} was begun instead");
        } else if manner.fast && !manner.parole && owner(before, piece).is_none() {
            let few = before.partials.len() + 8 < MANY;
            let others = model.in_flight(piece) > 0 && model.peers[peer].current != Some(piece);
            let own = model.best_fresh(peer);
            let own = own.filter(|own| own.0.0 >= priority(piece));
            assert!(!few || !others || own.is_none(), "{piece} is others'");
        }
    }

    /// Whether a partial piece is one on which the peer works by right, and not to help out.
    fn is_for(&self, before: &Picker, peer: usize, piece: u32, manner: Manner) -> bool {
        let owner = owner(before, piece).map(|(owner, _)| owner);
        let free_for_all = !manner.fast || self.model.in_flight(piece) == 0;
        match owner {
            Some(owner) => owner == self.model.peers[peer].key,
            None => !manner.parole && free_for_all,
        }
    }

    /// Whether nothing forbids that a peer be asked for blocks of a piece.
    fn may_touch(
        &self,
        before: &Picker,
        peer: usize,
        piece: u32,
        manner: Manner,
        idle: bool,
    ) -> bool {
        let exclusive = owner(before, piece).and_then(|(owner, why)| {
            let theirs = owner == self.model.peers[peer].key;
            (!theirs).then_some(why)
        });
        let begun = before.slot(PieceIndex(piece)).is_some();
        let theirs = owner(before, piece).is_some() && exclusive.is_none();
        match exclusive {
            _ if theirs || !begun => true,
            Some(Some(Exclusivity::Parole)) => false,
            Some(Some(Exclusivity::Suspect)) => !manner.parole && idle,
            Some(None) | None => !manner.parole || idle,
        }
    }

    /// The endgame: blocks that the fewest were asked for, of nobody twice, and of no more than three.
    fn pick_busy(&mut self, peer: usize, count: usize, manner: Manner) {
        let asked: Vec<_> = self.model.asked.keys().rev().copied().map(id).collect();
        let picked = self.let_pick(peer, manner, |picker, who, blocks| {
            picker.pick_busy(who, &asked.iter().copied(), count, blocks);
        });
        assert!(picked.len() <= count);
        let mut least = 1;
        for &block in &picked {
            let asked = &self.model.asked[&block];
            assert!(!asked.contains(&peer), "{block:?} twice");
            assert!((least..3).contains(&asked.len()), "{block:?}: {asked:?}");
            least = asked.len();
            self.model.take(block, peer);
        }
    }

    fn pick_urgent(&mut self, peer: usize, count: usize, manner: Manner) {
        let before = self.picker.clone();
        let mut urgent = Vec::new();
        let picked = self.let_pick(peer, manner, |picker, who, blocks| {
            urgent = picker.urgent(who).collect();
            for &(_, piece) in &urgent {
                picker.pick_urgent(who, piece, count, blocks);
            }
        });
        assert!(picked.len() <= count && urgent.is_sorted());
        for &(deadline, piece) in &urgent {
            assert_eq!(self.model.deadlines[&piece.0], deadline);
        }
        let mine = |piece: u32| self.model.peers[peer].offers(piece);
        let expected = self.model.deadlines.keys().filter(|&&piece| {
            let key = self.model.peers[peer].key;
            let open = !exclusive_to_another(&before, piece, key);
            self.model.wants(piece) && mine(piece) && open && !manner.parole
        });
        assert_eq!(urgent.len(), expected.count());
        let mut order: Vec<_> = picked.iter().map(|block| block.0).collect();
        order.dedup();
        let deadlines = order.iter().map(|piece| self.model.deadlines[piece]);
        assert!(deadlines.is_sorted());
        for &block in &picked {
            assert!(self.model.is_free(block), "{block:?} is not free");
            self.model.take(block, peer);
        }
        let listed = |piece: u32| urgent.iter().any(|&(_, urgent)| urgent.0 == piece);
        let kept_back = |block: &Block| listed(block.0) && self.model.is_free(*block);
        assert!(picked.len() == count || !self.model.blocks().any(|block| kept_back(&block)));
    }

    fn receive(&mut self, nth: usize) {
        let Some((&block, peers)) = nth_of(&self.model.asked, nth) else {
            return;
        };
        let from = self.model.peers[peers[nth % peers.len()]].key;
        let keys = peers.iter().map(|&peer| self.model.peers[peer].key);
        let mut others: Vec<_> = keys.filter(|&key| key != from).collect();
        if exclusive_to_another(&self.picker, block.0, from) {
            return;
        }
        self.model.asked.remove(&block);
        self.model.received.insert(block);
        let completes = self.model.is_complete(block.0);
        let receipt = self.picker.receive(id(block), contributor(from));
        let Receipt::Useful {
            others: mut told,
            completes: complete,
        } = receipt
        else {
            panic!("{block:?} was of no use");
        };
        told.sort_unstable();
        others.sort_unstable();
        assert_eq!((&told[..], complete), (&others[..], completes));
        let again = self.picker.receive(id(block), contributor(from));
        assert_eq!(again, Receipt::Useless);
    }

    fn release(&mut self, nth: usize) {
        let Some((&block, peers)) = nth_of(&self.model.asked, nth) else {
            return;
        };
        self.give_up(block, peers[nth % peers.len()]);
    }

    fn give_up(&mut self, block: Block, peer: usize) {
        self.picker.release(id(block), self.model.peers[peer].key);
        let Some(peers) = self.model.asked.get_mut(&block) else {
            return;
        };
        peers.retain(|&other| other != peer);
        if peers.is_empty() {
            self.model.asked.remove(&block);
        }
    }

    /// A peer gives up everything that it was asked for, and pieces of its own.
    fn choke(&mut self, peer: usize) {
        let asked = self.model.asked.iter();
        let theirs = asked.filter(|(_, peers)| peers.contains(&peer));
        let theirs: Vec<_> = theirs.map(|(&block, _)| block).collect();
        for block in theirs {
            self.give_up(block, peer);
        }
        let key = self.model.peers[peer].key;
        self.picker.release_owner(key);
        let mut owners = self
            .picker
            .partials
            .iter()
            .map(|(_, partial)| partial.owner);
        assert!(!owners.any(|owner| owner == Some(key)));
    }

    /// What is done when a HAVE comes.
    fn gain(&mut self, peer: usize, piece: u32) {
        let peer = &mut self.model.peers[peer];
        if !peer.has.insert(piece) {
            return;
        }
        if peer.pieces.almost_counts_as_seed() {
            self.picker.remove_peer(peer.key, &peer.pieces);
            peer.pieces.set(PieceIndex(piece));
            self.picker.add_peer(peer.key, &peer.pieces);
        } else {
            peer.pieces.set(PieceIndex(piece));
            self.picker.peer_gained(peer.key, PieceIndex(piece));
        }
    }

    fn lose(&mut self, peer: usize, piece: u32) {
        let peer = &mut self.model.peers[peer];
        if !peer.has.remove(&piece) {
            return;
        }
        if peer.pieces.counts_as_seed() {
            self.picker.remove_peer(peer.key, &peer.pieces);
            peer.pieces.clear(PieceIndex(piece));
            self.picker.add_peer(peer.key, &peer.pieces);
        } else {
            peer.pieces.clear(PieceIndex(piece));
            self.picker.peer_lost(PieceIndex(piece));
        }
    }

    fn replace(&mut self, peer: usize, has: &[bool]) {
        let peer = &mut self.model.peers[peer];
        self.picker.remove_peer(peer.key, &peer.pieces);
        let mut bits = Bitfield::new(has.len() as u32);
        peer.has.clear();
        for piece in (0..has.len() as u32).filter(|&piece| has[piece as usize]) {
            bits.set(PieceIndex(piece));
            peer.has.insert(piece);
        }
        peer.pieces = PeerPieces::from_bitfield(bits);
        self.picker.add_peer(peer.key, &peer.pieces);
    }

    fn a_complete_piece(&self, nth: usize) -> Option<u32> {
        let pieces = (0..self.model.pieces).filter(|&piece| self.model.is_complete(piece));
        let pieces: Vec<_> = pieces.collect();
        pieces.get(nth % pieces.len().max(1)).copied()
    }

    fn passed(&mut self, nth: usize) {
        let Some(piece) = self.a_complete_piece(nth) else {
            return;
        };
        assert!(self.picker.is_complete(PieceIndex(piece)));
        self.picker.piece_had(PieceIndex(piece));
        self.model.have.insert(piece);
        self.model.received.retain(|block| block.0 != piece);
        self.model.deadlines.remove(&piece);
    }

    fn failed(&mut self, nth: usize) {
        let Some(piece) = self.a_complete_piece(nth) else {
            return;
        };
        self.picker.suspect(PieceIndex(piece));
        self.lose_blocks(piece);
        if !self.model.wants(piece) {
            self.picker.drop_unwanted(PieceIndex(piece));
        }
    }

    fn lose_blocks(&mut self, piece: u32) {
        self.picker.piece_lost(PieceIndex(piece));
        self.model.received.retain(|block| block.0 != piece);
    }

    fn share(&mut self, piece: u32) {
        let before = owner(&self.picker, piece);
        self.picker.share(PieceIndex(piece));
        let shared = before.filter(|(_, why)| why.is_none());
        assert_eq!(owner(&self.picker, piece), shared);
        for peer in &self.model.peers {
            let trials: Vec<_> = self.picker.trials(peer.key).collect();
            let expected = (0..self.model.pieces).filter(|&piece| {
                let exclusive = owner(&self.picker, piece).filter(|(_, why)| why.is_some());
                let theirs = exclusive.is_some_and(|(owner, _)| owner == peer.key);
                theirs && !self.model.is_complete(piece)
            });
            assert_eq!(trials.len(), expected.count());
        }
    }

    fn set_priorities(&mut self, priorities: Vec<u32>) {
        let list = priorities.iter().copied().map(Priority).collect();
        self.model.priorities = priorities;
        let mut have = Bitfield::new(self.model.pieces);
        for &piece in &self.model.have {
            have.set(PieceIndex(piece));
        }
        let list = Priorities::new(list, self.model.pieces);
        let unwanted = self.picker.set_priorities(&have, &list);
        for piece in unwanted {
            assert!(!self.model.wants(piece.0) && !self.model.is_untouched(piece.0));
            self.picker.drop_unwanted(piece);
        }
        self.model.drop_unwanted();
    }

    fn forget(&mut self, piece: u32) {
        if !self.model.have.remove(&piece) {
            return;
        }
        // One more step of priority than there was before.
        if self.model.priorities[piece as usize] > 0 {
            self.model.priorities[piece as usize] += 1;
        }
        let priority = Priority(self.model.priorities[piece as usize]);
        self.picker.want(PieceIndex(piece), priority);
    }

    fn set_deadline(&mut self, piece: u32, seconds: Option<u64>) {
        if self.model.have.contains(&piece) {
            return;
        }
        let deadline = seconds.map(|seconds| self.epoch + Duration::from_secs(seconds));
        self.picker.set_deadline(PieceIndex(piece), deadline);
        match deadline {
            Some(deadline) => _ = self.model.deadlines.insert(piece, deadline),
            None => _ = self.model.deadlines.remove(&piece),
        }
    }
}

fn id(block: Block) -> BlockId {
    BlockId {
        piece: PieceIndex(block.0),
        index: block.1,
    }
}

/// Whose own a partial piece is, and why nobody else may touch it.
fn owner(picker: &Picker, piece: u32) -> Option<(PeerKey, Option<Exclusivity>)> {
    let partial = &picker.partials[picker.slot(PieceIndex(piece))?];
    Some((partial.owner?, partial.exclusivity))
}

fn exclusive_to_another(picker: &Picker, piece: u32, key: PeerKey) -> bool {
    owner(picker, piece).is_some_and(|(owner, why)| owner != key && why.is_some())
}

fn nth_of<K: Ord, V>(map: &std::collections::BTreeMap<K, V>, nth: usize) -> Option<(&K, &V)> {
    map.iter().nth(nth % map.len().max(1))
}

fn contributor(key: PeerKey) -> Contributor {
    Contributor {
        key,
        address: SocketAddr::from(([10, 0, 0, 1], 1)),
        peer_id: PeerId([0; 20]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn agrees_with_the_model(operations in prop::collection::vec(operation(12, 4), 1..200)) {
        let mut pair = Pair::new(12, 4);
        for operation in operations {
            pair.apply(operation);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn agrees_with_the_model_in_a_crowd(
        operations in prop::collection::vec(operation(40, 9), 1..300),
    ) {
        let mut pair = Pair::new(40, 9);
        for operation in operations {
            pair.apply(operation);
        }
    }
}

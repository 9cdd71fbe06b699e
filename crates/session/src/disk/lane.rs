//! One torrent's way to the disk threads.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use headwater_metainfo::{BlockDigest, BlockSpan, PieceIndex};
use headwater_store::{Completed, PieceStore, StoreError};
use headwater_swarm::PeerKey;
use parking_lot::Mutex;

use super::DiskPool;
use crate::peer::ServeTarget;

/// Pieces at most that are hashed together: as many as the hash engine has lanes.
const MAX_BATCH: usize = 16;
/// Complete pieces that must wait before a further thread takes some: below that they gain more from being
/// hashed together by the thread that is at it.
const CROWD: usize = 4;
/// Bytes at most that are read at once for neighbouring blocks: as many as the store makes resident at a time.
const MAX_RUN: u32 = 128 * 1024;

/// Something to do with blocks, in the order in which it is submitted.
#[derive(Debug)]
pub(crate) enum Op {
    /// Keep a block.
    Store(BlockSpan, Bytes),
    /// All blocks of the piece were stored: hash and write it.
    Complete(PieceIndex),
    /// Forget the blocks of the piece.
    Discard(PieceIndex),
}

/// What the disk threads have to say.
#[derive(Debug)]
pub(crate) enum DiskEvent {
    /// The answers to [`Op::Complete`].
    Checked(Vec<(PieceIndex, Result<Completed, StoreError>)>),
    /// The answer to [`Lane::digest`].
    Digested(PieceIndex, Result<Vec<BlockDigest>, StoreError>),
    /// An [`Op::Store`] led to an early write that failed. The block is kept.
    StoreFailed(StoreError),
    /// Nothing waits any more, after [`Lane::is_behind`] was true.
    CaughtUp,
    /// Blocks that a peer is to have cannot be read.
    Unreadable {
        peer: PeerKey,
        blocks: Vec<BlockSpan>,
        error: StoreError,
    },
}

type Report = Box<dyn Fn(DiskEvent) + Send + Sync>;

/// Puts one torrent's blocks in order before the disk threads.
///
/// What is submitted gathers here while a thread is busy with the torrent, so that complete pieces that wait
/// together are hashed together, and one that comes alone is hashed at once. Blocks are stored, in order, by one thread at
/// a time; the hashing and writing that follows runs beside that.
pub(crate) struct Lane {
    store: Arc<PieceStore>,
    pool: Arc<DiskPool>,
    report: Report,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ops: VecDeque<Op>,
    /// Pieces whose blocks are all stored.
    ready: Vec<PieceIndex>,
    /// Complete pieces in `ops`.
    complete_ops: usize,
    /// Bytes of the blocks in `ops`.
    waiting_bytes: usize,
    /// A thread works on `ops`.
    front_taken: bool,
    /// Threads that are busy with this torrent, or asked for.
    threads: usize,
    /// Somebody waits for these threads to be done.
    is_watched: bool,
}

impl State {
    /// Complete pieces that nobody hashes yet.
    fn complete_waiting(&self) -> usize {
        self.complete_ops + self.ready.len()
    }
}

impl Lane {
    pub(crate) fn new(store: Arc<PieceStore>, pool: Arc<DiskPool>, report: Report) -> Arc<Self> {
        Arc::new(Self {
            store,
            pool,
            report,
            state: Mutex::default(),
        })
    }

    /// Whether more than `limit` bytes wait for a thread, or the store holds more than it should. If so,
    /// [`DiskEvent::CaughtUp`] will say when it is time to ask again.
    pub(crate) fn is_behind(&self, limit: usize) -> bool {
        let mut state = self.state.lock();
        let is_behind = state.waiting_bytes > limit || self.store.is_over_budget();
        // Without a thread that is at work there would be nobody to say so.
        state.is_watched = is_behind && state.threads > 0;
        state.is_watched
    }

    pub(crate) fn submit(self: &Arc<Self>, ops: impl IntoIterator<Item = Op>) {
        let mut state = self.state.lock();
        for op in ops {
            match &op {
                Op::Store(_, data) => state.waiting_bytes += data.len(),
                Op::Complete(_) => state.complete_ops += 1,
                Op::Discard(_) => {}
            }
            state.ops.push_back(op);
        }
        let wanted = 1 + state.complete_waiting() / CROWD;
        if state.threads < wanted {
            state.threads += 1;
            drop(state);
            let lane = self.clone();
            self.pool.submit(move || lane.work());
        }
    }

    /// Reads blocks and hands them to a peer.
    pub(crate) fn serve(self: &Arc<Self>, target: ServeTarget, blocks: Vec<BlockSpan>) {
        let lane = self.clone();
        self.pool.submit(move || lane.read(&target, &blocks));
    }

    /// Says what the blocks of a verified piece are.
    pub(crate) fn digest(self: &Arc<Self>, piece: PieceIndex) {
        let lane = self.clone();
        self.pool.submit(move || {
            let digests = lane.store.block_digests(piece);
            (lane.report)(DiskEvent::Digested(piece, digests));
        });
    }

    fn work(&self) {
        loop {
            self.take_front();
            let batch = self.take_ready();
            if !batch.is_empty() {
                (self.report)(DiskEvent::Checked(self.store.complete_with_digests(&batch)));
            }
            let mut state = self.state.lock();
            let nothing_to_do =
                state.ready.is_empty() && (state.ops.is_empty() || state.front_taken);
            if nothing_to_do {
                state.threads -= 1;
                if state.threads == 0 && mem::take(&mut state.is_watched) {
                    drop(state);
                    (self.report)(DiskEvent::CaughtUp);
                }
                return;
            }
        }
    }

    /// Works on what was submitted, unless another thread does, until nothing is left or there is enough to hash.
    fn take_front(&self) {
        let mut state = self.state.lock();
        if mem::replace(&mut state.front_taken, true) {
            return;
        }
        while !state.ops.is_empty() && state.ready.len() < MAX_BATCH {
            let ops = mem::take(&mut state.ops);
            state.waiting_bytes = 0;
            state.complete_ops = 0;
            drop(state);
            let ready = self.apply(ops);
            state = self.state.lock();
            state.ready.extend(ready);
        }
        state.front_taken = false;
    }

    fn take_ready(&self) -> Vec<PieceIndex> {
        let mut state = self.state.lock();
        let count = state.ready.len().min(MAX_BATCH);
        state.ready.drain(..count).collect()
    }

    /// Stores and forgets blocks; gives the pieces that are complete.
    fn apply(&self, ops: VecDeque<Op>) -> Vec<PieceIndex> {
        let mut ready = Vec::new();
        for op in ops {
            match op {
                Op::Store(block, data) => {
                    if let Err(error) = self.store.add_block(block, data) {
                        (self.report)(DiskEvent::StoreFailed(error));
                    }
                }
                Op::Complete(piece) => ready.push(piece),
                Op::Discard(piece) => self.store.discard(piece),
            }
        }
        ready
    }

    /// One read for all blocks of a run, cut up without copying.
    fn read_run(&self, run: &[BlockSpan]) -> Result<Vec<(BlockSpan, Bytes)>, StoreError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Ok(Vec::new());
        };
        let whole = BlockSpan {
            length: last.offset + last.length - first.offset,
            ..*first
        };
        let data = self.store.read_block(whole)?;
        let cut = |block: &BlockSpan| {
            let start = (block.offset - first.offset) as usize;
            (*block, data.slice(start..start + block.length as usize))
        };
        Ok(run.iter().map(cut).collect())
    }

    fn read(&self, target: &ServeTarget, blocks: &[BlockSpan]) {
        let mut unreadable = Vec::new();
        let mut failure = None;
        for run in neighbours(blocks) {
            match self.read_run(run) {
                // At once: what comes next may have to wait for the disk.
                Ok(read) => target.deliver(read),
                Err(error) => {
                    unreadable.extend(run);
                    failure = Some(error);
                }
            }
        }
        if let Some(error) = failure {
            target.forget(&unreadable);
            (self.report)(DiskEvent::Unreadable {
                peer: target.key(),
                blocks: unreadable,
                error,
            });
        }
    }
}

/// Cuts blocks into runs that follow each other in a piece.
fn neighbours(blocks: &[BlockSpan]) -> impl Iterator<Item = &[BlockSpan]> {
    let mut rest = blocks;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let mut end = first.offset + first.length;
        let following = rest[1..].iter().take_while(|next| {
            let follows = next.piece == first.piece && next.offset == end;
            let fits = follows && end - first.offset + next.length <= MAX_RUN;
            end += if fits { next.length } else { 0 };
            fits
        });
        let (run, left) = rest.split_at(1 + following.count());
        rest = left;
        Some(run)
    })
}

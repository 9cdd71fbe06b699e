//! The write-back buffer: blocks of incomplete pieces.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use headwater_metainfo::{Bitfield, BlockSpan, PieceIndex};
use parking_lot::{Mutex, MutexGuard};

/// Blocks of all incomplete pieces. The map is locked for moments, a piece for as long as its blocks are on their way
/// to disk.
#[derive(Debug)]
pub(super) struct WriteBack {
    budget: usize,
    bytes: Arc<AtomicUsize>,
    pieces: Mutex<HashMap<PieceIndex, Arc<Mutex<Partial>>>>,
}

/// The blocks of one piece.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) blocks: Box<[Block]>,
    /// Blocks that have not come.
    missing: u32,
    /// Bytes of the blocks in memory.
    bytes: usize,
    /// The piece left the buffer: whoever still holds it must look it up again.
    closed: bool,
    /// Blocks were written before a sync that failed: the system may have dropped them.
    doubtful: bool,
    total: Arc<AtomicUsize>,
}

#[derive(Debug, Clone)]
pub(super) enum Block {
    Missing,
    Memory(Bytes),
    /// Written early.
    Disk,
    /// On disk since before the store was made.
    Restored,
}

impl WriteBack {
    pub(super) fn new(budget: usize) -> Self {
        Self {
            budget,
            bytes: Arc::default(),
            pieces: Mutex::default(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn budget(&self) -> usize {
        self.budget
    }

    pub(super) fn is_over_budget(&self) -> bool {
        self.bytes() > self.budget
    }

    /// Keeps a block of a piece that has `blocks` blocks, unless it is there.
    pub(super) fn add(&self, span: BlockSpan, data: Bytes, blocks: u32) {
        self.with_piece(span.piece, blocks, |partial| partial.add(span, data));
    }

    pub(super) fn restore(&self, piece: PieceIndex, on_disk: &Bitfield) {
        self.with_piece(piece, on_disk.len(), |partial| partial.restore(on_disk));
    }

    /// Takes a piece out if all its blocks have come.
    pub(super) fn take_complete(&self, piece: PieceIndex) -> Option<Taken> {
        let entry = self.get(piece)?;
        let mut partial = entry.lock();
        if partial.closed || partial.missing > 0 {
            return None;
        }
        self.close(piece, &mut partial);
        Some(Taken {
            blocks: std::mem::take(&mut partial.blocks),
            bytes: std::mem::take(&mut partial.bytes),
            doubtful: partial.doubtful,
            total: self.bytes.clone(),
        })
    }

    pub(super) fn discard(&self, piece: PieceIndex) {
        let Some(entry) = self.get(piece) else { return };
        let mut partial = entry.lock();
        if !partial.closed {
            self.close(piece, &mut partial);
        }
    }

    /// The pieces that have blocks in memory, those first that should be written first: incomplete ones, by how much of
    /// them waits. A piece that is complete is about to be taken out anyway.
    pub(super) fn by_urgency(&self) -> Vec<(PieceIndex, Arc<Mutex<Partial>>)> {
        let mut waiting: Vec<_> = self
            .entries()
            .into_iter()
            .filter_map(|(piece, entry)| {
                // One that is locked is being written or filled at this moment.
                let partial = entry.try_lock()?;
                let rank = (partial.missing == 0, usize::MAX - partial.bytes);
                let waits = partial.bytes > 0;
                drop(partial);
                waits.then_some((rank, piece, entry))
            })
            .collect();
        waiting.sort_by_key(|(rank, piece, _)| (*rank, *piece));
        waiting
            .into_iter()
            .map(|(_, piece, entry)| (piece, entry))
            .collect()
    }

    pub(super) fn entries(&self) -> Vec<(PieceIndex, Arc<Mutex<Partial>>)> {
        let pieces = self.pieces.lock();
        let mut all: Vec<_> = pieces
            .iter()
            .map(|(piece, entry)| (*piece, entry.clone()))
            .collect();
        drop(pieces);
        all.sort_by_key(|(piece, _)| *piece);
        all
    }

    /// What was written early so far is in doubt.
    pub(super) fn sync_failed(&self) {
        for (_, entry) in self.entries() {
            let mut partial = entry.lock();
            partial.doubtful |= partial.blocks.iter().any(Block::is_on_disk);
        }
    }

    /// Which blocks of which pieces were written early, and are not in doubt.
    pub(super) fn on_disk(&self) -> Vec<(PieceIndex, Bitfield)> {
        let entries = self.entries().into_iter();
        entries
            .map(|(piece, entry)| (piece, entry.lock().on_disk()))
            .filter(|(_, blocks)| !blocks.is_clear())
            .collect()
    }

    pub(super) fn get(&self, piece: PieceIndex) -> Option<Arc<Mutex<Partial>>> {
        self.pieces.lock().get(&piece).cloned()
    }

    fn with_piece(&self, piece: PieceIndex, blocks: u32, change: impl FnOnce(&mut Partial)) {
        loop {
            let entry = self
                .pieces
                .lock()
                .entry(piece)
                .or_insert_with(|| Arc::new(Mutex::new(Partial::new(blocks, self.bytes.clone()))))
                .clone();
            let mut partial = entry.lock();
            if !partial.closed {
                return change(&mut partial);
            }
        }
    }

    fn close(&self, piece: PieceIndex, partial: &mut MutexGuard<'_, Partial>) {
        partial.closed = true;
        self.pieces.lock().remove(&piece);
    }
}

impl Partial {
    fn new(blocks: u32, total: Arc<AtomicUsize>) -> Self {
        Self {
            blocks: vec![Block::Missing; blocks as usize].into(),
            missing: blocks,
            bytes: 0,
            closed: false,
            doubtful: false,
            total,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn add(&mut self, span: BlockSpan, data: Bytes) {
        let Some(block @ Block::Missing) = self.blocks.get_mut(span.block_index() as usize) else {
            return;
        };
        self.bytes += data.len();
        self.total.fetch_add(data.len(), Ordering::Relaxed);
        *block = Block::Memory(data);
        self.missing -= 1;
    }

    fn restore(&mut self, on_disk: &Bitfield) {
        for index in on_disk.ones() {
            if let Some(block @ Block::Missing) = self.blocks.get_mut(index.as_usize()) {
                *block = Block::Restored;
                self.missing -= 1;
            }
        }
    }

    /// Notes that the blocks from `first` on, `count` of them, have been written.
    pub(super) fn written(&mut self, first: usize, count: usize) {
        for block in &mut self.blocks[first..first + count] {
            if let Block::Memory(data) = std::mem::replace(block, Block::Disk) {
                self.bytes -= data.len();
                self.total.fetch_sub(data.len(), Ordering::Relaxed);
            }
        }
    }

    fn on_disk(&self) -> Bitfield {
        let mut bits = Bitfield::new(self.blocks.len() as u32);
        let blocks = (0..).zip(&self.blocks).filter(|_| !self.doubtful);
        for (index, _) in blocks.filter(|(_, block)| block.is_on_disk()) {
            bits.set(PieceIndex(index));
        }
        bits
    }
}

impl Block {
    /// Whether it has to be read back.
    pub(super) fn is_on_disk(&self) -> bool {
        matches!(self, Self::Disk | Self::Restored)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A complete piece that has left the buffer; its bytes count until it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) blocks: Box<[Block]>,
    bytes: usize,
    /// Some of its blocks may not be on disk, though they are read back from there.
    pub(super) doubtful: bool,
    total: Arc<AtomicUsize>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Runs of neighbouring blocks that are in memory: index of the first, and the data.
pub(super) fn runs_in_memory(blocks: &[Block]) -> Vec<(usize, Vec<&Bytes>)> {
    let mut runs: Vec<(usize, Vec<&Bytes>)> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let Block::Memory(data) = block else { continue };
        match runs.last_mut() {
            Some((first, run)) if *first + run.len() == index => run.push(data),
            _ => runs.push((index, vec![data])),
        }
    }
    runs
}

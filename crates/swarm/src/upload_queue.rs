//! What one peer has asked of us.

use std::collections::VecDeque;

use headwater_metainfo::BlockSpan;

/// Blocks that were taken back from the driver and may have been sent all the same.
const MAX_REVOKED: usize = 1_024;

/// Requests of one peer: those that wait, and those that the driver is serving.
#[derive(Debug, Clone, Default)]
pub(crate) struct UploadQueue {
    waiting: VecDeque<BlockSpan>,
    serving: VecDeque<BlockSpan>,
    serving_bytes: u64,
    revoked: VecDeque<BlockSpan>,
    /// Payload served of pieces that we serve to choked peers.
    pub(crate) granted_bytes: u64,
    /// Requests that were refused without an unchoke in between.
    pub(crate) refused: u32,
}

impl UploadQueue {
    /// Requests that are neither served nor refused.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.serving.len()
    }

    pub(crate) fn serving_bytes(&self) -> u64 {
        self.serving_bytes
    }

    pub(crate) fn push(&mut self, block: BlockSpan) {
        self.waiting.push_back(block);
    }

    /// The next block for the driver, as long as less than `window` bytes are with it.
    pub(crate) fn next(&mut self, window: u32) -> Option<BlockSpan> {
        if self.serving_bytes >= u64::from(window) {
            return None;
        }
        let block = self.waiting.pop_front()?;
        self.serving_bytes += u64::from(block.length);
        self.serving.push_back(block);
        Some(block)
    }

    /// The driver is done with a block. Says whether it had it.
    pub(crate) fn finish(&mut self, block: BlockSpan) -> bool {
        if remove(&mut self.serving, block) {
            self.serving_bytes -= u64::from(block.length);
            return true;
        }
        remove(&mut self.revoked, block)
    }

    /// Takes out one waiting request.
    pub(crate) fn remove_waiting(&mut self, block: BlockSpan) -> bool {
        remove(&mut self.waiting, block)
    }

    /// Takes one block back from the driver.
    pub(crate) fn revoke(&mut self, block: BlockSpan) -> bool {
        if !remove(&mut self.serving, block) {
            return false;
        }
        self.serving_bytes -= u64::from(block.length);
        if self.revoked.len() == MAX_REVOKED {
            self.revoked.pop_front();
        }
        self.revoked.push_back(block);
        true
    }

    /// Takes out the latest request that waits.
    pub(crate) fn pop_waiting(&mut self) -> Option<BlockSpan> {
        self.waiting.pop_back()
    }

    /// Takes back the block that the driver got last.
    pub(crate) fn revoke_last(&mut self) -> Option<BlockSpan> {
        let block = *self.serving.back()?;
        self.revoke(block).then_some(block)
    }

    /// Takes out the waiting requests that `drop` picks.
    pub(crate) fn drain_waiting(
        &mut self,
        mut drop: impl FnMut(BlockSpan) -> bool,
    ) -> Vec<BlockSpan> {
        let (out, kept): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|&block| drop(block));
        self.waiting = kept.into();
        out
    }

    /// The blocks that the driver is serving.
    pub(crate) fn serving(&self) -> Vec<BlockSpan> {
        self.serving.iter().copied().collect()
    }

    pub(crate) fn check_invariants(&self) {
        let bytes: u64 = self
            .serving
            .iter()
            .map(|block| u64::from(block.length))
            .sum();
        assert_eq!(bytes, self.serving_bytes);
    }
}

/// Takes the first such block out and says whether there was one.
fn remove(queue: &mut VecDeque<BlockSpan>, block: BlockSpan) -> bool {
    let at = queue.iter().position(|&each| each == block);
    at.and_then(|at| queue.remove(at)).is_some()
}

//! Walks a message of scattered slices as runs of whole blocks, padding included.

use crate::algorithm::Block;

/// A message on its way through a lane.
///
/// Blocks that lie whole inside one slice are handed out where they are; one that crosses slices, and the padding
/// (FIPS 180-4, 5.1.1), is put together in `scratch`.
pub(crate) struct Cursor<'a> {
    direct: &'a [Block],
    scratch: [Block; 2],
    scratch_left: usize,
    rest: &'a [u8],
    parts: std::slice::Iter<'a, &'a [u8]>,
    length: u64,
    padded: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(message: &'a [&'a [u8]]) -> Self {
        Self {
            direct: &[],
            scratch: [[0; 64]; 2],
            scratch_left: 0,
            rest: &[],
            parts: message.iter(),
            length: message.iter().map(|part| part.len() as u64).sum(),
            padded: false,
        }
    }

    /// Whole blocks, with no padding after them.
    pub(crate) fn of_blocks(blocks: &'a [Block]) -> Self {
        Self {
            direct: blocks,
            padded: true,
            ..Self::new(&[])
        }
    }

    /// Makes [`run`](Self::run) not empty; false at the end of the message.
    pub(crate) fn fill(&mut self) -> bool {
        if !self.run().is_empty() {
            return true;
        }
        if self.padded {
            return false;
        }
        while self.rest.is_empty()
            && let Some(part) = self.parts.next()
        {
            self.rest = part;
        }
        if self.rest.len() >= 64 {
            (self.direct, self.rest) = self.rest.as_chunks();
        } else {
            self.gather();
        }
        true
    }

    /// The blocks that come next; empty before [`fill`](Self::fill) and at the end.
    pub(crate) fn run(&self) -> &[Block] {
        if self.scratch_left > 0 {
            &self.scratch[2 - self.scratch_left..]
        } else {
            self.direct
        }
    }

    /// Goes past the first `blocks` blocks of the run.
    pub(crate) fn advance(&mut self, blocks: usize) {
        if self.scratch_left > 0 {
            self.scratch_left -= blocks;
        } else {
            self.direct = &self.direct[blocks..];
        }
    }

    /// Puts one block together from several slices, or the padding at the end.
    fn gather(&mut self) {
        let mut block = [0; 64];
        let mut filled = 0;
        loop {
            let take = self.rest.len().min(64 - filled);
            let (head, tail) = self.rest.split_at(take);
            block[filled..filled + take].copy_from_slice(head);
            (filled, self.rest) = (filled + take, tail);
            if filled == 64 {
                return self.put(&[block]);
            }
            match self.parts.next() {
                Some(part) => self.rest = part,
                None => return self.pad(block, filled),
            }
        }
    }

    fn pad(&mut self, block: Block, filled: usize) {
        self.padded = true;
        let (blocks, count) = padding(&block[..filled], self.length);
        self.put(&blocks[2 - count..]);
    }

    fn put(&mut self, blocks: &[Block]) {
        self.scratch[2 - blocks.len()..].copy_from_slice(blocks);
        self.scratch_left = blocks.len();
    }
}

/// The end of a message of `length` bytes, `tail` being what is left after the last whole block: the last `count` of the blocks.
pub(crate) fn padding(tail: &[u8], length: u64) -> ([Block; 2], usize) {
    let count = if tail.len() < 56 { 1 } else { 2 };
    let mut blocks = [[0; 64]; 2];
    let bytes = blocks[2 - count..].as_flattened_mut();
    bytes[..tail.len()].copy_from_slice(tail);
    bytes[tail.len()] = 0x80;
    let (_, end) = bytes.split_at_mut(64 * count - 8);
    end.copy_from_slice(&(length * 8).to_be_bytes());
    (blocks, count)
}

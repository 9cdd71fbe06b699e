//! Messages whose bytes come a part at a time.

use std::fmt;
use std::marker::PhantomData;

use crate::Engine;
use crate::algorithm::{Block, Hash, Sha1, Sha256, State};
use crate::cursor::{self, Cursor};
use crate::schedule::Job;

/// A message whose bytes come a part at a time; many are updated side by side.
///
/// For messages that are too long to be held in memory at once, such as pieces of many megabytes that are read from a disk.
/// Parts of a multiple of 64 bytes are hashed where they lie.
///
/// ```
/// use headwater_hash::Sha1Stream;
///
/// let mut streams = [Sha1Stream::new(), Sha1Stream::new()];
/// Sha1Stream::update_many(&mut streams, &[b"one ", b"two "]);
/// Sha1Stream::update_many(&mut streams, &[b"and more", b""]);
/// let [one, two] = streams.map(Sha1Stream::finish);
/// assert_eq!(one, headwater_hash::sha1(b"one and more"));
/// assert_eq!(two, headwater_hash::sha1(b"two "));
/// ```
#[derive(Clone)]
pub struct Stream<H> {
    state: State,
    length: u64,
    /// What came last and did not fill a block: the first `length % 64` bytes.
    tail: Block,
    algorithm: PhantomData<H>,
}

/// A [`Stream`] of SHA-1.
pub type Sha1Stream = Stream<Sha1>;
/// A [`Stream`] of SHA-256.
pub type Sha256Stream = Stream<Sha256>;

impl<H: Hash> Default for Stream<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H> fmt::Debug for Stream<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({} bytes)", self.length)
    }
}

impl<H: Hash> Stream<H> {
    /// The empty message.
    pub const fn new() -> Self {
        Self {
            state: H::INITIAL,
            length: 0,
            tail: [0; 64],
            algorithm: PhantomData,
        }
    }

    /// Appends `part` to this message alone.
    pub fn update(&mut self, part: &[u8]) {
        let blocks = self.take(part);
        H::compress(&mut self.state, blocks);
    }

    /// Appends to each message the part at its place in `parts`, side by side, by the engine that is best on this machine.
    ///
    /// # Panics
    /// When there are not as many parts as streams.
    pub fn update_many(streams: &mut [Self], parts: &[&[u8]]) {
        Self::update_many_by(H::best_engine(), streams, parts);
    }

    /// As [`update_many`](Self::update_many), by the engine given.
    ///
    /// # Panics
    /// When there are not as many parts as streams.
    pub fn update_many_by(engine: Engine, streams: &mut [Self], parts: &[&[u8]]) {
        assert_eq!(streams.len(), parts.len(), "a part for each stream");
        let jobs: Vec<_> = streams
            .iter_mut()
            .zip(parts)
            .enumerate()
            .map(|(index, (stream, part))| {
                let cursor = Cursor::of_blocks(stream.take(part));
                let state = stream.state;
                Job {
                    index,
                    state,
                    cursor,
                }
            })
            .collect();
        engine.run::<H>(jobs.into_iter(), |index, state| {
            streams[index].state = *state;
        });
    }

    /// The digest of all that came.
    pub fn finish(mut self) -> H::Digest {
        let (blocks, count) = cursor::padding(&self.tail[..self.filled()], self.length);
        H::compress(&mut self.state, &blocks[2 - count..]);
        H::digest(&self.state)
    }

    /// Bytes in `tail`.
    fn filled(&self) -> usize {
        (self.length % 64) as usize
    }

    /// Counts `part` in, fills up the block that was begun and keeps what begins the next one; the blocks between are left
    /// to the caller.
    fn take<'a>(&mut self, part: &'a [u8]) -> &'a [Block] {
        let filled = self.filled();
        self.length += part.len() as u64;
        let mut rest = part;
        if filled > 0 {
            let (head, later) = part.split_at(part.len().min(64 - filled));
            self.tail[filled..filled + head.len()].copy_from_slice(head);
            if filled + head.len() < 64 {
                return &[];
            }
            H::compress(&mut self.state, &[self.tail]);
            rest = later;
        }
        let (blocks, end) = rest.as_chunks();
        self.tail[..end.len()].copy_from_slice(end);
        blocks
    }
}

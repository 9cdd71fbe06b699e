//! Messages that are read a part at a time.

use std::ops::Range;

use crate::algorithm::Hash;
use crate::stream::Stream;

/// Bytes of each message that are read at a time: so few that all lanes together fit into a core's own cache, and what
/// was just read is hashed from there.
const PART: usize = 32 * 1024;
/// From one message's part to the next in memory. Not a power of two, or they would all compete for the same few places in the cache.
const STRIDE: usize = PART + 192;
const LINE: usize = 64;

/// Bytes of each message that are announced ahead and let go behind at a time.
const WINDOW: u64 = 1024 * 1024;

/// Messages that a [`Reader`] hashes, by their numbers.
///
/// A closure that reads is enough; a type of its own can also see to what is read ahead and forgotten behind.
pub trait Messages {
    /// Why a message cannot be read.
    type Error;

    /// Fills `buf` with the bytes of `message` from `offset` on.
    fn read(&mut self, message: usize, offset: u64, buf: &mut [u8]) -> Result<(), Self::Error>;

    /// These bytes of `message` will be read soon.
    fn ahead(&mut self, message: usize, range: Range<u64>) {
        let _ = (message, range);
    }

    /// These bytes of `message` will not be read again.
    fn behind(&mut self, message: usize, range: Range<u64>) {
        let _ = (message, range);
    }
}

impl<F, E> Messages for F
where
    F: FnMut(usize, u64, &mut [u8]) -> Result<(), E>,
{
    type Error = E;

    fn read(&mut self, message: usize, offset: u64, buf: &mut [u8]) -> Result<(), E> {
        self(message, offset, buf)
    }
}

/// Hashes messages that are read a part at a time. Holds the memory for that: made once, used for any number of batches.
///
/// ```
/// use headwater_hash::{Reader, Sha1};
///
/// let files = [vec![1; 100_000], vec![2; 50_000]];
/// let lengths = files.each_ref().map(|file| file.len() as u64);
/// let mut read = |message: usize, offset: u64, buf: &mut [u8]| -> std::io::Result<()> {
///     let start = offset as usize;
///     buf.copy_from_slice(&files[message][start..start + buf.len()]);
///     Ok(())
/// };
/// let digests = Reader::new().digests::<Sha1, _>(&lengths, &mut read);
/// assert_eq!(digests[1].as_ref().unwrap(), &headwater_hash::sha1(&files[1]));
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    memory: Vec<u8>,
}

impl Reader {
    /// No memory is taken yet.
    pub const fn new() -> Self {
        Self { memory: Vec::new() }
    }

    /// The digest of each message, `lengths` being their bytes. As many as there are lanes are read side by side, 32 KiB of each
    /// in turn. A message that cannot be read is given up; the error is its outcome.
    pub fn digests<H: Hash, M: Messages>(
        &mut self,
        lengths: &[u64],
        messages: &mut M,
    ) -> Vec<Result<H::Digest, M::Error>> {
        let lanes = H::best_engine().lanes();
        let mut digests = Vec::with_capacity(lengths.len());
        for (number, lengths) in lengths.chunks(lanes).enumerate() {
            let group = Group::<H, M> {
                first: number * lanes,
                lengths,
                messages,
                streams: vec![Stream::new(); lengths.len()],
                failures: lengths.iter().map(|_| None).collect(),
            };
            digests.extend(group.digests(self.aligned(lengths.len())));
        }
        digests
    }

    /// Memory for the parts of `messages`, from the start of a cache line on.
    fn aligned(&mut self, messages: usize) -> &mut [u8] {
        let length = messages * STRIDE;
        if self.memory.len() < length + LINE {
            self.memory.resize(length + LINE, 0);
        }
        let start = self.memory.as_ptr().align_offset(LINE).min(LINE);
        &mut self.memory[start..start + length]
    }
}

/// Messages that are read side by side.
struct Group<'a, H, M: Messages> {
    /// Number of the first one.
    first: usize,
    lengths: &'a [u64],
    messages: &'a mut M,
    streams: Vec<Stream<H>>,
    failures: Vec<Option<M::Error>>,
}

impl<H: Hash, M: Messages> Group<'_, H, M> {
    fn digests(
        mut self,
        memory: &mut [u8],
    ) -> impl Iterator<Item = Result<H::Digest, M::Error>> + use<H, M> {
        let longest = self.lengths.iter().copied().max().unwrap_or(0);
        self.announce(0..2 * WINDOW);
        for offset in (0..longest).step_by(PART) {
            if offset > 0 && offset % WINDOW == 0 {
                self.forget(offset - WINDOW..offset);
                self.announce(offset + WINDOW..offset + 2 * WINDOW);
            }
            self.step(offset, memory);
        }
        self.forget(longest.saturating_sub(1) / WINDOW * WINDOW..longest);
        let outcomes = self.streams.into_iter().zip(self.failures);
        outcomes.map(|(stream, failure)| failure.map_or_else(|| Ok(stream.finish()), Err))
    }

    /// Reads a part of each message and hashes them side by side.
    fn step(&mut self, offset: u64, memory: &mut [u8]) {
        let slots = memory.chunks_exact_mut(STRIDE);
        let mut parts: Vec<&[u8]> = Vec::with_capacity(self.lengths.len());
        for (index, slot) in slots.take(self.lengths.len()).enumerate() {
            let left = self.lengths[index].saturating_sub(offset);
            let mut part = &mut slot[..left.min(PART as u64) as usize];
            if self.failures[index].is_some() {
                part = &mut [];
            }
            if !part.is_empty()
                && let Err(error) = self.messages.read(self.first + index, offset, part)
            {
                self.failures[index] = Some(error);
                part = &mut [];
            }
            parts.push(part);
        }
        Stream::update_many(&mut self.streams, &parts);
    }

    fn announce(&mut self, window: Range<u64>) {
        for index in 0..self.lengths.len() {
            if let Some(range) = self.part_of(index, &window) {
                self.messages.ahead(self.first + index, range);
            }
        }
    }

    fn forget(&mut self, window: Range<u64>) {
        for index in 0..self.lengths.len() {
            if let Some(range) = self.part_of(index, &window) {
                self.messages.behind(self.first + index, range);
            }
        }
    }

    /// What of the window lies in the message.
    fn part_of(&self, index: usize, window: &Range<u64>) -> Option<Range<u64>> {
        let range = window.start..window.end.min(self.lengths[index]);
        (!range.is_empty()).then_some(range)
    }
}

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

/// Memory for [`Reader::digests`]: made once, used for any number of batches.
///
/// ```
/// use headwater_hash::{Reader, Sha1};
///
/// let files = [vec![1; 100_000], vec![2; 50_000]];
/// let lengths = files.each_ref().map(|file| file.len() as u64);
/// let mut reader = Reader::new();
/// let digests = reader.digests::<Sha1, std::io::Error>(&lengths, |message, offset, buf| {
///     let start = offset as usize;
///     buf.copy_from_slice(&files[message][start..start + buf.len()]);
///     Ok(())
/// });
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

    /// The digest of each message of `lengths` bytes. As many as there are lanes are read side by side, 32 KiB of each in turn.
    ///
    /// `read` gets a message's number, an offset in it, and a buffer to fill. A message of which that fails is given up,
    /// and the error is its outcome.
    pub fn digests<H: Hash, E>(
        &mut self,
        lengths: &[u64],
        mut read: impl FnMut(usize, u64, &mut [u8]) -> Result<(), E>,
    ) -> Vec<Result<H::Digest, E>> {
        let lanes = H::best_engine().lanes();
        let mut digests = Vec::with_capacity(lengths.len());
        for (group, lengths) in lengths.chunks(lanes).enumerate() {
            let first = group * lanes;
            let read = |message, offset, buf: &mut [u8]| read(first + message, offset, buf);
            digests.extend(self.group::<H, E>(lengths, read));
        }
        digests
    }

    fn group<H: Hash, E>(
        &mut self,
        lengths: &[u64],
        mut read: impl FnMut(usize, u64, &mut [u8]) -> Result<(), E>,
    ) -> Vec<Result<H::Digest, E>> {
        let mut streams = vec![Stream::<H>::new(); lengths.len()];
        let mut failures: Vec<Option<E>> = lengths.iter().map(|_| None).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let memory = self.aligned(lengths.len());
        for offset in (0..longest).step_by(PART) {
            let mut parts: Vec<Range<usize>> = Vec::with_capacity(lengths.len());
            for (message, &length) in lengths.iter().enumerate() {
                let start = message * STRIDE;
                let mut part = start..start;
                if failures[message].is_none() && offset < length {
                    part.end += (length - offset).min(PART as u64) as usize;
                    failures[message] = read(message, offset, &mut memory[part.clone()]).err();
                }
                parts.push(part);
            }
            let parts: Vec<&[u8]> = parts.into_iter().map(|part| &memory[part]).collect();
            Stream::update_many(&mut streams, &parts);
        }
        let outcomes = streams.into_iter().zip(failures);
        let outcome = |(stream, failure): (Stream<H>, Option<E>)| match failure {
            None => Ok(stream.finish()),
            Some(failure) => Err(failure),
        };
        outcomes.map(outcome).collect()
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

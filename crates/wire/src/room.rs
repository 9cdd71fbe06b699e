//! How much to read at a time.

use std::mem;

use bytes::BytesMut;

use crate::ReadBuffers;

/// A single read that fills the buffer with this much says that the peer is streaming.
const BIG_READ: usize = 8 * 1024;
/// A streaming peer's buffer that took more reads than this was too big.
const MANY_READS: u32 = 64;
/// Room for a message that has only been announced; past that, the room grows as the message comes.
const MOST_TRUST: usize = 32 * 1024;
/// Room for less than this is not worth a system call.
const LEAST_READ: usize = 1024;

/// Watches the reads of one connection, and makes room in its buffer for the next.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    buffers: Option<ReadBuffers>,
    /// Whether the buffer in use is a big one.
    streaming: bool,
    /// Reads into the buffer in use.
    reads: u32,
    /// Bytes that the last read left undecoded.
    left: usize,
    /// Bytes decoded since.
    taken: usize,
}

impl Room {
    pub(crate) fn new(buffers: Option<ReadBuffers>) -> Self {
        Self {
            buffers,
            streaming: false,
            reads: 0,
            left: 0,
            taken: 0,
        }
    }

    /// `bytes` were decoded.
    pub(crate) fn taken(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    /// After a read, all of whose whole messages are decoded: lets `src` hold `frame` bytes, counted from its start.
    pub(crate) fn make(&mut self, src: &mut BytesMut, frame: usize) {
        let read = (src.len() + self.taken).saturating_sub(self.left);
        let brimful = src.capacity() == src.len();
        (self.left, self.taken) = (src.len(), 0);
        self.reads += u32::from(read > 0);
        let frame = frame
            .min(2 * src.len() + MOST_TRUST)
            .max(src.len() + LEAST_READ);
        if src.capacity() >= frame {
            return;
        }
        let streams = (brimful && read >= BIG_READ) || (self.streaming && self.reads <= MANY_READS);
        if streams && frame <= ReadBuffers::BUFFER_LENGTH {
            let big = self.big_buffer();
            self.replace(src, big);
            self.streaming = true;
        } else if self.streaming {
            self.replace(src, BytesMut::with_capacity(frame));
            self.streaming = false;
        } else {
            src.reserve(frame - src.len());
            self.reads = 0;
        }
    }

    fn big_buffer(&self) -> BytesMut {
        match &self.buffers {
            Some(buffers) => buffers.take(),
            None => BytesMut::with_capacity(ReadBuffers::BUFFER_LENGTH),
        }
    }

    /// Goes on in `next`; what was used is kept if it is one of the big ones.
    fn replace(&mut self, src: &mut BytesMut, mut next: BytesMut) {
        next.extend_from_slice(src);
        let used = mem::replace(src, next);
        self.reads = 0;
        if let Some(buffers) = &self.buffers
            && self.streaming
        {
            buffers.put(used);
        }
    }
}

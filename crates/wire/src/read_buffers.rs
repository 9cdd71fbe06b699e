//! Memory for received messages, used again and again.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use headwater_metainfo::BLOCK_LENGTH;
use parking_lot::Mutex;

use crate::PIECE_HEADER_LENGTH;

/// A store of read buffers that many connections share.
///
/// A block that was received is a slice of its connection's read buffer until it is dropped, so the buffer can't
/// be written to again until then. To allocate a fresh one each time costs a page fault for every 4 KiB, up to half as much as
/// receiving the bytes. This store keeps a handle of each buffer that was used up, and gives the buffer out again
/// once all its blocks are gone. It never waits: if none is free, it allocates.
///
/// Clones share the store.
///
/// ```
/// use headwater_wire::{MessageCodec, ReadBuffers};
///
/// let buffers = ReadBuffers::new(16 * 1024 * 1024);
/// let codec_of_one_peer = MessageCodec::default().read_buffers(buffers.clone());
/// let codec_of_another = MessageCodec::default().read_buffers(buffers);
/// ```
#[derive(Clone)]
pub struct ReadBuffers(Arc<Store>);

struct Store {
    used: Mutex<VecDeque<BytesMut>>,
    max_kept: usize,
}

impl ReadBuffers {
    /// Bytes of a buffer: eight whole `piece` messages, so that a stream of them is never cut by the end of a buffer.
    pub const BUFFER_LENGTH: usize = 8 * (PIECE_HEADER_LENGTH + BLOCK_LENGTH as usize);

    /// Used buffers that are looked at before a new one is allocated.
    const LOOKS: usize = 4;

    /// Keeps at most `max_bytes` of used buffers. Good is what the blocks of unwritten pieces may take up.
    pub fn new(max_bytes: usize) -> Self {
        Self(Arc::new(Store {
            used: Mutex::default(),
            max_kept: max_bytes / Self::BUFFER_LENGTH,
        }))
    }

    /// Lets go of all used buffers, for when nothing is being downloaded.
    pub fn clear(&self) {
        self.0.used.lock().clear();
    }

    /// Used buffers in the store.
    pub(crate) fn kept(&self) -> usize {
        self.0.used.lock().len()
    }

    /// An empty buffer of at least [`BUFFER_LENGTH`](Self::BUFFER_LENGTH).
    pub(crate) fn take(&self) -> BytesMut {
        let mut used = self.0.used.lock();
        for _ in 0..used.len().min(Self::LOOKS) {
            let Some(mut buffer) = used.pop_front() else {
                break;
            };
            if buffer.try_reclaim(Self::BUFFER_LENGTH) {
                return buffer;
            }
            used.push_back(buffer);
        }
        drop(used);
        BytesMut::with_capacity(Self::BUFFER_LENGTH)
    }

    /// Keeps a buffer that [`take`](Self::take) gave, for when its slices are gone.
    pub(crate) fn put(&self, mut buffer: BytesMut) {
        buffer.clear();
        let mut used = self.0.used.lock();
        used.push_back(buffer);
        if used.len() > self.0.max_kept {
            used.pop_front();
        }
    }
}

impl fmt::Debug for ReadBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadBuffers({} used)", self.kept())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;

    #[test]
    fn a_buffer_comes_back_once_its_slices_are_gone() {
        let buffers = ReadBuffers::new(1 << 20);
        let mut first = buffers.take();
        first.put_bytes(1, 100);
        let slice = first.split_to(60).freeze();
        let place = slice.as_ptr();
        buffers.put(first);

        let second = buffers.take();
        assert_ne!(second.as_ptr(), place, "the slice is still read");
        drop(slice);
        let third = buffers.take();
        assert_eq!(third.as_ptr(), place);
        assert!(third.is_empty() && third.capacity() >= ReadBuffers::BUFFER_LENGTH);
    }

    #[test]
    fn no_more_is_kept_than_was_said() {
        let buffers = ReadBuffers::new(2 * ReadBuffers::BUFFER_LENGTH);
        for _ in 0..5 {
            buffers.put(BytesMut::with_capacity(ReadBuffers::BUFFER_LENGTH));
        }
        assert_eq!(buffers.kept(), 2);
        buffers.clear();
        assert_eq!(buffers.kept(), 0);
    }
}

//! Memory for blocks on their way to sockets, used again and again: new memory costs as much as what is read into it.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Lengths of buffers: of a block, and of a run of blocks that is read at once.
const LENGTHS: [usize; 2] = [16 * 1024, 128 * 1024];
/// Bytes of each length that are kept when nobody uses them.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// Buffers that nobody uses, the one that was used last on top: it is most likely in the processor's cache. A clone is the
/// same.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<[Kept; LENGTHS.len()]>);

/// Buffers of one length.
type Kept = Mutex<Vec<Box<[u8]>>>;

/// A buffer in use.
pub(super) struct Buffer {
    memory: Box<[u8]>,
    length: usize,
    home: Buffers,
}

impl Buffers {
    /// A buffer with old bytes in it.
    pub(super) fn take(&self, length: usize) -> Buffer {
        let class = LENGTHS.iter().position(|&long| length <= long);
        let kept = class.and_then(|class| self.0[class].lock().pop());
        let whole = class.map_or(length, |class| LENGTHS[class]);
        Buffer {
            memory: kept.unwrap_or_else(|| vec![0; whole].into()),
            length,
            home: self.clone(),
        }
    }

    fn give_back(&self, memory: Box<[u8]>) {
        let class = LENGTHS.iter().position(|&length| length == memory.len());
        let Some(class) = class else { return };
        let mut kept = self.0[class].lock();
        if (kept.len() + 1) * memory.len() <= KEPT_BYTES {
            kept.push(memory);
        }
    }
}

impl Buffer {
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_not_kept_without_end() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take(10_000);
        buffer.as_mut().fill(1);
        let bytes = buffer.into_bytes();
        let (at, half) = (bytes.as_ptr(), bytes.slice(5_000..));
        drop(bytes);
        // Part of it is still in use.
        assert_ne!(buffers.take(16_384).as_ref().as_ptr(), at);
        drop(half);
        assert_eq!(buffers.take(1).as_ref().as_ptr(), at);

        let many: Vec<_> = (0..100).map(|_| buffers.take(100_000)).collect();
        drop(many);
        assert_eq!(buffers.0[1].lock().len(), KEPT_BYTES / LENGTHS[1]);
        assert_eq!(buffers.take(1 << 20).as_ref().len(), 1 << 20);
    }
}

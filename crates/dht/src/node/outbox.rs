//! Datagrams that are to be sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;

/// Bytes that wait at most. What comes on top is not sent: that is what networks do, too.
const MAX_WAITING: usize = 1 << 20;

/// A datagram that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'d> {
    /// To whom.
    pub to: SocketAddr,
    /// What.
    pub payload: &'d [u8],
}

/// The datagrams stand behind each other in one buffer, which is used again when all of them were taken.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    waiting: VecDeque<(SocketAddr, Range<usize>)>,
}

impl Outbox {
    /// Adds what `write` puts behind the buffer's content, or says that there is too much already.
    pub(super) fn push(&mut self, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.waiting.is_empty() {
            self.bytes.clear();
        }
        if self.bytes.len() > MAX_WAITING {
            return false;
        }
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.waiting.push_back((to, start..self.bytes.len()));
        true
    }

    /// Bytes that were not taken yet.
    pub(super) fn waiting(&self) -> usize {
        let first = self.waiting.front();
        first.map_or(0, |(_, range)| self.bytes.len() - range.start)
    }

    pub(super) fn pop(&mut self) -> Option<Transmit<'_>> {
        let (to, range) = self.waiting.pop_front()?;
        let payload = &self.bytes[range];
        Some(Transmit { to, payload })
    }
}

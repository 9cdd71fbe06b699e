//! A peer in as few bytes as it goes.

use std::net::{IpAddr, SocketAddr};

/// Seconds since the store was made, in 15 bits: it is the difference that counts, which is never beyond nine hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tick(u16);

const TICK_BITS: u16 = 0x7fff;
const SEED_BIT: u16 = 0x8000;

impl Tick {
    pub(super) fn new(seconds: u64) -> Self {
        Self(seconds as u16 & TICK_BITS)
    }

    /// Seconds from `self` to `now`.
    pub(super) fn age(self, now: Self) -> u16 {
        now.0.wrapping_sub(self.0) & TICK_BITS
    }
}

/// A peer whose address has `N` bytes: 8 bytes in all for IPv4, 20 for IPv6.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<const N: usize> {
    ip: [u8; N],
    port: [u8; 2],
    /// When it last announced itself, and whether as a seed.
    seen: [u8; 2],
}

impl<const N: usize> Entry<N>
where
    IpAddr: From<[u8; N]>,
{
    pub(super) fn new(ip: [u8; N], port: u16, seed: bool, now: Tick) -> Self {
        let seen = now.0 | if seed { SEED_BIT } else { 0 };
        Self {
            ip,
            port: port.to_be_bytes(),
            seen: seen.to_be_bytes(),
        }
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.ip.into()
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), u16::from_be_bytes(self.port))
    }

    pub(super) fn is_seed(&self) -> bool {
        u16::from_be_bytes(self.seen) & SEED_BIT != 0
    }

    pub(super) fn age(&self, now: Tick) -> u16 {
        Tick(u16::from_be_bytes(self.seen) & TICK_BITS).age(now)
    }

    /// Whether both stand for one peer: one for each address (BEP 33), but each port of a local one, behind which no
    /// crowd can hide.
    pub(super) fn is_same(&self, other: &Self, local: bool) -> bool {
        self.ip == other.ip && (!local || self.port == other.port)
    }

    /// Whether both are in one IPv6 network of 64 bits.
    pub(super) fn is_neighbour(&self, other: &Self) -> bool {
        N == 16 && self.ip[..8] == other.ip[..8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size_of::<Entry<4>>(), 8);
        assert_eq!(size_of::<Entry<16>>(), 20);
    }

    #[test]
    fn ages_go_on_where_the_clock_begins_again() {
        let entry = Entry::new([192, 0, 2, 1], 6881, true, Tick::new(0x7fff));
        assert_eq!(entry.age(Tick::new(0x8000)), 1);
        assert_eq!(entry.age(Tick::new(0x8000 + 1799)), 1800);
        assert!(entry.is_seed());
        assert_eq!(entry.address(), "192.0.2.1:6881".parse().unwrap());
    }
}

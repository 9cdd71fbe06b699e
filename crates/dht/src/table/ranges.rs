//! Addresses near each other, which are likely one owner's.

use std::net::{IpAddr, SocketAddr};

use rustc_hash::FxHashMap;

/// How many nodes from one range the whole table takes.
const PER_RANGE: u8 = 4;

/// Addresses that are likely one owner's: a /24 of IPv4 or a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Range(u64);

impl Range {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self(u64::from(ip.to_bits() >> 8)),
            IpAddr::V6(ip) => Self((ip.to_bits() >> 64) as u64),
        }
    }
}

/// Which addresses are in a table: each once, and few of one range.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    addresses: FxHashMap<IpAddr, u16>,
    counts: FxHashMap<Range, u8>,
}

impl Ranges {
    /// Whether one more at this address is welcome.
    pub(super) fn welcomes(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        let others = self.counts.get(&Range::of(ip)).copied();
        !self.addresses.contains_key(&ip) && others.unwrap_or(0) < PER_RANGE
    }

    pub(super) fn add(&mut self, address: SocketAddr) {
        self.addresses.insert(address.ip(), address.port());
        *self.counts.entry(Range::of(address.ip())).or_default() += 1;
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        let range = Range::of(address.ip());
        self.addresses.remove(&address.ip());
        if let Some(count) = self.counts.get_mut(&range) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&range);
            }
        }
    }
}

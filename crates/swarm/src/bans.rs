//! Peers that are not accepted again.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use headwater_metainfo::PeerId;

/// Entries at most in each list. A ban costs its owner a spoilt piece, so that this is never reached in earnest.
const MAX_BANS: usize = 10_000;

/// Peers that sent bad data.
///
/// A ban covers the IP address, except where others share it (behind one NAT, or on this machine): there it covers
/// the port and the peer id, so that innocents are left alone. A peer id counts at its address alone: anybody could
/// have said it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bans {
    ips: BTreeSet<IpAddr>,
    addresses: BTreeSet<SocketAddr>,
    peer_ids: BTreeSet<(IpAddr, PeerId)>,
}

impl Bans {
    pub(crate) fn ban(&mut self, address: SocketAddr, peer_id: PeerId, whole_address: bool) {
        if whole_address && self.ips.len() < MAX_BANS {
            self.ips.insert(address.ip());
        } else if self.addresses.len() < MAX_BANS {
            self.addresses.insert(address);
            self.peer_ids.insert((address.ip(), peer_id));
        }
    }

    pub(crate) fn has_ip(&self, ip: IpAddr) -> bool {
        self.ips.contains(&ip)
    }

    pub(crate) fn has_address(&self, address: SocketAddr) -> bool {
        self.has_ip(address.ip()) || self.addresses.contains(&address)
    }

    pub(crate) fn has(&self, address: SocketAddr, peer_id: PeerId) -> bool {
        self.has_address(address) || self.peer_ids.contains(&(address.ip(), peer_id))
    }
}

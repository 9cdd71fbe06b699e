//! Peers as trackers name them.

use std::net::SocketAddr;

use headwater_metainfo::compact::{unpack_all_v4, unpack_all_v6, usable};

use crate::MAX_PEERS;

/// IPv4 peers (BEP 23); those that nobody can reach are left out.
pub(crate) fn compact_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    unpack_all_v4(bytes).filter_map(usable)
}

/// IPv6 peers (BEP 7); those that nobody can reach are left out.
pub(crate) fn compact_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    unpack_all_v6(bytes).filter_map(usable)
}

/// Takes in what there is room for.
pub(crate) fn extend(peers: &mut Vec<SocketAddr>, more: impl Iterator<Item = SocketAddr>) {
    let room = MAX_PEERS.saturating_sub(peers.len());
    peers.extend(more.take(room));
}

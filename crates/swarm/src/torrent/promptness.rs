//! Which peers will deliver soonest.

use std::time::Instant;

use crate::PeerKey;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::picker::BlockId;

/// When a peer will have sent `blocks` blocks.
pub(super) fn delivers(now: Instant, peer: &Peer, blocks: usize) -> Instant {
    now + peer.requests.expected(now, blocks)
}

/// When a peer will have sent a block that it was asked for, after those that it was asked for before.
pub(super) fn arrives(now: Instant, peer: &Peer, block: BlockId) -> Instant {
    let ahead = peer.requests.blocks().position(|each| each == block);
    delivers(now, peer, ahead.map_or(1, |ahead| ahead + 1))
}

/// All peers, those first that would be the first to deliver one block more.
pub(super) fn soonest(now: Instant, peers: &Peers) -> Vec<PeerKey> {
    let each = peers.iter();
    let mut ranked: Vec<_> = each
        .map(|peer| (delivers(now, peer, peer.requests.len() + 1), peer.key))
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, key)| key).collect()
}

//! The endgame: everything wanted was asked for, and peers with nothing to do are asked for what others are slow with.

use crate::PeerKey;
use crate::peers::Peers;
use crate::picker::{BlockId, Picker, Picking};

/// Blocks at most that an idle peer is asked for in the endgame at a time.
const MAX_BLOCKS: usize = 4;

/// Blocks at most that are looked at for that.
const MAX_LOOKS: usize = 1_000;

/// Takes some blocks that the slowest peers will come to last. `soonest` are the peers, the slowest last.
pub(super) fn pick(
    picker: &mut Picker,
    peers: &Peers,
    soonest: &[PeerKey],
    who: &Picking<'_>,
    room: usize,
    blocks: &mut Vec<BlockId>,
) {
    let slow = soonest.iter().rev().filter_map(|&key| peers.get(key));
    let candidates = slow.flat_map(|peer| peer.requests.blocks().rev());
    let candidates = candidates.take(MAX_LOOKS);
    picker.pick_busy(who, &candidates, room.min(MAX_BLOCKS), blocks);
}

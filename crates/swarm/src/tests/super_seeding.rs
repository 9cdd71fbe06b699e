//! Super-seeding (BEP 16): in whole swarms, and move by move.

use std::time::Duration;

use headwater_metainfo::PieceIndex;
use headwater_wire::{Message, Reserved};

use super::net::{Net, config};
use super::rig::{Rig, block};
use crate::{PeerKey, SuperSeeding, UploadSlots};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
/// Bytes of a piece.
const PIECE: u64 = 65_536;

/// A seed and leeches whose links carry so many bytes a second.
fn swarm(mode: SuperSeeding, pieces: u32, leeches: usize, up: u32) -> Net {
    let mut net = Net::new();
    for index in 0..=leeches {
        let mut configuration = config(index, pieces);
        configuration.limits.serve_window = 32 * 1024;
        configuration.super_seeding = mode;
        if index == 0 {
            configuration = configuration.complete();
        }
        net.add(configuration);
        net.nodes[index].up = Some(up);
    }
    net
}

/// Payload that the seed sent, in copies of the torrent.
fn copies(net: &Net) -> f64 {
    let seed = &net.nodes[0].torrent;
    seed.stats().uploaded as f64 / seed.geometry().total_size() as f64
}

fn is_spread(net: &Net) -> bool {
    let leeches = || net.nodes.iter().skip(1);
    (0..net.nodes[0].torrent.geometry().piece_count())
        .all(|piece| leeches().any(|node| node.torrent.have().has(PieceIndex(piece))))
}

fn is_done(net: &Net) -> bool {
    (1..net.nodes.len()).all(|leech| net.has_all(leech))
}

#[test]
fn measure() {
    for (pieces, leeches) in [(128, 1), (128, 2), (256, 10), (256, 20)] {
        for mode in [SuperSeeding::Off, SuperSeeding::Auto] {
            let up = 1 << 20;
            let mut net = swarm(mode, pieces, leeches, up);
            net.introduce_all();
            let spread = net.run_until(10 * MINUTE, is_spread);
            let at_spread = copies(&net);
            let done = spread + net.run_until(10 * MINUTE, is_done);
            let bound = u64::from(pieces) as f64 * PIECE as f64 / f64::from(up);
            println!(
                "{mode:?} {pieces}x{leeches}: spread {:.2} ({at_spread:.2} copies), done {:.2} ({:.2} copies)",
                spread.as_secs_f64() / bound,
                done.as_secs_f64() / bound,
                copies(&net)
            );
        }
    }
}

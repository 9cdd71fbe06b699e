//! How fast it could be at best.

use std::time::Duration;

use headwater_metainfo::{Bitfield, PieceIndex};

use crate::spec::{NodeSpec, Start, SwarmSpec};

/// The time before which nobody could have distributed the torrent, whatever the protocol: the longest of these three.
///
/// * The seeds must send every byte once that nobody else has: F / the sum of their uplinks.
/// * Each peer must receive every byte that it lacks: F / its downlink.
/// * All peers together must send what all of them receive: N F / the sum of all uplinks.
///
/// Only peers that give to others count as uplinks. Peers that leave or come late are counted as if they were there all the time:
/// where there are such, the last peer's time from its own arrival is set against a bound that is lower than it need be.
pub fn fluid_bound(spec: &SwarmSpec) -> Duration {
    let givers = || spec.nodes.iter().filter(|node| node.contributes());
    let seeds: u64 = givers()
        .filter(|node| node.is_seed())
        .map(|node| node.up.0)
        .sum();
    let all: f64 = givers().map(|node| node.up.0 as f64).sum();
    let takers = || spec.nodes.iter().filter(|node| node.must_finish());
    let lacks: Vec<u64> = takers().map(|node| lacking(spec, node)).collect();
    let downlinks = takers()
        .zip(&lacks)
        .map(|(node, &lacks)| node.down.time_for(lacks));
    let bounds = [
        lacks.iter().sum::<u64>() as f64 / all,
        only_with_seeds(spec) as f64 / seeds as f64,
        downlinks.max().unwrap_or_default().as_secs_f64(),
    ];
    let bound = bounds.into_iter().filter(|bound| bound.is_finite());
    Duration::from_secs_f64(bound.fold(0.0, f64::max))
}

/// Bytes that a peer wants and lacks.
fn lacking(spec: &SwarmSpec, node: &NodeSpec) -> u64 {
    let wanted = |piece: &PieceIndex| {
        let priority = node.priorities.get(piece.as_usize());
        priority.is_none_or(|priority| priority.is_wanted())
    };
    let pieces = spec.geometry.pieces().filter(|&piece| !has(node, piece));
    let sizes = pieces
        .filter(wanted)
        .map(|piece| spec.geometry.piece_size(piece));
    sizes.map(u64::from).sum()
}

/// Bytes that nobody but the seeds has, of those that somebody wants.
fn only_with_seeds(spec: &SwarmSpec) -> u64 {
    let mut elsewhere = Bitfield::new(spec.geometry.piece_count());
    for node in spec.nodes.iter().filter(|node| node.takes()) {
        if let Start::Pieces(have) = &node.start {
            have.ones().for_each(|piece| _ = elsewhere.set(piece));
        }
    }
    let missing = elsewhere
        .zeros()
        .map(|piece| spec.geometry.piece_size(piece));
    missing.map(u64::from).sum()
}

fn has(node: &NodeSpec, piece: PieceIndex) -> bool {
    match &node.start {
        Start::Complete => true,
        Start::Empty => false,
        Start::Pieces(have) => have.has(piece),
    }
}

#[cfg(test)]
mod tests {
    use headwater_metainfo::PieceGeometry;

    use super::*;
    use crate::time::Rate;

    /// Ten pieces of 100,000 bytes.
    fn swarm(nodes: Vec<NodeSpec>) -> SwarmSpec {
        SwarmSpec::new(PieceGeometry::new(1_000_000, 100_000).unwrap(), nodes, 0)
    }

    fn rates(up: u64, down: u64) -> NodeSpec {
        NodeSpec::leech(Rate(up), Rate(down))
    }

    #[test]
    fn the_narrowest_of_three_counts() {
        let seed = |up| NodeSpec::seed(Rate(up), Rate::UNLIMITED);
        let bound = |nodes| fluid_bound(&swarm(nodes)).as_millis();
        let fast = rates(1_000_000, 10_000_000);
        assert_eq!(
            bound(vec![seed(100_000), fast.clone(), fast.clone()]),
            10_000
        );
        assert_eq!(
            bound(vec![seed(1_000_000), fast.clone(), rates(0, 50_000)]),
            20_000
        );
        assert_eq!(
            bound(vec![seed(1_000_000), rates(0, 1 << 40), rates(0, 1 << 40)]),
            2_000
        );
    }

    #[test]
    fn what_is_there_already_need_not_be_sent() {
        let mut have = Bitfield::full(10);
        have.clear(PieceIndex(3));
        let mut late = rates(1_000, 1_000_000);
        late.start = Start::Pieces(have);
        let seed = NodeSpec::seed(Rate(100_000), Rate::UNLIMITED);
        assert_eq!(fluid_bound(&swarm(vec![seed, late])).as_millis(), 1_000);
    }
}

//! How fast it could be at best.

use std::time::Duration;

use crate::spec::SwarmSpec;

/// The time before which nobody could have distributed the torrent, whatever the protocol: the longest of these three.
///
/// * A seed must send every byte once: F / the sum of the seeds' uplinks.
/// * The slowest peer must receive every byte: F / its downlink.
/// * All peers together must send what all of them receive: N F / the sum of all uplinks.
///
/// Only peers that give to others count as uplinks; peers that leave or come late are counted as if they were there all the time, so
/// that in such swarms the figure is a bound all the same, if a lower one.
pub fn fluid_bound(spec: &SwarmSpec) -> Duration {
    let size = spec.geometry.total_size() as f64;
    let givers = || spec.nodes.iter().filter(|node| node.contributes());
    let seeds: f64 = givers().filter(|node| node.is_seed()).map(|node| node.up.0 as f64).sum();
    let all: f64 = givers().map(|node| node.up.0 as f64).sum();
    let takers = || spec.nodes.iter().filter(|node| node.takes());
    let slowest = takers().map(|node| node.down.0 as f64).fold(f64::MAX, f64::min);
    let demand = takers().count() as f64 * size;
    let bound = (size / seeds).max(size / slowest).max(demand / all);
    Duration::from_secs_f64(if bound.is_finite() { bound } else { 0.0 })
}

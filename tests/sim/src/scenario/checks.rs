//! What must come of a scenario.

use std::time::Duration;

use crate::behaviour::Behaviour;
use crate::outcome::Outcome;
use crate::spec::{NodeSpec, SwarmSpec};

/// Bad pieces after which a corrupt peer must be known everywhere it spoilt something.
const FEW_PIECES: u32 = 5;

pub(super) fn nothing_more(_: &SwarmSpec, _: &Outcome) -> Vec<String> {
    Vec::new()
}

pub(super) fn nobody_stuck(outcome: &Outcome) -> Vec<String> {
    let stuck = outcome.stuck();
    complain(!stuck.is_empty(), || format!("peers {stuck:?} are stuck"))
}

pub(super) fn ratio_at_most(outcome: &Outcome, most: f64) -> Vec<String> {
    let ratio = outcome.ratio();
    complain(ratio > most, || {
        format!("the last peer took {ratio:.3} times the bound, not {most}")
    })
}

/// Those who only take are done later than those who give.
pub(super) fn free_riders_wait(spec: &SwarmSpec, outcome: &Outcome) -> Vec<String> {
    let riders = median(spec, outcome, |node| node.behaviour == Behaviour::FreeRider);
    let givers = median(spec, outcome, |node| node.behaviour == Behaviour::Honest);
    complain(riders < givers.mul_f64(1.2), || {
        format!("free riders took {riders:.1?}, those who give {givers:.1?}")
    })
}

fn median(spec: &SwarmSpec, outcome: &Outcome, which: impl Fn(&NodeSpec) -> bool) -> Duration {
    let nodes = spec.nodes.iter().zip(&outcome.peers);
    let chosen = nodes.filter(|(node, _)| node.takes() && which(node));
    let mut times: Vec<_> = chosen.filter_map(|(_, peer)| peer.elapsed()).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The corrupt peer is banned by those whom it sent something, before it has spoilt much, and nobody else ever is.
pub(super) fn only_the_corrupt_is_banned(spec: &SwarmSpec, outcome: &Outcome) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, (node, peer)) in spec.nodes.iter().zip(&outcome.peers).enumerate() {
        if let Behaviour::Corrupt(_) = node.behaviour {
            complaints.extend(complain(peer.banned_by.is_empty(), || {
                format!("the corrupt peer {index} was never banned")
            }));
            let pieces = spec.geometry.piece_count();
            complaints.extend(complain(
                peer.most_spoilt > FEW_PIECES.max(pieces / 100),
                || {
                    let most = peer.most_spoilt;
                    format!("the corrupt peer {index} spoilt {most} pieces of one peer")
                },
            ));
        } else {
            complaints.extend(complain(!peer.banned_by.is_empty(), || {
                format!(
                    "peer {index} is innocent and was banned by {:?}",
                    peer.banned_by
                )
            }));
        }
    }
    complaints
}

/// Whoever plays hardly ever has to wait.
pub(super) fn playback_is_smooth(_: &SwarmSpec, outcome: &Outcome) -> Vec<String> {
    let playbacks = outcome.peers.iter().filter_map(|peer| peer.playback);
    let jerky = playbacks.filter(|playback| playback.stalled > Duration::from_secs(2));
    jerky
        .map(|playback| format!("playing was not smooth: {playback:?}"))
        .collect()
}

fn complain(is_wrong: bool, what: impl FnOnce() -> String) -> Vec<String> {
    if is_wrong { vec![what()] } else { Vec::new() }
}

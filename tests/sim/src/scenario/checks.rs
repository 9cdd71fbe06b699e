//! What must come of a scenario.

use std::time::Duration;

use crate::behaviour::Behaviour;
use crate::outcome::Outcome;
use crate::spec::{NodeSpec, SwarmSpec};

/// Pieces that a corrupt peer may spoil for one other peer: those that it had part in before the first one failed.
const FEW_PIECES: u32 = 5;
/// Copies that a seed may have sent when the last piece of the first one is out: it gives everybody something all the time.
const ONE_COPY: f64 = 1.1;
/// Time until a viewer sees something: strangers have to unchoke it, which they do every ten seconds.
const STARTUP: Duration = Duration::from_secs(20);
/// Time for which it may stand still after that.
const STALLED: Duration = Duration::from_secs(3);

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
    complain(riders < givers.mul_f64(1.1), || {
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
            complaints.extend(complain(peer.most_spoilt > FEW_PIECES, || {
                let most = peer.most_spoilt;
                format!("{most} pieces of one peer failed because of the corrupt peer {index}")
            }));
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

/// The seeds left when they had sent little more than everything once.
pub(super) fn one_copy_is_enough(_: &SwarmSpec, outcome: &Outcome) -> Vec<String> {
    let copies = outcome.seed_copies();
    complain(copies > ONE_COPY, || {
        format!("the seeds sent {copies:.2} copies before each piece was with somebody else")
    })
}

/// Whoever plays sees something soon, and then hardly has to wait.
pub(super) fn playback_is_smooth(_: &SwarmSpec, outcome: &Outcome) -> Vec<String> {
    let playbacks = outcome.peers.iter().filter_map(|peer| peer.playback);
    let jerky =
        playbacks.filter(|playback| playback.stalled > STALLED || playback.startup > STARTUP);
    jerky
        .map(|playback| format!("playing was not smooth: {playback:?}"))
        .collect()
}

fn complain(is_wrong: bool, what: impl FnOnce() -> String) -> Vec<String> {
    if is_wrong { vec![what()] } else { Vec::new() }
}

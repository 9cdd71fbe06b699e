//! Asking a tracker over IPv4 and IPv6 side by side.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::TrackerError;
use crate::types::AnnounceResponse;

/// Bounds of how long the slower family is waited for once the faster has answered.
const SHORTEST_GRACE: Duration = Duration::from_millis(200);
const LONGEST_GRACE: Duration = Duration::from_secs(3);

/// What both families say. Once one has answered, the other gets twice the time that this one took, so that
/// a family that leads nowhere costs little.
pub(super) async fn both<T>(
    v4: impl Future<Output = Result<T, TrackerError>>,
    v6: impl Future<Output = Result<T, TrackerError>>,
) -> Result<(T, Option<T>), TrackerError> {
    let begun = Instant::now();
    let (mut v4, mut v6) = (pin!(v4), pin!(v6));
    tokio::select! {
        first = &mut v4 => match first {
            Ok(first) => Ok((first, grace(begun, v6).await)),
            Err(error) => v6.await.map(only).map_err(|other| telling(error, other)),
        },
        first = &mut v6 => match first {
            Ok(first) => Ok((first, grace(begun, v4).await)),
            Err(error) => v4.await.map(only).map_err(|other| telling(other, error)),
        },
    }
}

/// What the first family says that says anything.
pub(super) async fn either<T>(
    v4: impl Future<Output = Result<T, TrackerError>>,
    v6: impl Future<Output = Result<T, TrackerError>>,
) -> Result<T, TrackerError> {
    let (mut v4, mut v6) = (pin!(v4), pin!(v6));
    tokio::select! {
        first = &mut v4 => match first {
            Ok(first) => Ok(first),
            Err(error) => v6.await.map_err(|other| telling(error, other)),
        },
        first = &mut v6 => match first {
            Ok(first) => Ok(first),
            Err(error) => v4.await.map_err(|other| telling(other, error)),
        },
    }
}

/// One answer out of two: the peers of both, the larger of the counts.
pub(super) fn merge(
    (mut first, second): (AnnounceResponse, Option<AnnounceResponse>),
) -> AnnounceResponse {
    let Some(second) = second else {
        return first;
    };
    first.interval = first.interval.max(second.interval);
    first.min_interval = first.min_interval.max(second.min_interval);
    first.complete = first.complete.max(second.complete);
    first.incomplete = first.incomplete.max(second.incomplete);
    first.downloaded = first.downloaded.max(second.downloaded);
    first.warning = first.warning.or(second.warning);
    first.tracker_id = first.tracker_id.or(second.tracker_id);
    first.external_ip = first.external_ip.or(second.external_ip);
    for peer in second.peers {
        if first.peers.len() < crate::MAX_PEERS {
            first.peers.push(peer);
        }
    }
    first.peers.sort_unstable();
    first.peers.dedup();
    first
}

async fn grace<T>(
    begun: Instant,
    other: impl Future<Output = Result<T, TrackerError>>,
) -> Option<T> {
    let grace = (begun.elapsed() * 2).clamp(SHORTEST_GRACE, LONGEST_GRACE);
    tokio::time::timeout(grace, other).await.ok()?.ok()
}

fn only<T>(answer: T) -> (T, Option<T>) {
    (answer, None)
}

/// The error that says more about the tracker.
fn telling(v4: TrackerError, v6: TrackerError) -> TrackerError {
    let refuses = matches!(v6, TrackerError::Failure(_)) && !matches!(v4, TrackerError::Failure(_));
    match v4 {
        TrackerError::NoAddress { .. } => v6,
        _ if refuses => v6,
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const GONE: TrackerError = TrackerError::Overloaded;

    #[tokio::test(start_paused = true)]
    async fn a_family_that_leads_nowhere_costs_little() {
        let begun = Instant::now();
        let answer = both(ready(Ok(1)), pending()).await.unwrap();
        assert_eq!(answer, (1, None));
        assert!(begun.elapsed() <= SHORTEST_GRACE + Duration::from_millis(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_slower_family_is_waited_for_when_the_faster_fails() {
        let slow = async {
            tokio::time::sleep(Duration::from_secs(50)).await;
            Ok(6)
        };
        assert_eq!(both(ready(Err(GONE)), slow).await.unwrap(), (6, None));
    }

    #[tokio::test(start_paused = true)]
    async fn both_families_count_when_both_answer() {
        let slower = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(4)
        };
        assert_eq!(both(slower, ready(Ok(6))).await.unwrap(), (6, Some(4)));
    }

    #[tokio::test]
    async fn a_refusal_tells_more_than_a_dead_family() {
        let nowhere = TrackerError::NoAddress { host: "t".into() };
        let error = both::<()>(ready(Err(nowhere)), ready(Err(GONE))).await;
        assert!(matches!(error, Err(TrackerError::Overloaded)));
    }

    #[test]
    fn merged_answers_hold_every_peer_once() {
        let (one, two) = (
            "1.2.3.4:5".parse().unwrap(),
            "[2001:db8::1]:5".parse().unwrap(),
        );
        let first = AnnounceResponse {
            peers: vec![two, one],
            complete: Some(3),
            ..Default::default()
        };
        let second = AnnounceResponse {
            peers: vec![two],
            complete: Some(5),
            ..Default::default()
        };
        let merged = merge((first, Some(second)));
        assert_eq!(merged.peers, [one, two]);
        assert_eq!(merged.complete, Some(5));
    }
}

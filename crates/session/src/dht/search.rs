//! Something that the DHT was asked for, and what it says.

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use headwater_dht::{Event, LookupId, LookupStats};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::{DhtError, Node};

/// A lookup under way. Dropped, it is called off.
#[derive(Debug)]
pub(super) struct Search {
    lookup: LookupId,
    node: Arc<Node>,
    events: mpsc::Receiver<Event>,
    deadline: Instant,
}

impl Search {
    pub(super) fn start(
        node: &Arc<Node>,
        patience: Duration,
        begin: impl FnOnce(
            &mut headwater_dht::Dht,
            std::time::Instant,
        ) -> Result<LookupId, headwater_dht::TooManyLookups>,
    ) -> Result<Self, DhtError> {
        let (lookup, events) = node.search(begin)?;
        Ok(Self {
            lookup,
            node: node.clone(),
            events,
            deadline: Instant::now() + patience,
        })
    }

    /// What it says next, the end of it included.
    pub(super) async fn next(&mut self) -> Result<Event, DhtError> {
        let next = timeout_at(self.deadline, self.events.recv()).await;
        next.map_err(|_| DhtError::TimedOut)?
            .ok_or(DhtError::Closed)
    }

    /// Has `take` look at what it says, up to the end.
    pub(super) async fn finish(
        mut self,
        mut take: impl FnMut(Event),
    ) -> Result<LookupStats, DhtError> {
        loop {
            match self.next().await? {
                Event::Done { stats, .. } => return Ok(stats),
                event => take(event),
            }
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.node.cancel(self.lookup);
    }
}

/// Peers of a torrent, as the DHT finds them: one by one with [`next`](Self::next), or all when it is awaited.
///
/// They are what nodes say, and may be anybody. Dropped, the search is called off.
#[derive(Debug)]
#[must_use = "it is called off when it is dropped"]
pub struct PeerSearch {
    search: Result<Search, DhtError>,
    found: VecDeque<SocketAddr>,
    stats: Option<LookupStats>,
}

impl PeerSearch {
    pub(super) fn new(search: Result<Search, DhtError>) -> Self {
        Self {
            search,
            found: VecDeque::new(),
            stats: None,
        }
    }

    /// The next peer, each told once; `None` at the end of the search, which is bounded in time. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<SocketAddr, DhtError>> {
        loop {
            if let Some(peer) = self.found.pop_front() {
                return Some(Ok(peer));
            }
            if self.stats.is_some() {
                return None;
            }
            if let Err(error) = self.step().await {
                self.stats = Some(LookupStats::default());
                return Some(Err(error));
            }
        }
    }

    /// What the search took, once it has come to its end.
    pub fn stats(&self) -> Option<LookupStats> {
        self.stats
    }

    async fn step(&mut self) -> Result<(), DhtError> {
        match &mut self.search {
            Err(error) => Err(error.clone()),
            Ok(search) => match search.next().await? {
                Event::Peers { peers, .. } => {
                    self.found.extend(peers);
                    Ok(())
                }
                Event::Done { stats, .. } if stats.answers == 0 => Err(DhtError::NoAnswer),
                Event::Done { stats, .. } => {
                    self.stats = Some(stats);
                    Ok(())
                }
                _ => Ok(()),
            },
        }
    }

    /// All of them; an error only if there are none.
    async fn all(mut self) -> Result<Vec<SocketAddr>, DhtError> {
        let mut peers = Vec::new();
        while let Some(peer) = self.next().await {
            match peer {
                Ok(peer) => peers.push(peer),
                Err(error) if peers.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(peers)
    }
}

impl IntoFuture for PeerSearch {
    type Output = Result<Vec<SocketAddr>, DhtError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.all())
    }
}

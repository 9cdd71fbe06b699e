//! From names of nodes to addresses, in the background: whatever cannot be resolved is tried again later.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use headwater_metainfo::HostPort;

use super::Node;

/// Who is asked for the first nodes.
#[derive(Debug, Clone)]
pub(crate) enum Beginning {
    /// Those that are there for beginners, but only if the nodes of an earlier run are not enough. They are no nodes like others.
    Routers(Vec<HostPort>),
    /// Ordinary nodes, which the user has named.
    Nodes(Vec<HostPort>),
}

/// What nodes of an earlier run have to become enough, before routers are asked.
const HEAD_START: Duration = Duration::from_secs(5);
/// How long a name may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time before they are tried again, and twice as long each time after that.
const RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_mins(15);
/// Time between looks at a node that knows enough others.
const LOOK: Duration = Duration::from_mins(1);
/// Addresses at most that are taken of one name.
const MAX_ADDRESSES: usize = 8;

/// Helps the node whenever it knows few others.
pub(super) async fn run(node: &Node, beginning: &Beginning, knows_others: bool) {
    let (Beginning::Routers(names) | Beginning::Nodes(names)) = beginning;
    if names.is_empty() {
        return;
    }
    if knows_others && matches!(beginning, Beginning::Routers(_)) {
        tokio::time::sleep(HEAD_START).await;
    }
    let mut retry = RETRY;
    loop {
        if node.is_settled() {
            retry = RETRY;
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let addresses = resolve(names).await;
        if addresses.is_empty() {
            tracing::warn!("no node of the DHT to begin with has an address; it is tried again");
        }
        match beginning {
            Beginning::Routers(_) => node.add_routers(addresses),
            Beginning::Nodes(_) => node.add_nodes(addresses),
        }
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(LONGEST_RETRY);
    }
}

/// The addresses behind some names, all asked for at a time.
pub(crate) async fn resolve(names: &[HostPort]) -> Vec<SocketAddr> {
    let resolved = join_all(names.iter().map(resolve_one)).await;
    resolved.into_iter().flatten().collect()
}

async fn resolve_one(name: &HostPort) -> Vec<SocketAddr> {
    let looking = tokio::net::lookup_host((name.host(), name.port()));
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(addresses)) => addresses.take(MAX_ADDRESSES).collect(),
        Ok(Err(error)) => {
            tracing::debug!(%name, %error, "cannot resolve a node of the DHT");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

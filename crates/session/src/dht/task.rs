//! The task that keeps the node's time, helps it to find nodes, and keeps what it knows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Node;
use super::bootstrap::{self, Beginning};
use super::keep::Keeper;

/// Time between two saves.
const SAVE: Duration = Duration::from_mins(10);
/// What saving at the end may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// See the [module](self).
pub(crate) struct Task {
    pub(crate) node: Arc<Node>,
    pub(crate) beginning: Beginning,
    pub(crate) keeper: Keeper,
    pub(crate) closing: CancellationToken,
}

impl Task {
    /// Starts it; the receiver closes when it has ended.
    pub(crate) fn start(self) -> watch::Receiver<()> {
        let (is_running, closed) = watch::channel(());
        tokio::spawn(async move {
            self.run().await;
            drop(is_running);
        });
        closed
    }

    async fn run(self) {
        tokio::select! {
            () = self.work() => {}
            () = self.closing.cancelled() => {}
        }
        let state = self.node.kept();
        self.node.end();
        if let Some(state) = state {
            let saved = tokio::time::timeout(GOODBYE, self.keeper.save(state)).await;
            if saved.is_err() {
                tracing::warn!("the nodes of the DHT were not saved in time");
            }
        }
    }

    async fn work(&self) {
        while !self.node.has_begun() {
            self.node.changed().await;
        }
        // They have to answer before a lookup begins with them.
        self.node.add_nodes(self.keeper.nodes());
        let knows_others = self.keeper.nodes().next().is_some();
        let bootstrap = bootstrap::run(&self.node, &self.beginning, knows_others);
        tokio::join!(self.keep_time(), bootstrap, self.save_regularly());
    }

    async fn keep_time(&self) {
        loop {
            let due = self.node.tick();
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {}
                () = self.node.changed() => {}
            }
        }
    }

    async fn save_regularly(&self) {
        loop {
            tokio::time::sleep(SAVE).await;
            if let Some(state) = self.node.kept() {
                self.keeper.save(state).await;
            }
        }
    }
}

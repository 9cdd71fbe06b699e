//! How the DHT is reached.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use headwater_session::dht::DhtHandle;
use headwater_session::{ResumePolicy, Session, SessionBuilder, default_state_dir};

use crate::args::Entrance;
use crate::exit::Result;
use crate::transfer::session_failure;
use crate::units;

/// See the [module](self).
#[derive(Debug, Args)]
#[command(next_help_heading = "Network options")]
pub(super) struct Options {
    /// Use this UDP port; 0 lets the system choose
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Use this address of the machine only; repeatable
    #[arg(long, value_name = "ADDR")]
    bind: Vec<IpAddr>,
    /// Give up after so long
    #[arg(long, value_name = "SEC", default_value = "60", value_parser = units::parse_seconds)]
    timeout: Duration,
}

impl Options {
    /// A node that knows its way around.
    pub(super) async fn enter(&self, entrance: &Entrance) -> Result<Node> {
        let mut builder = entrance.lead(self.builder());
        if let Some(folder) = default_state_dir() {
            builder = builder.resume_policy(ResumePolicy::Folder(folder));
        }
        self.start(builder).await
    }

    /// A node that knows nobody.
    pub(super) async fn stay_outside(&self) -> Result<Node> {
        self.start(self.builder().dht_bootstrap([])).await
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    async fn start(&self, builder: SessionBuilder) -> Result<Node> {
        let session = builder.start().await;
        let session = session.map_err(|error| session_failure(&error))?;
        let dht = session.dht().timeout(self.timeout);
        Ok(Node { dht, session })
    }

    fn builder(&self) -> SessionBuilder {
        let builder = Session::builder().port(self.port).lsd(false);
        let builder = builder.dht_read_only(true).needs_udp(true);
        self.bind
            .iter()
            .copied()
            .fold(builder, SessionBuilder::bind)
    }
}

/// A node for one question.
pub(super) struct Node {
    pub(super) dht: DhtHandle,
    session: Session,
}

impl Node {
    /// Keeps what it has learnt.
    pub(super) async fn leave(self) {
        self.session.shutdown().await;
    }
}

//! `headwater dht ping`.

use clap::Args;
use headwater_metainfo::HostPort;

use super::failure;
use super::options::Options;
use crate::exit::{Code, Failure, Result};
use crate::output::{Event, Output, printable};

/// Ask a node whether it is there
#[derive(Debug, Args)]
pub(super) struct Ping {
    /// The node: an IP address or a name, and its UDP port
    #[arg(value_name = "ADDR:PORT")]
    node: HostPort,
    #[command(flatten)]
    options: Options,
}

impl Ping {
    pub(super) async fn run(self, output: &Output) -> Result {
        let address = self.resolve().await?;
        let node = self.options.stay_outside().await?;
        let pong = node.dht.ping(address).await;
        node.leave().await;
        let pong = pong.map_err(|error| match error {
            headwater_session::dht::DhtError::NoAnswer => {
                Failure::new(Code::TimedOut, format_args!("{address} does not answer"))
            }
            error => failure(&error),
        })?;
        let (id, elapsed_ms) = (pong.node.id.to_string(), pong.after.as_millis() as u64);
        output.line(format_args!("{id} at {address}, {elapsed_ms} ms"));
        output.event(&Event::Pong {
            address,
            id,
            elapsed_ms,
        });
        Ok(())
    }

    async fn resolve(&self) -> Result<std::net::SocketAddr> {
        let name = printable(self.node.host());
        let looking = tokio::net::lookup_host((self.node.host(), self.node.port()));
        let found = tokio::time::timeout(self.options.timeout(), looking).await;
        let late = || {
            Failure::new(
                Code::TimedOut,
                format_args!("cannot resolve {name} in time"),
            )
        };
        let mut found = found
            .map_err(|_| late())?
            .map_err(|error| Failure::io(format_args!("cannot resolve {name}"), &error))?;
        found
            .next()
            .ok_or_else(|| Failure::failed(format_args!("{name} has no address")))
    }
}

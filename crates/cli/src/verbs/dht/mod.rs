//! `headwater dht`: single questions to the distributed hash table.

mod find;
mod get;
mod item;
mod options;
mod ping;
mod put;

use clap::{Args, Subcommand};
use headwater_session::dht::DhtError;

use crate::exit::{Code, Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::Output;

/// Ask the distributed hash table (DHT): find peers, fetch and store small items
///
/// It asks and does not answer others, and leaves again when it has its answer. Nodes that it gets to know are kept for the
/// next time, in the user's state folder.
#[derive(Debug, Args)]
pub(crate) struct Dht {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    Ping(ping::Ping),
    Find(find::Find),
    Get(get::Get),
    Put(put::Put),
}

impl Dht {
    pub(crate) async fn run(self, output: &Output, interrupt: Interrupt) -> Result {
        let asking = async {
            match self.question {
                Question::Ping(ping) => ping.run(output).await,
                Question::Find(find) => find.run(output).await,
                Question::Get(get) => get.run(output).await,
                Question::Put(put) => put.run(output).await,
            }
        };
        tokio::select! {
            outcome = asking => outcome,
            () = interrupt.requested() => Err(Failure::interrupted()),
        }
    }
}

/// The DHT's errors in words for the user.
fn failure(error: &DhtError) -> Failure {
    match error {
        DhtError::TimedOut => Failure::new(
            Code::TimedOut,
            "no answer in time; check the network, or give it longer with --timeout",
        ),
        DhtError::NoAnswer => Failure::new(
            Code::TimedOut,
            "no node of the DHT answered; check the network, or name a node with --dht-bootstrap",
        ),
        DhtError::PortInUse(address) => Failure::failed(format_args!(
            "cannot use {address}: the UDP port is in use; choose another with --port"
        )),
        other => Failure::failed(other),
    }
}

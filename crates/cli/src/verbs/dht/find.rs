//! `headwater dht find`.

use clap::Args;
use headwater_session::InfoHash;
use headwater_session::dht::PeerSearch;

use super::failure;
use super::options::Options;
use crate::args::Entrance;
use crate::exit::{Code, Failure, Result};
use crate::output::{Event, Output};

/// Find the peers of a torrent
///
/// Prints each as it is found. They are what nodes say: nobody has tried to connect to them.
#[derive(Debug, Args)]
pub(super) struct Find {
    /// The torrent's info-hash: 40 hexadecimal or 32 base32 digits
    #[arg(value_name = "HASH")]
    info_hash: InfoHash,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    entrance: Entrance,
}

impl Find {
    pub(super) async fn run(self, output: &Output) -> Result {
        let node = self.options.enter(&self.entrance).await?;
        let mut search = node.dht.get_peers(self.info_hash);
        let outcome = tell(&mut search, output).await;
        drop(search);
        node.leave().await;
        outcome
    }
}

async fn tell(search: &mut PeerSearch, output: &Output) -> Result {
    let mut peers = 0;
    while let Some(peer) = search.next().await {
        match peer {
            Ok(address) => {
                peers += 1;
                output.line(address);
                output.event(&Event::Peer { address });
            }
            // What was found until then is something.
            Err(_) if peers > 0 => {}
            Err(error) => return Err(failure(&error)),
        }
    }
    let nodes = search.stats().map_or(0, |stats| stats.answers);
    output.event(&Event::Found { peers, nodes });
    if peers == 0 {
        let message = format!("none of the {nodes} nodes that answered knows a peer");
        return Err(Failure::new(Code::TimedOut, message));
    }
    Ok(())
}

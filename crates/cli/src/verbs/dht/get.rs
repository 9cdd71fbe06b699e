//! `headwater dht get`.

use clap::Args;
use headwater_session::dht::{DhtError, Item, NodeId, PublicKey, Salt};

use super::failure;
use super::item::{hex, parse_key, parse_salt, parse_target, string};
use super::options::{Node, Options};
use crate::args::Entrance;
use crate::exit::{Code, Failure, Result};
use crate::output::{Event, Output};

/// Fetch an item
///
/// An immutable item is named by its TARGET, and is what it was when it was stored. A mutable item is named by its owner's --key; the
/// newest version that nodes have is printed. A string is printed as it is, any other value in its bencoded form.
#[derive(Debug, Args)]
pub(super) struct Get {
    /// Where an immutable item is stored, as `put` has printed it
    #[arg(
        value_name = "TARGET",
        value_parser = parse_target,
        required_unless_present = "key",
        conflicts_with = "key"
    )]
    target: Option<NodeId>,
    /// The public key of a mutable item's owner
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    key: Option<PublicKey>,
    /// Which of the owner's items
    #[arg(long, value_name = "SALT", value_parser = parse_salt, requires = "key")]
    salt: Option<Salt>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    entrance: Entrance,
}

impl Get {
    pub(super) async fn run(self, output: &Output) -> Result {
        let node = self.options.enter(&self.entrance).await?;
        let found = self.fetch(&node).await;
        node.leave().await;
        let found = found.map_err(|error| failure(&error))?;
        let missing = || {
            let message = "none of the nodes that answered has the item";
            Failure::new(Code::TimedOut, message)
        };
        tell(&found.ok_or_else(missing)?, output);
        Ok(())
    }

    async fn fetch(&self, node: &Node) -> Result<Option<Item>, DhtError> {
        let salt = self.salt.clone().unwrap_or_default();
        Ok(match (&self.target, &self.key) {
            (Some(target), _) => node.dht.get(*target).await?.map(Item::Immutable),
            (None, Some(key)) => node.dht.get_mutable(key, salt).await?.map(Item::Mutable),
            (None, None) => unreachable!("one of the two is required"),
        })
    }
}

fn tell(item: &Item, output: &Output) {
    let value = item.value();
    let version = match item {
        Item::Immutable(_) => None,
        Item::Mutable(item) => Some(item),
    };
    let shown = string(value);
    output.event(&Event::Item {
        target: item.target().to_string(),
        text: shown.and_then(|bytes| str::from_utf8(bytes).ok()),
        bencoded: hex(value.as_bytes()),
        key: version.map(|item| item.key.to_string()),
        seq: version.map(|item| item.seq),
    });
    if !output.is_json() {
        output.bytes(shown.unwrap_or(value.as_bytes()));
    }
}

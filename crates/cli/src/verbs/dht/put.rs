//! `headwater dht put`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use headwater_session::dht::{DhtError, KeyPair, MutableItem, PublicKey, Salt, Stored, Value};

use super::failure;
use super::item::{parse_32, parse_salt};
use super::options::{Node, Options};
use crate::args::Entrance;
use crate::exit::{Failure, Result};
use crate::output::{Event, Output};
use crate::source::shown;

/// Bytes at most that a value may have, and one to tell that there were more.
const MAX_INPUT: u64 = 1_001;
/// Attempts to put a version in place of the newest one, when others do the same.
const ATTEMPTS: usize = 3;

/// Store an item of up to about 1,000 bytes
///
/// Nodes keep it for about two hours. Without --secret-key, anybody who knows the printed TARGET can fetch it, and nobody can change it.
/// With it, the item can be replaced by whoever has that key, and is named by the key's public half, which is printed.
#[derive(Debug, Args)]
pub(super) struct Put {
    /// What is to be stored; - is standard input
    file: PathBuf,
    /// FILE is one bencoded value; otherwise its bytes are stored as a string
    #[arg(long)]
    bencoded: bool,
    /// The file with the secret key: 64 random hexadecimal digits, such as `openssl rand -hex 32` makes
    #[arg(long, value_name = "FILE")]
    secret_key: Option<PathBuf>,
    /// Which of the owner's items
    #[arg(long, value_name = "SALT", value_parser = parse_salt, requires = "secret_key")]
    salt: Option<Salt>,
    /// The version's number [default: one more than that of the newest version]
    #[arg(
        long,
        value_name = "N",
        requires = "secret_key",
        allow_negative_numbers = true
    )]
    seq: Option<i64>,
    /// Store it only in place of the version with this number
    #[arg(
        long,
        value_name = "N",
        requires = "secret_key",
        allow_negative_numbers = true
    )]
    cas: Option<i64>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    entrance: Entrance,
}

/// An item that was stored.
struct Kept {
    stored: Stored,
    /// Of a mutable item: whose it is, and its number.
    version: Option<(PublicKey, i64)>,
}

impl Put {
    pub(super) async fn run(self, output: &Output) -> Result {
        let value = self.value()?;
        let keys = self.secret_key.as_deref().map(read_key).transpose()?;
        let node = self.options.enter(&self.entrance).await?;
        let kept = match &keys {
            None => put_immutable(&node, value).await,
            Some(keys) => self.put_mutable(&node, keys, value).await,
        };
        node.leave().await;
        kept.map_err(|error| failure(&error))?.tell(output);
        Ok(())
    }

    fn value(&self) -> Result<Value> {
        let bytes = read(&self.file).map_err(|error| {
            Failure::io(format_args!("cannot read {}", shown(&self.file)), &error)
        })?;
        let value = if self.bencoded {
            Value::new(&bytes)
        } else {
            Value::text(&bytes)
        };
        value.map_err(|error| {
            Failure::failed(format_args!("cannot store {}: {error}", shown(&self.file)))
        })
    }

    async fn put_mutable(
        &self,
        node: &Node,
        keys: &KeyPair,
        value: Value,
    ) -> Result<Kept, DhtError> {
        let salt = self.salt.clone().unwrap_or_default();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let seq = match self.seq {
                Some(seq) => seq,
                None => next_version(node, keys, salt.clone()).await?,
            };
            let item = MutableItem::sign(keys, salt.clone(), seq, value.clone());
            match node.dht.put_mutable(item, self.cas).await {
                Ok(stored) => {
                    let version = Some((keys.public(), seq));
                    return Ok(Kept { stored, version });
                }
                // Somebody else was quicker.
                Err(DhtError::Refused { .. }) if self.may_try_again(attempt) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn may_try_again(&self, attempt: usize) -> bool {
        self.seq.is_none() && self.cas.is_none() && attempt < ATTEMPTS
    }
}

async fn put_immutable(node: &Node, value: Value) -> Result<Kept, DhtError> {
    let stored = node.dht.put(value).await?;
    let version = None;
    Ok(Kept { stored, version })
}

async fn next_version(node: &Node, keys: &KeyPair, salt: Salt) -> Result<i64, DhtError> {
    let newest = node.dht.get_mutable(&keys.public(), salt).await?;
    Ok(newest.map_or(1, |newest| newest.seq.saturating_add(1)))
}

impl Kept {
    fn tell(self, output: &Output) {
        let Stored { target, nodes, .. } = self.stored;
        match self.version {
            Some((key, seq)) => output.line(format_args!("{key} {seq}")),
            None => output.line(target),
        }
        output.note(format_args!("stored with {nodes} nodes"));
        output.event(&Event::Stored {
            target: target.to_string(),
            nodes,
            key: self.version.map(|(key, _)| key.to_string()),
            seq: self.version.map(|(_, seq)| seq),
        });
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().take(MAX_INPUT).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(MAX_INPUT).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn read_key(path: &Path) -> Result<KeyPair> {
    let bytes = read(path)
        .map_err(|error| Failure::io(format_args!("cannot read {}", shown(path)), &error))?;
    let seed = str::from_utf8(&bytes)
        .ok()
        .map(|text| parse_32(text.trim()));
    match seed {
        Some(Ok(seed)) => Ok(KeyPair::from_seed(&seed)),
        _ => Err(Failure::failed(format_args!(
            "{} is no secret key: expected 64 hexadecimal digits, as `openssl rand -hex 32` prints them",
            shown(path)
        ))),
    }
}

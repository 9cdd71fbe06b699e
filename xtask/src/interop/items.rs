//! Questions to the DHT, each by a process of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use headwater_session::dht::KeyPair;

use super::clients::{ClientKind, Installed, Job};
use super::plan::Mutability;

/// Tells the items of one key apart.
const SALT: &str = "interop";

/// What is put.
pub(crate) struct Item {
    pub(crate) text: String,
    /// From which the owner's keys are made, if it has an owner.
    seed: Option<[u8; 32]>,
}

impl Item {
    pub(crate) fn new(kind: Mutability, number: usize) -> Self {
        Self {
            text: format!("words of case {number}"),
            seed: match kind {
                Mutability::Immutable => None,
                Mutability::Mutable => Some([0x5a; 32]),
            },
        }
    }

    fn key(&self) -> Option<String> {
        let seed = self.seed.as_ref()?;
        Some(KeyPair::from_seed(seed).public().to_string())
    }
}

/// Whether somebody is found who has a torrent.
pub(crate) fn find(headwater: &Path, node: SocketAddr, info_hash: &str) -> anyhow::Result<String> {
    output(own(headwater, node, &["find", info_hash]))
}

/// Puts an item, and gives where it is if it is immutable.
pub(crate) fn put(
    by: ClientKind,
    installed: &Installed,
    node: SocketAddr,
    item: &Item,
    place: &Job,
) -> anyhow::Result<String> {
    let program = installed.require(by.program())?;
    let command = if by == ClientKind::Libtorrent {
        libtorrent_put(program, node, item)
    } else {
        own_put(program, node, item, place)?
    };
    Ok(output(command)?.trim().to_owned())
}

fn libtorrent_put(python: &Path, node: SocketAddr, item: &Item) -> Command {
    let mut command = libtorrent(python, node, &["put", &item.text]);
    if let (Some(seed), Some(key)) = (&item.seed, item.key()) {
        command.args(["--seed", &hex(seed), "--key", &key, "--salt", SALT]);
    }
    command
}

fn own_put(program: &Path, node: SocketAddr, item: &Item, place: &Job) -> anyhow::Result<Command> {
    let mut command = own(program, node, &["put"]);
    command.arg(write(place, "item", &item.text)?);
    if let Some(seed) = &item.seed {
        let key = write(place, "key", &hex(seed))?;
        command.arg("--secret-key").arg(key).args(["--salt", SALT]);
    }
    Ok(command)
}

fn write(place: &Job, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let file = place.state.join(name);
    fs::write(&file, text)?;
    Ok(file)
}

/// Gets it.
pub(crate) fn get(
    by: ClientKind,
    installed: &Installed,
    node: SocketAddr,
    item: &Item,
    target: &str,
) -> anyhow::Result<String> {
    let program = installed.require(by.program())?;
    let key = item.key();
    let what = match &key {
        Some(key) => vec!["get", "--key", key, "--salt", SALT],
        None => vec!["get", target],
    };
    output(match by {
        ClientKind::Libtorrent => libtorrent(program, node, &what),
        _ => own(program, node, &what),
    })
}

fn own(program: &Path, node: SocketAddr, what: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("dht").args(what);
    command.args(["--bind", "127.0.0.1", "--timeout", "20"]);
    command.args(["--dht-bootstrap", &node.to_string()]);
    command
}

fn libtorrent(python: &Path, node: SocketAddr, what: &[&str]) -> Command {
    let driver = crate::workspace_root().join("xtask/src/interop/clients/libtorrent_dht.py");
    let mut command = Command::new(python);
    command.arg(driver).args(what);
    command.args(["--node", &node.to_string()]);
    command
}

/// What a program prints. It ends by itself: it has been told how long to wait.
fn output(mut command: Command) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    command.env("XDG_STATE_HOME", folder.path());
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn hex(seed: &[u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(seed)
}

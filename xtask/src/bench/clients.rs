//! The clients that transfer, started as a user would start them.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::libtorrent;
use super::usage::{Guard, Usage, measured};
use crate::fluid;
use crate::processor;
use crate::rate::Rate;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Headwater,
    Libtorrent,
}

impl Client {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Headwater => "headwater",
            Self::Libtorrent => "libtorrent",
        }
    }
}

/// How a seed is set; by default as its makers set it.
#[derive(Clone, Copy, Default)]
pub(super) struct Settings {
    /// What it may send, the headers of packets included.
    pub(super) max_up: Option<Rate>,
    /// Set as is best for a lone seed, if it has to be told.
    pub(super) best: bool,
}

/// Where the two of them are.
pub(super) struct Programs<'a> {
    pub(super) headwater: &'a Path,
    pub(super) python: &'a Path,
}

/// Downloads `torrent` from the peer at `address`; ends when every byte is verified.
pub(super) fn download(
    client: Client,
    programs: &Programs<'_>,
    torrent: &Path,
    target: &Path,
    address: SocketAddr,
) -> anyhow::Result<Usage> {
    let address = address.to_string();
    match client {
        Client::Headwater => {
            let mut command = Command::new(programs.headwater);
            command.args(["-q", "download"]).arg(torrent);
            command.arg("-d").arg(target);
            command.args([
                "--no-trackers",
                "--bind",
                "127.0.0.1",
                "--port",
                "0",
                "--peer",
                &address,
            ]);
            measured(&mut command)
        }
        Client::Libtorrent => {
            let mut command = libtorrent::command(programs.python, "download");
            command.arg(torrent).arg(target).arg(&address);
            libtorrent::measured(&mut command)
        }
    }
}

/// A seed that runs until it is dropped.
pub(super) struct Seed {
    child: Guard,
    address: SocketAddr,
}

impl Seed {
    pub(super) fn start(
        client: Client,
        programs: &Programs<'_>,
        torrent: &Path,
        folder: &Path,
        settings: Settings,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let port = address.port().to_string();
        let (mut command, sign) = match client {
            Client::Libtorrent => {
                let mut command = libtorrent::command(programs.python, "seed");
                command.arg(torrent).arg(folder).arg(&port);
                if let Some(rate) = settings.max_up {
                    command.arg(rate.bytes_per_second().to_string());
                }
                command.args(settings.best.then_some("best"));
                (command, "ready")
            }
            Client::Headwater => {
                let mut command = Command::new(programs.headwater);
                command
                    .arg("--json")
                    .arg("seed")
                    .arg(torrent)
                    .arg("-d")
                    .arg(folder);
                command.args([
                    "--trust",
                    "--no-trackers",
                    "--bind",
                    "127.0.0.1",
                    "--port",
                    &port,
                ]);
                // Our limit does not count headers, libtorrent's does.
                if let Some(rate) = settings.max_up.map(fluid::without_headers) {
                    command.args(["--max-up", &rate.bytes_per_second().to_string()]);
                }
                (command, "listening")
            }
        };
        let mut child = Guard(command.stdout(Stdio::piped()).spawn()?);
        let mut lines = BufReader::new(child.0.stdout.take().context("stdout is piped")?).lines();
        match lines.next() {
            Some(Ok(line)) if line.contains(sign) => {}
            other => bail!("the {} seed said {other:?}", client.name()),
        }
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Processor time that it has used so far.
    pub(super) fn processor_time(&self) -> anyhow::Result<Duration> {
        processor::time_of(self.child.0.id())
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

//! The programs that take part, behind one interface.

mod aria2;
mod headwater;
mod installed;
mod libtorrent;
pub(crate) mod transmission;

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::ValueEnum;

pub(crate) use self::installed::{Installed, Program};
use super::content::Shape;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientKind {
    Headwater,
    Transmission,
    Aria2,
    Libtorrent,
}

impl ClientKind {
    /// Those that nobody here wrote.
    pub(crate) const FOREIGN: [Self; 3] = [Self::Transmission, Self::Aria2, Self::Libtorrent];

    /// Whether it can be told the address of a peer.
    pub(crate) const fn can_dial(self) -> bool {
        matches!(self, Self::Headwater | Self::Libtorrent)
    }

    /// Whether it connects to peers on loopback that a tracker tells. Transmission takes such addresses for wrong ones;
    /// it only accepts.
    pub(crate) const fn dials_announced(self) -> bool {
        !matches!(self, Self::Transmission)
    }

    /// Whether it makes the files of a torrent that are empty. Transmission leaves them out.
    pub(crate) const fn makes_empty_files(self) -> bool {
        !matches!(self, Self::Transmission)
    }

    pub(crate) const fn program(self) -> Program {
        match self {
            Self::Headwater => Program::Headwater,
            Self::Transmission => Program::Transmission,
            Self::Aria2 => Program::Aria2,
            Self::Libtorrent => Program::Python,
        }
    }

    /// Starts it on a job; it may take a while until it is ready.
    pub(crate) fn start(self, job: Job, installed: &Installed) -> anyhow::Result<Box<dyn Client>> {
        let program = installed.require(self.program())?;
        Ok(match self {
            Self::Headwater => Box::new(headwater::Headwater::start(job, program)?),
            Self::Transmission => Box::new(transmission::Transmission::start(job, program)?),
            Self::Aria2 => Box::new(aria2::Aria2::start(job, program)?),
            Self::Libtorrent => Box::new(libtorrent::Libtorrent::start(job, program)?),
        })
    }
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Headwater => "headwater",
            Self::Transmission => "transmission",
            Self::Aria2 => "aria2",
            Self::Libtorrent => "libtorrent",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Seed,
    Leech,
}

/// How peers find each other beside trackers and being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Peer exchange.
    Pex,
    /// Local discovery.
    Lsd,
    /// The DHT.
    Dht,
}

impl Finding {
    /// As every client's output names it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pex => "pex",
            Self::Lsd => "lsd",
            Self::Dht => "dht",
        }
    }
}

/// What a client is to do.
pub(crate) struct Job {
    pub(crate) role: Role,
    /// Its own folder, for its settings and log.
    pub(crate) state: PathBuf,
    /// The folder in which the content lies or will lie.
    pub(crate) data: PathBuf,
    /// A magnet link, for a leech that is to know nothing else.
    pub(crate) link: Option<String>,
    /// The peer to connect to, if it is to dial.
    pub(crate) dial: Option<SocketAddr>,
    /// Where it listens.
    pub(crate) ip: IpAddr,
    /// How it may find others by itself.
    pub(crate) finding: Option<Finding>,
    /// The node through which it enters the DHT; without one, it waits for others.
    pub(crate) node: Option<SocketAddr>,
    /// KiB a second at most that it receives.
    pub(crate) max_down: Option<u32>,
    /// The file that a leech does not want, counted from 0.
    pub(crate) skip: Option<usize>,
    /// Files of the torrent.
    files: usize,
}

impl Job {
    pub(crate) fn new(role: Role, state: PathBuf, data: PathBuf, shape: Shape) -> Self {
        let skip = shape.skipped().filter(|_| role == Role::Leech);
        let files = shape.files().len();
        Self {
            role,
            state,
            data,
            link: None,
            dial: None,
            ip: Ipv4Addr::LOCALHOST.into(),
            finding: None,
            node: None,
            max_down: None,
            skip,
            files,
        }
    }

    /// Seeding whatever is in `data`.
    pub(crate) fn seeding(state: PathBuf, data: PathBuf) -> Self {
        Self {
            role: Role::Seed,
            state,
            data,
            link: None,
            dial: None,
            ip: Ipv4Addr::LOCALHOST.into(),
            finding: None,
            node: None,
            max_down: None,
            skip: None,
            files: 0,
        }
    }

    /// The files that a leech wants, as in `1,3`, if it does not want all.
    pub(crate) fn wanted(&self) -> Option<String> {
        let skip = self.skip?;
        let wanted = (0..self.files).filter(|&file| file != skip);
        let wanted: Vec<_> = wanted.map(|file| (file + 1).to_string()).collect();
        Some(wanted.join(","))
    }

    pub(crate) fn torrent(&self) -> PathBuf {
        self.state.join("x.torrent")
    }

    /// What it is told to transfer: the torrent's path, or a magnet link.
    pub(crate) fn source(&self) -> OsString {
        match &self.link {
            Some(link) => link.into(),
            None => self.torrent().into(),
        }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.state.join("log")
    }
}

/// A running client. Dropping it ends it.
pub(crate) trait Client {
    fn job(&self) -> &Job;

    /// The port at which it accepts peers.
    fn port(&self) -> u16;

    /// Whether it accepts peers, and as a seed has checked its data. An error if it has ended.
    fn is_ready(&mut self) -> anyhow::Result<bool>;

    /// Whether it has everything that it wants. An error if it has failed.
    fn is_done(&mut self) -> anyhow::Result<bool>;

    /// An error if it has ended.
    fn must_run(&mut self) -> anyhow::Result<()>;

    /// Everything that it has printed.
    fn output(&self) -> String;

    /// Whether it has met somebody whom it had found in this way, as far as it tells.
    fn has_found(&self, _finding: Finding) -> bool {
        false
    }
}

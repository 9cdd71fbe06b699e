//! The trackers through which peers find each other.

use std::fmt::{self, Write};
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use headwater_metainfo::InfoHash;

use super::case::Case;
use super::clients::{Installed, Program, Role};
use super::{http, ports};
use crate::interop::process::{Process, wait_until};

/// How long a tracker may take to listen.
const START: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrackerKind {
    Opentracker,
    Headwater,
}

impl fmt::Display for TrackerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opentracker => "opentracker",
            Self::Headwater => "headwater tracker",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Udp,
}

/// A tracker on loopback, with HTTP and UDP at the same port.
pub(crate) struct Tracker {
    port: u16,
    _process: Process,
}

impl Tracker {
    /// What goes into a torrent.
    pub(crate) fn url(&self, scheme: Scheme) -> String {
        let port = self.port;
        match scheme {
            Scheme::Http => format!("http://127.0.0.1:{port}/announce"),
            Scheme::Udp => format!("udp://127.0.0.1:{port}/announce"),
        }
    }

    /// Whether it knows a peer of this role, by its scrape of the torrent.
    pub(crate) fn knows(&self, role: Role, info_hash: InfoHash) -> anyhow::Result<bool> {
        let hash = percent_encode(info_hash.as_bytes());
        let answer = http::get(self.port, &format!("/scrape?info_hash={hash}"))?;
        let key = match role {
            Role::Seed => "8:completei",
            Role::Leech => "10:incompletei",
        };
        Ok(number_after(key, &answer.body).is_some_and(|count| count > 0))
    }
}

/// Every byte escaped.
fn percent_encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02x}");
        text
    })
}

/// The number that follows `key`, which is in a scrape of one torrent only once.
fn number_after(key: &str, body: &[u8]) -> Option<u64> {
    let mut places = body.windows(key.len());
    let start = key.len() + places.position(|place| place == key.as_bytes())?;
    let digits = body[start..].split(|&byte| byte == b'e').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The trackers of one run, shared by all its cases. One that is not installed is not there.
pub(crate) struct Trackers {
    opentracker: Option<Tracker>,
    headwater: Option<Tracker>,
}

impl Trackers {
    /// Starts every tracker that is installed, for the torrents of `cases`.
    pub(crate) fn start(
        installed: &Installed,
        folder: &Path,
        cases: &[Case],
    ) -> anyhow::Result<Self> {
        let is_needed = |kind| {
            let mut trackers = cases.iter().filter_map(|case| case.plan.via.tracker());
            trackers.any(|(each, _)| each == kind)
        };
        let opentracker = installed.program(Program::Opentracker);
        let opentracker = opentracker.filter(|_| is_needed(TrackerKind::Opentracker));
        let headwater = installed.program(Program::Headwater);
        let headwater = headwater.filter(|_| is_needed(TrackerKind::Headwater));
        Ok(Self {
            opentracker: opentracker
                .map(|_| opentracker_for(folder, cases))
                .transpose()?,
            headwater: headwater
                .map(|path| headwater_tracker(path, folder))
                .transpose()?,
        })
    }

    /// The tracker of this kind.
    pub(crate) fn get(&self, kind: TrackerKind) -> Option<&Tracker> {
        match kind {
            TrackerKind::Opentracker => self.opentracker.as_ref(),
            TrackerKind::Headwater => self.headwater.as_ref(),
        }
    }
}

/// Debian builds opentracker so that it serves only torrents of a list. Started by root, it locks itself into its folder
/// and becomes somebody who needs a readable one.
fn opentracker_for(folder: &Path, cases: &[Case]) -> anyhow::Result<Tracker> {
    let folder = folder.join("opentracker");
    fs::create_dir(&folder)?;
    let hashes: Vec<_> = cases
        .iter()
        .map(|case| case.info_hash.to_string())
        .collect();
    fs::write(folder.join("whitelist"), hashes.join("\n") + "\n")?;
    let port = ports::free()?;
    let mut command = Command::new(Program::Opentracker.name());
    command.args([
        "-i",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "-P",
        &port.to_string(),
    ]);
    command.arg("-d").arg(&folder).args(["-w", "whitelist"]);
    listening(Process::start(&mut command, folder.join("log"))?, port)
}

fn headwater_tracker(program: &Path, folder: &Path) -> anyhow::Result<Tracker> {
    let port = ports::free()?;
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(program);
    command.args(["tracker", "--http", &address, "--udp", &address]);
    listening(
        Process::start(&mut command, folder.join("headwater-tracker.log"))?,
        port,
    )
}

fn listening(mut process: Process, port: u16) -> anyhow::Result<Tracker> {
    let deadline = Instant::now() + START;
    wait_until("the tracker listens", deadline, || {
        process.must_run()?;
        Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    })
    .with_context(|| process.output())?;
    Ok(Tracker {
        port,
        _process: process,
    })
}

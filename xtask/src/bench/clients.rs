//! The programs that are measured, started as a user would start them.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::report::Usage;

/// Longest that any one transfer may take.
const DEADLINE: Duration = Duration::from_mins(5);

const LIBTORRENT: &str = include_str!("libtorrent_peer.py");

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

/// Builds the program and says where it is.
pub(super) fn build_headwater() -> anyhow::Result<PathBuf> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--package", "headwater"])
        .current_dir(crate::workspace_root())
        .status()?;
    ensure!(status.success(), "the program does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::workspace_root().join("target"), PathBuf::from);
    Ok(target
        .join("release")
        .join(format!("headwater{}", std::env::consts::EXE_SUFFIX)))
}

pub(super) fn check_libtorrent() -> anyhow::Result<()> {
    let found = Command::new("python3")
        .args(["-c", "import libtorrent"])
        .stderr(Stdio::null())
        .status();
    ensure!(
        found.is_ok_and(|status| status.success()),
        "python3 has no libtorrent to measure beside: pip install libtorrent"
    );
    Ok(())
}

pub(super) fn create(program: &Path, data: &Path, torrent: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command
        .arg("-q")
        .arg("create")
        .arg(data)
        .arg("-o")
        .arg(torrent)
        .args(["--piece-length", "1MiB"]);
    ensure!(command.status()?.success(), "create failed");
    Ok(())
}

/// Downloads `torrent` from the peer at `address`; ends when every byte is verified.
pub(super) fn download(
    client: Client,
    program: &Path,
    torrent: &Path,
    target: &Path,
    address: SocketAddr,
) -> anyhow::Result<Usage> {
    match client {
        Client::Headwater => {
            let mut command = Command::new(program);
            command
                .arg("-q")
                .arg("download")
                .arg(torrent)
                .arg("-d")
                .arg(target);
            command.args([
                "--no-trackers",
                "--port",
                "0",
                "--peer",
                &address.to_string(),
            ]);
            measured(command)
        }
        Client::Libtorrent => {
            let mut command = libtorrent("download", torrent, target);
            let mut child = Guard(
                command
                    .arg(address.to_string())
                    .stdout(Stdio::piped())
                    .spawn()?,
            );
            child.wait(DEADLINE)?;
            let mut line = String::new();
            child
                .0
                .stdout
                .take()
                .context("stdout is piped")?
                .read_to_string(&mut line)?;
            let said: serde_json::Value = serde_json::from_str(&line)?;
            let seconds = |key| Duration::from_secs_f64(said[key].as_f64().unwrap_or_default());
            Ok(Usage {
                wall: seconds("wall"),
                processor: seconds("cpu"),
            })
        }
    }
}

fn measured(mut command: Command) -> anyhow::Result<Usage> {
    let (start, before) = (Instant::now(), children_time()?);
    Guard(command.stdout(Stdio::null()).spawn()?).wait(DEADLINE)?;
    Ok(Usage {
        wall: start.elapsed(),
        processor: children_time()?.saturating_sub(before),
    })
}

/// Processor time of all children that have ended.
fn children_time() -> anyhow::Result<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(
            value.tv_sec().unsigned_abs(),
            value.tv_usec().unsigned_abs() as u32 * 1000,
        )
    };
    Ok(time(usage.user_time()) + time(usage.system_time()))
}

fn libtorrent(mode: &str, torrent: &Path, folder: &Path) -> Command {
    let mut command = Command::new("python3");
    command
        .args(["-c", LIBTORRENT, mode])
        .arg(torrent)
        .arg(folder);
    command
}

/// A seed that runs until it is dropped.
pub(super) struct Seed {
    child: Guard,
    address: SocketAddr,
}

impl Seed {
    pub(super) fn start(
        client: Client,
        program: &Path,
        torrent: &Path,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let port = address.port().to_string();
        let (mut command, sign) = match client {
            Client::Libtorrent => {
                let mut command = libtorrent("seed", torrent, folder);
                command.arg(&port);
                (command, "ready")
            }
            Client::Headwater => {
                let mut command = Command::new(program);
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
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.0.id()))?;
        // The fields behind the program's name, which may hold spaces; user and system time are the 14th and 15th of all.
        let fields = stat
            .rsplit_once(')')
            .context("a name in /proc")?
            .1
            .split_whitespace()
            .skip(11)
            .take(2);
        let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        let per_second =
            nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.context("a clock")?;
        Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A child that does not outlive its owner.
struct Guard(Child);

impl Guard {
    fn wait(&mut self, limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "a client ended with {status}");
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "a client did not end within {limit:?}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

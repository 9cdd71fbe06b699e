//! A network of our own, in which multicasts reach nobody else: `interop` runs itself once more inside of it.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::process::printed;

/// Where clients listen in it.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The other end of the same link: Transmission does not let its own machine hear its announces, but what leaves at one end comes in
/// at the other.
pub(crate) const OTHER: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);

/// What makes a network of two ends, both ours.
const SETUP: [&[&str]; 7] = [
    &["link", "set", "lo", "up"],
    &[
        "link", "add", "lan0", "type", "veth", "peer", "name", "lan1",
    ],
    &["address", "add", "10.77.0.1/24", "dev", "lan0"],
    &["address", "add", "10.78.0.1/24", "dev", "lan1"],
    &["link", "set", "lan0", "up"],
    &["link", "set", "lan1", "up"],
    &["route", "add", "default", "dev", "lan0"],
];

/// Makes the network. Only where [`run`] has started us.
pub(crate) fn set_up() -> anyhow::Result<()> {
    let ip = |arguments: &[&str]| printed(Path::new("ip"), arguments).map_err(anyhow::Error::msg);
    // A network that leads anywhere is not ours to change.
    let routes = ip(&["route", "show", "table", "all"])?;
    ensure!(routes.trim().is_empty(), "this is no new network namespace");
    for arguments in SETUP {
        ip(arguments)?;
    }
    // Else the system takes what comes from its own addresses for forged.
    let conf = Path::new("/proc/sys/net/ipv4/conf");
    for (name, value) in [
        ("lan1/accept_local", "1"),
        ("lan1/rp_filter", "0"),
        ("all/rp_filter", "0"),
    ] {
        std::fs::write(conf.join(name), value).with_context(|| name)?;
    }
    Ok(())
}

/// Why there can be no such network, if there cannot.
pub(crate) fn missing() -> Option<String> {
    let probe = ["--map-root-user", "--net", "ip", "link"];
    let outcome = printed(Path::new("unshare"), &probe);
    outcome
        .err()
        .map(|why| format!("network namespaces ({why})"))
}

/// Runs this program's `interop` inside of a new network, and gives the objects that it prints.
pub(crate) fn run(headwater: &Path, timeout: u64, keep: bool) -> anyhow::Result<Vec<Value>> {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--kill-child"]);
    command.arg(std::env::current_exe()?);
    command.args(["interop", "--in-namespace", "--json", "--jobs", "1"]);
    command.arg("--headwater").arg(headwater);
    command.args(["--timeout", &timeout.to_string()]);
    command.args(keep.then_some("--keep"));
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = output.output().context("cannot run unshare")?;
    let lines = String::from_utf8_lossy(&output.stdout);
    let objects = lines.lines().map(serde_json::from_str);
    let objects = objects.collect::<Result<Vec<Value>, _>>()?;
    ensure!(!objects.is_empty(), "nothing came of it, {}", output.status);
    Ok(objects)
}

//! Our own program.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use super::{Client, Finding, Job, Role};
use crate::interop::namespace;
use crate::interop::process::{Process, event, printed};

/// Turned off as far as the program has them.
const OTHER_WAYS: &[&str] = &[
    "--no-dht",
    "--no-lsd",
    "--no-pex",
    "--no-utp",
    "--no-portmap",
];

pub(crate) struct Headwater {
    job: Job,
    port: u16,
    process: Process,
}

impl Headwater {
    pub(crate) fn start(job: Job, program: &Path) -> anyhow::Result<Self> {
        let verb = match job.role {
            Role::Seed => "seed",
            Role::Leech => "download",
        };
        let mut command = Command::new(program);
        command
            .arg(verb)
            .arg(job.source())
            .arg("--dir")
            .arg(&job.data);
        // It logs how it found whom it is connected to.
        command.args(["-vv", "--json", "--port", "0", "--bind"]);
        command.arg(job.ip.to_string());
        if job.finding == Some(Finding::Lsd) {
            command.args(["--bind", &namespace::OTHER.to_string()]);
        }
        let help = printed(program, &[verb, "--help"]).map_err(anyhow::Error::msg)?;
        let wanted = job
            .finding
            .map(|finding| format!("--no-{}", finding.word()));
        let others = OTHER_WAYS
            .iter()
            .filter(|&&way| Some(way) != wanted.as_deref());
        command.args(others.filter(|&option| help.contains(option)));
        if let Some(rate) = job.max_down {
            command.args(["--max-down", &format!("{rate}K")]);
        }
        if let Some(node) = job.node {
            command.args(["--dht-bootstrap", &node.to_string()]);
        }
        if let Some(peer) = job.dial {
            command.args(["--peer", &peer.to_string()]);
        }
        if let Some(wanted) = job.wanted() {
            command.args(["--select", &wanted]);
        }
        let process = Process::start(&mut command, job.log())?;
        Ok(Self {
            job,
            port: 0,
            process,
        })
    }

    /// The first event of this name that it has printed.
    fn event(&self, name: &str) -> Option<Value> {
        event(&self.process.output(), name)
    }
}

impl Client for Headwater {
    fn job(&self) -> &Job {
        &self.job
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn is_ready(&mut self) -> anyhow::Result<bool> {
        self.process.must_run()?;
        let Some(listening) = self.event("listening") else {
            return Ok(false);
        };
        let port = listening["port"]
            .as_u64()
            .and_then(|port| port.try_into().ok());
        self.port = port.context("a listening event has a port")?;
        // A link that nobody has answered yet stands for nothing that could be checked.
        Ok(self.job.link.is_some() || self.event("checked").is_some())
    }

    /// A leech ends when it has everything.
    fn is_done(&mut self) -> anyhow::Result<bool> {
        self.process.has_succeeded()
    }

    fn must_run(&mut self) -> anyhow::Result<()> {
        self.process.must_run()
    }

    fn output(&self) -> String {
        self.process.output()
    }

    fn has_found(&self, finding: Finding) -> bool {
        self.output()
            .contains(&format!(" source={}", finding.word()))
    }
}

//! libtorrent, through a small Python program beside this file.

use std::path::Path;
use std::process::Command;

use super::{Client, Finding, Job, Role};
use crate::interop::ports;
use crate::interop::process::Process;

pub(crate) struct Libtorrent {
    job: Job,
    port: u16,
    process: Process,
}

impl Libtorrent {
    pub(crate) fn start(job: Job, python: &Path) -> anyhow::Result<Self> {
        let port = ports::free()?;
        let driver = crate::workspace_root().join("xtask/src/interop/clients/libtorrent_peer.py");
        let mut command = Command::new(python);
        command.arg(driver).arg(job.source()).arg(&job.data);
        command.args(["--port", &port.to_string()]);
        command.args(["--ip", &job.ip.to_string()]);
        if let Some(finding) = job.finding {
            command.args(["--find", finding.word()]);
        }
        if let Some(node) = job.node {
            command.args(["--node", &node.to_string()]);
        }
        if let Some(rate) = job.max_down {
            command.args(["--max-down", &rate.to_string()]);
        }
        if job.role == Role::Seed {
            command.arg("--seed");
        }
        if let Some(peer) = job.dial {
            command.args(["--peer", &peer.to_string()]);
        }
        if let Some(file) = job.skip {
            command.args(["--skip", &file.to_string()]);
        }
        let process = Process::start(&mut command, job.log())?;
        Ok(Self { job, port, process })
    }

    fn has_said(&mut self, word: &str) -> anyhow::Result<bool> {
        self.process.must_run()?;
        Ok(self.process.output().lines().any(|line| line == word))
    }
}

impl Client for Libtorrent {
    fn job(&self) -> &Job {
        &self.job
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn is_ready(&mut self) -> anyhow::Result<bool> {
        self.has_said("ready")
    }

    fn is_done(&mut self) -> anyhow::Result<bool> {
        self.has_said("done")
    }

    fn must_run(&mut self) -> anyhow::Result<()> {
        self.process.must_run()
    }

    fn output(&self) -> String {
        self.process.output()
    }

    fn has_found(&self, finding: Finding) -> bool {
        let said = format!("found {}", finding.word());
        self.output().lines().any(|line| line == said)
    }
}

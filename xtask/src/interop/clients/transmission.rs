//! transmission-daemon, asked through its remote control.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::{Client, Finding, Job, Role};
use crate::interop::process::Process;
use crate::interop::{http, ports};

/// What `torrent-get` says of a torrent that is checked and downloads, or seeds.
const DOWNLOADING: u64 = 4;
const SEEDING: u64 = 6;

pub(crate) struct Transmission {
    job: Job,
    port: u16,
    rpc_port: u16,
    process: Process,
    /// What it wants to be sent along with every question.
    session_id: String,
    added: bool,
}

impl Transmission {
    pub(crate) fn start(job: Job, program: &Path) -> anyhow::Result<Self> {
        let (port, rpc_port) = (ports::free()?, ports::free()?);
        fs::write(
            job.state.join("settings.json"),
            settings(&job, port, rpc_port).to_string(),
        )?;
        let mut command = Command::new(program);
        command
            .arg("--foreground")
            .arg("--config-dir")
            .arg(&job.state);
        let process = Process::start(&mut command, job.log())?;
        Ok(Self {
            job,
            port,
            rpc_port,
            process,
            session_id: String::new(),
            added: false,
        })
    }

    /// Whether it can be told what to do. It is given the torrent by the first question whether it is ready.
    pub(crate) fn answers(&mut self) -> anyhow::Result<bool> {
        Ok(self.ask("session-get", &json!({}))?.is_some())
    }

    /// The system's number for the daemon.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Asks, the second time with the session id that the first answer gave. `None` while it does not answer yet.
    fn ask(&mut self, method: &str, arguments: &Value) -> anyhow::Result<Option<Value>> {
        self.process.must_run()?;
        let question = json!({"method": method, "arguments": arguments}).to_string();
        for _ in 0..2 {
            let id = format!("X-Transmission-Session-Id: {}\r\n", self.session_id);
            let Ok(answer) = http::post(self.rpc_port, "/transmission/rpc", &id, &question) else {
                return Ok(None);
            };
            if answer.status == 200 {
                let answer: Value = serde_json::from_slice(&answer.body)?;
                ensure!(answer["result"] == "success", "{method}: {answer}");
                return Ok(Some(answer["arguments"].clone()));
            }
            let id = answer.header("X-Transmission-Session-Id");
            let id = id.with_context(|| format!("HTTP {}", answer.status))?;
            id.clone_into(&mut self.session_id);
        }
        Ok(None)
    }

    fn add(&mut self) -> anyhow::Result<()> {
        let skipped: Vec<_> = self.job.skip.into_iter().collect();
        let arguments =
            json!({"filename": self.job.source().to_string_lossy(), "files-unwanted": skipped});
        self.added = self.ask("torrent-add", &arguments)?.is_some();
        Ok(())
    }

    /// The one torrent's fields, once it is added.
    fn torrent(&mut self) -> anyhow::Result<Option<Value>> {
        if !self.added {
            self.add()?;
        }
        let fields = json!({"fields": ["status", "leftUntilDone", "error", "errorString"]});
        let answer = self.ask("torrent-get", &fields)?;
        Ok(answer.and_then(|answer| answer["torrents"].get(0).cloned()))
    }

    fn status(&mut self) -> anyhow::Result<u64> {
        let torrent = self.torrent()?;
        Ok(torrent
            .and_then(|torrent| torrent["status"].as_u64())
            .unwrap_or(0))
    }
}

/// Nothing but peers and the remote control, on loopback.
fn settings(job: &Job, port: u16, rpc_port: u16) -> Value {
    json!({
        "bind-address-ipv4": job.ip,
        "bind-address-ipv6": "::1",
        "cache-size-mb": 1,
        "dht-enabled": false,
        "download-dir": job.data,
        "incomplete-dir-enabled": false,
        "lpd-enabled": job.finding == Some(Finding::Lsd),
        "peer-port": port,
        "peer-port-random-on-start": false,
        "pex-enabled": false,
        "port-forwarding-enabled": false,
        "ratio-limit-enabled": false,
        "rename-partial-files": false,
        "rpc-authentication-required": false,
        "rpc-bind-address": "127.0.0.1",
        "rpc-enabled": true,
        "rpc-port": rpc_port,
        "rpc-whitelist-enabled": false,
        "start-added-torrents": true,
        "utp-enabled": false,
        "watch-dir-enabled": false,
    })
}

impl Client for Transmission {
    fn job(&self) -> &Job {
        &self.job
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn is_ready(&mut self) -> anyhow::Result<bool> {
        let ready = match self.job.role {
            Role::Seed => SEEDING,
            Role::Leech => DOWNLOADING,
        };
        Ok(self.status()? == ready)
    }

    fn is_done(&mut self) -> anyhow::Result<bool> {
        Ok(self.status()? == SEEDING)
    }

    fn must_run(&mut self) -> anyhow::Result<()> {
        self.process.must_run()
    }

    fn output(&self) -> String {
        self.process.output()
    }
}

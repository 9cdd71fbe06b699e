//! aria2c, asked through its remote control.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use serde_json::{Value, json};

use super::{Client, Job, Role};
use crate::interop::process::Process;
use crate::interop::{http, ports};

/// Nothing but peers of the one torrent, on loopback, without a file of settings. It speaks to UDP trackers only while its DHT
/// is on; that knows no node to start from.
const OPTIONS: &[&str] = &[
    "--no-conf=true",
    "--interface=127.0.0.1",
    "--enable-dht=true",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--enable-peer-exchange=false",
    "--disable-ipv6=true",
    "--follow-torrent=mem",
    "--file-allocation=none",
    "--check-integrity=true",
    "--bt-hash-check-seed=true",
    "--enable-rpc=true",
    "--rpc-listen-all=false",
    "--summary-interval=0",
    "--console-log-level=notice",
    "--show-console-readout=false",
    "--enable-color=false",
];

pub(crate) struct Aria2 {
    job: Job,
    port: u16,
    rpc_port: u16,
    process: Process,
}

impl Aria2 {
    pub(crate) fn start(job: Job, program: &Path) -> anyhow::Result<Self> {
        let (port, rpc_port) = (ports::free()?, ports::free()?);
        let mut command = Command::new(program);
        command.args(OPTIONS).arg(match job.role {
            Role::Seed => "--seed-ratio=0.0",
            Role::Leech => "--seed-time=0",
        });
        command.arg(format!("--listen-port={port}"));
        command.arg(format!("--dht-listen-port={}", ports::free()?));
        command.arg(format!(
            "--dht-file-path={}",
            job.state.join("dht").display()
        ));
        command.arg(format!("--rpc-listen-port={rpc_port}"));
        command.arg(format!("--stop-with-process={}", std::process::id()));
        command.arg("--dir").arg(&job.data);
        if let Some(wanted) = job.wanted() {
            command.arg(format!("--select-file={wanted}"));
        }
        command.arg(job.source());
        let process = Process::start(&mut command, job.log())?;
        Ok(Self {
            job,
            port,
            rpc_port,
            process,
        })
    }

    /// The only download in one of aria2's lists, with some of its fields. `None` while it does not answer or has none there.
    fn download(&mut self, list: &str, place: &[usize]) -> anyhow::Result<Option<Value>> {
        self.process.must_run()?;
        let fields = [
            "status",
            "seeder",
            "errorMessage",
            "verifiedLength",
            "verifyIntegrityPending",
            "followedBy",
        ];
        let place = place.iter().map(|&number| json!(number));
        let parameters: Vec<_> = place.chain([json!(fields)]).collect();
        let question = json!({"jsonrpc": "2.0", "id": 1, "method": list, "params": parameters});
        let Ok(answer) = http::post(self.rpc_port, "/jsonrpc", "", &question.to_string()) else {
            return Ok(None);
        };
        let answer: Value = serde_json::from_slice(&answer.body)?;
        let downloads = answer["result"].as_array().into_iter().flatten();
        // That of a magnet link's metadata is followed by that of the data.
        let mut downloads = downloads.filter(|download| download.get("followedBy").is_none());
        Ok(downloads.next().cloned())
    }
}

impl Client for Aria2 {
    fn job(&self) -> &Job {
        &self.job
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn is_ready(&mut self) -> anyhow::Result<bool> {
        let Some(download) = self.download("aria2.tellActive", &[])? else {
            return Ok(false);
        };
        let checking = download
            .get("verifiedLength")
            .or(download.get("verifyIntegrityPending"));
        Ok(checking.is_none() && (self.job.role == Role::Leech || download["seeder"] == "true"))
    }

    fn is_done(&mut self) -> anyhow::Result<bool> {
        let Some(download) = self.download("aria2.tellStopped", &[0, 2])? else {
            return Ok(false);
        };
        ensure!(download["status"] == "complete", "{download}");
        Ok(true)
    }

    fn must_run(&mut self) -> anyhow::Result<()> {
        self.process.must_run()
    }

    fn output(&self) -> String {
        self.process.output()
    }
}

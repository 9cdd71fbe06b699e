//! Running the program, always for a bounded time, and things for it to work on.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// For everything that is expected to happen. Long, because machines are slow at times; nothing waits for it when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Loopback only, any port, no trackers, no DHT.
pub(crate) const ALONE: [&str; 6] = [
    "--bind",
    "127.0.0.1",
    "--port",
    "0",
    "--no-trackers",
    "--no-dht",
];

/// A folder of its own in which the program runs.
pub(crate) struct Place(TempDir);

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(below)
    }

    /// A file that takes long to hash and little room: pieces of 16 MiB, each with one byte and zeros that were never written.
    #[cfg(unix)]
    pub(crate) fn hollow(&self, name: &str, pieces: u64) -> fs::File {
        use std::os::unix::fs::FileExt;
        let file = fs::File::create(self.path(name)).unwrap();
        file.set_len(pieces << 24).unwrap();
        for piece in 0..pieces {
            file.write_all_at(&[1], piece << 24).unwrap();
        }
        file
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, below: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn read(&self, below: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.path(below)).unwrap()
    }

    /// Every path below the folder, sorted.
    pub(crate) fn listing(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = walkdir::WalkDir::new(self.0.path())
            .min_depth(1)
            .into_iter()
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .strip_prefix(self.0.path())
                    .unwrap()
                    .to_owned()
            })
            .filter(|path| !path.starts_with("state"))
            .collect();
        paths.sort();
        paths
    }

    /// The program, about to be started in this folder.
    pub(crate) fn command<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("RUST_BACKTRACE", "1")
            .env_remove("HEADWATER_LOG")
            .env_remove("SOURCE_DATE_EPOCH")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        finish(self.command(arguments))
    }

    /// Runs the program and expects success.
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        String::from_utf8(outcome.stdout).unwrap()
    }

    /// Runs the program with `--json` and gives its events.
    pub(crate) fn json<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> (Option<i32>, Vec<Value>) {
        let mut command = self.command(arguments);
        command.arg("--json");
        let outcome = finish(command);
        let text = String::from_utf8(outcome.stdout).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (outcome.code, events.collect())
    }

    /// Starts the program with `--json`, to be watched.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        let mut command = self.command(arguments);
        command.arg("--json");
        Running::new(command)
    }
}

/// Runs a command to its end; kills it when that does not come.
pub(crate) fn finish(mut command: Command) -> Outcome {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let status = wait(&mut child, PATIENCE);
    Outcome {
        code: status.code(),
        stdout: stdout.join().unwrap(),
        stderr: String::from_utf8(stderr.join().unwrap()).unwrap(),
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn wait(child: &mut Child, patience: Duration) -> ExitStatus {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the program does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A program that runs, and what it says.
pub(crate) struct Running {
    child: Child,
    events: Receiver<Value>,
    stderr: Option<thread::JoinHandle<Vec<u8>>>,
}

impl Running {
    pub(crate) fn new(mut command: Command) -> Self {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, events) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let event =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let stderr = Some(collect(child.stderr.take().unwrap()));
        Self {
            child,
            events,
            stderr,
        }
    }

    /// The next event of this name; others before it are skipped.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true)
    }

    /// The next event of this name of which `is_it` holds.
    pub(crate) fn event_where(&mut self, name: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            match self
                .events
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(event) if event["event"] == name && is_it(&event) => return event,
                Ok(event) => {
                    seen.push(event.to_string());
                    // The last few tell enough.
                    seen.drain(..seen.len().saturating_sub(5));
                }
                Err(error) => {
                    let _ = self.child.kill();
                    let why = match error {
                        RecvTimeoutError::Timeout => "in time",
                        RecvTimeoutError::Disconnected => "before the end",
                    };
                    let stderr = self.stderr.take().map(|it| it.join().unwrap());
                    let stderr = String::from_utf8(stderr.unwrap_or_default()).unwrap();
                    panic!("no event `{name}` {why}; before it came {seen:?}; messages: {stderr}");
                }
            }
        }
    }

    /// The port on which it listens.
    pub(crate) fn port(&mut self) -> u64 {
        self.event("listening")["port"].as_u64().unwrap()
    }

    /// Asks it to end.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Outcome {
        let status = wait(&mut self.child, PATIENCE);
        let stderr = self.stderr.take().unwrap().join().unwrap();
        Outcome {
            code: status.code(),
            stdout: Vec::new(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Outcome {
    /// Fails in one line, with this code, and no trace of a panic; gives the line.
    #[track_caller]
    pub(crate) fn fails_with(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        let errors: Vec<_> = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(errors.len(), 1, "{}", self.stderr);
        for bad in ["panicked", "backtrace", "os error", "this is a bug"] {
            assert!(!self.stderr.contains(bad), "{}", self.stderr);
        }
        errors[0]
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// Bytes that repeat nowhere, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A torrent of one file, with its fields as they are given.
pub(crate) fn torrent(length: &str, piece_length: &str, pieces: usize) -> Vec<u8> {
    let head = format!(
        "d4:infod6:lengthi{length}e4:name1:x12:piece lengthi{piece_length}e6:pieces{}:",
        pieces * 20
    );
    [head.as_bytes(), &vec![7; pieces * 20], b"ee"].concat()
}

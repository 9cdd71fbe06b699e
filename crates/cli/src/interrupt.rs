//! SIGINT and SIGTERM: the first asks to stop, the second does not ask.

use std::io;
use std::process;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::exit::{Code, Failure, Result};

/// The exit code when the user does not want to wait.
const AT_ONCE: i32 = 130;
/// By when a run that was asked to stop has stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the user wants the run to end. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    token: CancellationToken,
}

impl Interrupt {
    /// Begins to listen for signals; to be called within a tokio runtime.
    pub(crate) fn install() -> Result<Self> {
        let interrupt = Self::default();
        let signals =
            Signals::new().map_err(|error| Failure::io("cannot listen for signals", &error))?;
        tokio::spawn(watch(signals, interrupt.token.clone()));
        Ok(interrupt)
    }

    /// Comes back when the user wants the run to end.
    pub(crate) async fn requested(&self) {
        self.token.cancelled().await;
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }
}

async fn watch(mut signals: Signals, token: CancellationToken) {
    signals.next().await;
    token.cancel();
    tokio::select! {
        () = signals.next() => process::exit(AT_ONCE),
        // Whatever hangs, the promise is kept.
        () = tokio::time::sleep(PATIENCE) => process::exit(Code::Interrupted as i32),
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "the Unix version can fail")]
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

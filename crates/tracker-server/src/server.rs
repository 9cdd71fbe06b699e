//! Sockets and tasks around a [`Registry`].

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use headwater_metainfo::InfoHash;
use parking_lot::Mutex;
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::registry::{Announce, Announced, Counts, Refusal, Registry, Stats};
use crate::{bind, http, udp};

/// How often peers that went away without a word are looked for.
const EXPIRE_EVERY: Duration = Duration::from_mins(1);
/// How long a shutdown waits for answers that are under way.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// No address was given.
    #[error("the tracker was given no address to listen on")]
    NoAddress,
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({protocol}): {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// HTTP or UDP.
        protocol: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A running tracker. Dropping it stops it at once; [`shutdown`](Self::shutdown) does so politely.
///
/// ```
/// use headwater_tracker_server::{Config, Server};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let config = Config { http: vec!["127.0.0.1:0".parse()?], ..Config::default() };
/// let server = Server::bind(config).await?;
/// println!("announce to http://{}/announce", server.http_addrs()[0]);
/// server.shutdown().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    http: Vec<SocketAddr>,
    udp: Vec<SocketAddr>,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Server {
    /// Binds every address and begins to answer. To be called within a tokio runtime with time and I/O enabled.
    #[expect(
        clippy::unused_async,
        reason = "registering sockets needs a runtime, which the signature says"
    )]
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        if config.http.is_empty() && config.udp.is_empty() {
            return Err(BindError::NoAddress);
        }
        let listeners = bind_all(&config.http, "HTTP", bind::listener)?;
        let sockets = bind_all(&config.udp, "UDP", bind::socket)?;
        let stop = CancellationToken::new();
        let server = Self {
            shared: Arc::new(Shared::new(&config)),
            http: listeners.iter().map(|(address, _)| *address).collect(),
            udp: sockets.iter().map(|(address, _)| *address).collect(),
            tasks: TaskTracker::new(),
            stop: stop.clone().drop_guard(),
        };
        server.run(listeners, sockets, &stop);
        Ok(server)
    }

    /// The addresses bound for HTTP, in the order of [`Config::http`].
    pub fn http_addrs(&self) -> &[SocketAddr] {
        &self.http
    }

    /// The addresses bound for UDP, in the order of [`Config::udp`].
    pub fn udp_addrs(&self) -> &[SocketAddr] {
        &self.udp
    }

    /// Figures of what is known and was asked.
    pub fn stats(&self) -> Stats {
        self.shared.registry.lock().stats()
    }

    /// Stops listening, finishes the answers that are under way, and waits for that two seconds at most.
    pub async fn shutdown(self) {
        let Self { tasks, stop, .. } = self;
        drop(stop);
        tasks.close();
        // Past the time, what is left ends with its connections.
        let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, tasks.wait()).await;
    }

    fn run(
        &self,
        listeners: Vec<(SocketAddr, TcpListener)>,
        sockets: Vec<(SocketAddr, UdpSocket)>,
        stop: &CancellationToken,
    ) {
        for (_, listener) in listeners {
            let shared = Arc::clone(&self.shared);
            self.tasks.spawn(http::serve(
                listener,
                shared,
                stop.clone(),
                self.tasks.clone(),
            ));
        }
        for (_, socket) in sockets {
            self.tasks
                .spawn(udp::serve(socket, Arc::clone(&self.shared), stop.clone()));
        }
        self.tasks
            .spawn(expire(Arc::clone(&self.shared), stop.clone()));
    }
}

fn bind_all<T>(
    addresses: &[SocketAddr],
    protocol: &'static str,
    bind: impl Fn(SocketAddr, bool) -> io::Result<(SocketAddr, T)>,
) -> Result<Vec<(SocketAddr, T)>, BindError> {
    let only_v6 = addresses.iter().any(SocketAddr::is_ipv4);
    let bound = addresses.iter().map(|&address| {
        bind(address, only_v6).map_err(|source| BindError::Listen {
            address,
            protocol,
            source,
        })
    });
    bound.collect()
}

async fn expire(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EXPIRE_EVERY) => shared.registry.lock().expire(now()),
        }
    }
}

/// tokio's clock, which tests can turn forward.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// What all tasks of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    registry: Mutex<Registry>,
}

impl Shared {
    pub(crate) fn new(config: &Config) -> Self {
        // The standard library's maps draw their keys from the system's random source; so does this seed.
        let seed = RandomState::new().hash_one(0);
        Self {
            registry: Mutex::new(Registry::new(config.limits.clone(), seed)),
        }
    }

    pub(crate) fn announce(&self, announce: &Announce) -> Result<Announced, Refusal> {
        self.registry.lock().announce(now(), announce)
    }

    pub(crate) fn scrape(&self, hashes: &[InfoHash]) -> Vec<(InfoHash, Counts)> {
        self.registry.lock().scrape(hashes)
    }

    /// The page of figures.
    pub(crate) fn page(&self) -> String {
        let stats = self.registry.lock().stats();
        let mut page = String::from("headwater tracker\n\n");
        let lines = [
            ("torrents", stats.torrents as u64),
            ("seeds", stats.seeds as u64),
            ("leeches", stats.leeches as u64),
            ("announces", stats.announces),
            ("scrapes", stats.scrapes),
            ("refused", stats.refused),
        ];
        for (name, value) in lines {
            writeln!(page, "{name:<10}{value}").expect("a string takes any text");
        }
        page
    }
}

//! Options for a session.

use std::net::{IpAddr, SocketAddr};
#[cfg(feature = "portmap")]
use std::num::NonZeroU16;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use headwater_metainfo::{HostPort, PeerId};
use headwater_store::{Pool, PoolOptions};
use headwater_swarm::Discovery;
use headwater_tracker::{Client, ClientOptions};
use headwater_wire::ReadBuffers;
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::accept::Acceptor;
use super::ports::{self, Ports};
use super::{Core, Defaults, Inner, Registry, Session, descriptors};
use crate::dht::{self, Beginning, Dht, Keeper, Place};
use crate::disk::DiskPool;
use crate::limit::Bucket;
use crate::lsd::{Lsd, Scope};
use crate::peer::Dialler;
use crate::peer_id::random_seed;
#[cfg(feature = "portmap")]
use crate::portmap::{PortMapper, Routers};
use crate::{ResumePolicy, SessionError};

/// Connections at most that are being made at a time, of all torrents together.
const HALF_OPEN: usize = 100;

/// What nodes of the DHT call us: Headwater, and its version.
const VERSION: [u8; 4] = *b"HW\x01\x00";

/// When pieces that were downloaded are made durable, so that they survive the machine losing power, and
/// [resume data](crate::ResumePolicy) is saved that claims them. A killed process alone loses nothing: written pieces are with the
/// system, and files that changed since the last save are checked at the next start.
///
/// Whatever is chosen, it is done as well when the torrent completes, pauses, stops or is shut down, and resume data claims only
/// what was durable before it was saved. Peers are told of a piece when it is written, not when it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// This long after a piece came, for all that came by then. The default: a minute.
    Interval(Duration),
    /// After every piece, or as often as the disk can do it. Slow where a sync is.
    EveryPiece,
    /// Left to the system until the torrent completes, pauses or stops.
    AtEnd,
}

impl Default for SyncPolicy {
    fn default() -> Self {
        Self::Interval(Duration::from_mins(1))
    }
}

/// Options for a [`Session`]. Made by [`Session::builder`].
#[derive(Debug, Clone)]
#[must_use = "a session is made by start"]
pub struct SessionBuilder {
    port: u16,
    bind: Vec<IpAddr>,
    listen: bool,
    max_connections: usize,
    max_peers: usize,
    download_limit: u64,
    upload_limit: u64,
    disk_threads: usize,
    write_back_bytes: usize,
    sync: SyncPolicy,
    files: PoolOptions,
    peer_id: Option<PeerId>,
    client: String,
    trackers: bool,
    discovery: Discovery,
    lsd_on_loopback: bool,
    dht_bootstrap: Option<Vec<HostPort>>,
    dht_state: Option<PathBuf>,
    dht_restrict_addresses: Option<bool>,
    dht_read_only: bool,
    needs_udp: bool,
    #[cfg(feature = "portmap")]
    port_mapping: bool,
    resume: ResumePolicy,
    shutdown_timeout: Duration,
}

impl Default for SessionBuilder {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
        Self {
            port: 6881,
            bind: Vec::new(),
            listen: true,
            max_connections: 500,
            max_peers: 200,
            download_limit: 0,
            upload_limit: 0,
            disk_threads: processors.clamp(2, 8),
            write_back_bytes: 32 << 20,
            sync: SyncPolicy::default(),
            files: PoolOptions::default(),
            peer_id: None,
            client: concat!("Headwater ", env!("CARGO_PKG_VERSION")).to_owned(),
            trackers: true,
            discovery: Discovery::ALL,
            lsd_on_loopback: false,
            dht_bootstrap: None,
            dht_state: None,
            dht_restrict_addresses: None,
            dht_read_only: false,
            needs_udp: false,
            #[cfg(feature = "portmap")]
            port_mapping: false,
            resume: ResumePolicy::Off,
            shutdown_timeout: Duration::from_secs(3),
        }
    }
}

impl SessionBuilder {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The port to listen on, 6881 unless given; 0 lets the system choose. See [`SessionError::AddrInUse`].
    pub fn port(self, port: u16) -> Self {
        self.with(|options| options.port = port)
    }

    /// Listen on and connect from this address only; may be given several times. All addresses of the machine unless given.
    ///
    /// Peers and trackers of a family for which no address is given are not reached at all.
    pub fn bind(self, address: impl Into<IpAddr>) -> Self {
        self.with(|options| options.bind.push(address.into()))
    }

    /// Whether to listen at all.
    pub fn listen(self, listen: bool) -> Self {
        self.with(|options| options.listen = listen)
    }

    /// Connections at most, of all torrents together. 500, or as many as the system allows the process beside its
    /// [files](Self::files).
    pub fn max_connections(self, max_connections: usize) -> Self {
        self.with(|options| options.max_connections = max_connections)
    }

    /// Connections at most of a torrent that does not say otherwise. 200.
    pub fn max_peers(self, max_peers: usize) -> Self {
        self.with(|options| options.max_peers = max_peers)
    }

    /// Bytes a second at most that all torrents together receive, everything on the wire counted; 0 = no limit.
    pub fn download_limit(self, bytes_per_second: u64) -> Self {
        self.with(|options| options.download_limit = bytes_per_second)
    }

    /// Bytes a second at most that all torrents together send, everything on the wire counted; 0 = no limit.
    pub fn upload_limit(self, bytes_per_second: u64) -> Self {
        self.with(|options| options.upload_limit = bytes_per_second)
    }

    /// Threads for disks and hashing, at least 1. As many as there are processors, from 2 to 8.
    pub fn disk_threads(self, threads: usize) -> Self {
        self.with(|options| options.disk_threads = threads.max(1))
    }

    /// Bytes of unfinished pieces that a torrent may keep in memory. 32 MiB.
    pub fn write_back_bytes(self, bytes: usize) -> Self {
        self.with(|options| options.write_back_bytes = bytes)
    }

    /// When a download is made durable, and its resume data saved. Once a minute.
    pub fn sync_policy(self, policy: SyncPolicy) -> Self {
        self.with(|options| options.sync = policy)
    }

    /// How many files and maps are kept open, by all torrents together. No more files than half of the descriptors that the
    /// system allows the process.
    pub fn files(self, files: PoolOptions) -> Self {
        self.with(|options| options.files = files)
    }

    /// Our name in every swarm; each torrent gets a fresh one unless given.
    pub fn peer_id(self, peer_id: PeerId) -> Self {
        self.with(|options| options.peer_id = Some(peer_id))
    }

    /// Name and version of the program, as told to peers (BEP 10) and trackers.
    pub fn client(self, client: impl Into<String>) -> Self {
        self.with(|options| options.client = client.into())
    }

    /// Whether trackers are asked. They are unless this says otherwise.
    pub fn trackers(self, trackers: bool) -> Self {
        self.with(|options| options.trackers = trackers)
    }

    /// Whether peers may tell each other of peers (BEP 11); they do unless this says otherwise. Never for private torrents.
    pub fn pex(self, pex: bool) -> Self {
        self.with(|options| options.discovery.pex = pex)
    }

    /// Whether peers on the local network are found by multicast (BEP 14); they are unless this says otherwise. Never for private
    /// torrents. It uses the interfaces whose addresses are [bound](Self::bind), and all of them if none is; not without
    /// [listening](Self::listen).
    pub fn lsd(self, lsd: bool) -> Self {
        self.with(|options| options.discovery.lsd = lsd)
    }

    /// Whether it finds sessions over the loopback interface as well, which nobody else hears: for tests, and for machines without
    /// any other.
    pub fn lsd_on_loopback(self, loopback: bool) -> Self {
        self.with(|options| options.lsd_on_loopback = loopback)
    }

    /// Whether there is a node of the DHT (BEP 5), at the port on which it listens; there is one unless this says otherwise. Private
    /// torrents never use it. Not without [listening](Self::listen), and not if the UDP port is [taken](Self::needs_udp).
    ///
    /// It sends nothing before a torrent or [`Session::dht`] needs it. Of several addresses of one family, it uses the first.
    pub fn dht(self, dht: bool) -> Self {
        self.with(|options| options.discovery.dht = dht)
    }

    /// Nodes through which it finds others, in place of [the usual ones](dht::DEFAULT_ROUTERS). Those are never asked if only loopback
    /// addresses are [bound](Self::bind).
    pub fn dht_bootstrap(self, nodes: impl IntoIterator<Item = HostPort>) -> Self {
        self.with(|options| options.dht_bootstrap = Some(nodes.into_iter().collect()))
    }

    /// The file in which the DHT's nodes are kept until the next start. Unless given, `dht.state` in the folder of the
    /// [resume data](Self::resume_policy), if there is one.
    pub fn dht_state(self, path: impl Into<PathBuf>) -> Self {
        self.with(|options| options.dht_state = Some(path.into()))
    }

    /// Whether only one node at each IP address and few of each network are believed in, and queries of each address are limited; so
    /// it is unless this says otherwise, or only loopback addresses are [bound](Self::bind).
    pub fn dht_restrict_addresses(self, restrict: bool) -> Self {
        self.with(|options| options.dht_restrict_addresses = Some(restrict))
    }

    /// Whether the DHT's node only asks, and answers nobody (BEP 43): for those who soon leave again, or cannot be reached.
    pub fn dht_read_only(self, read_only: bool) -> Self {
        self.with(|options| options.dht_read_only = read_only)
    }

    /// Whether it is an error ([`SessionError::AddrInUse`]) if the UDP port beside the listener is taken and the DHT is wanted.
    /// Otherwise the session goes on [without](dht::DhtStatus::PortInUse). A port that the system chooses is free of both kinds.
    pub fn needs_udp(self, needs_udp: bool) -> Self {
        self.with(|options| options.needs_udp = needs_udp)
    }

    /// Whether the gateway of the network is asked, by UPnP, PCP or NAT-PMP, to let peers in at our port; not unless this says so. It
    /// is given back at the [end](Session::shutdown). Needs the feature `portmap`.
    #[cfg(feature = "portmap")]
    pub fn port_mapping(self, port_mapping: bool) -> Self {
        self.with(|options| options.port_mapping = port_mapping)
    }

    /// Where torrents keep their resume data by themselves; nowhere unless given.
    pub fn resume_policy(self, policy: ResumePolicy) -> Self {
        self.with(|options| options.resume = policy)
    }

    /// What saying goodbye may take, trackers that do not answer and slow disks included. 3 seconds.
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.shutdown_timeout = timeout)
    }

    /// Binds the port and starts. Must be called inside of a tokio runtime.
    pub async fn start(self) -> Result<Session, SessionError> {
        let Ports {
            listeners,
            addresses,
            udp,
        } = self.bind_ports()?;
        let port = addresses.first().map_or(0, SocketAddr::port);
        let closing = CancellationToken::new();
        let (dht, dht_closed) = self.start_dht(port, udp, &closing).await;
        let core = Arc::new(self.core(port, &addresses, dht, closing)?);
        let torrents = Registry::default();
        for listener in listeners {
            let acceptor = Acceptor::new(core.clone(), torrents.clone());
            tokio::spawn(acceptor.run(listener));
        }
        Ok(Session(Arc::new(Inner {
            _stop_on_drop: core.closing.clone().drop_guard(),
            core,
            torrents,
            addresses,
            dht_closed,
            defaults: Defaults {
                peer_id: self.peer_id,
                max_peers: self.max_peers,
                trackers: self.trackers,
                resume: self.resume,
            },
        })))
    }

    #[cfg_attr(
        not(feature = "portmap"),
        expect(unused_variables, reason = "nobody is asked")
    )]
    fn core(
        &self,
        port: u16,
        addresses: &[SocketAddr],
        dht: Dht,
        closing: CancellationToken,
    ) -> Result<Core, SessionError> {
        let disk = DiskPool::start(self.disk_threads).map_err(SessionError::Thread)?;
        let (max_connections, files) = descriptors::fit(self.max_connections, self.files);
        Ok(Core {
            disk: Arc::new(disk),
            files: Pool::new(files),
            tracker: Client::new(self.tracker_options()),
            dialler: Dialler {
                bind: self.bind.clone().into(),
                connections: Arc::new(Semaphore::new(max_connections)),
                half_open: Arc::new(Semaphore::new(HALF_OPEN)),
            },
            port,
            client: self.client.clone(),
            discovery: self.discovery,
            lsd: self.start_lsd(port, &closing),
            #[cfg(feature = "portmap")]
            port_mapper: self.start_port_mapper(port, addresses, dht.node().is_some(), &closing),
            dht,
            download_limit: Arc::new(Bucket::new(self.download_limit)),
            upload_limit: Arc::new(Bucket::new(self.upload_limit)),
            buffers: ReadBuffers::new(self.write_back_bytes),
            write_back_bytes: self.write_back_bytes,
            sync: self.sync,
            check_threads: self.disk_threads,
            checks: Arc::new(Semaphore::new(1)),
            shutdown_timeout: self.shutdown_timeout,
            closing,
        })
    }

    fn bind_ports(&self) -> Result<Ports, SessionError> {
        if !self.listen {
            return Ok(Ports::default());
        }
        let udp = match (self.discovery.dht, self.needs_udp) {
            (false, _) => ports::Udp::Unused,
            (true, false) => ports::Udp::Wanted,
            (true, true) => ports::Udp::Needed,
        };
        ports::bind(&self.bind, self.port, udp)
    }

    /// The DHT's node, if there can be one, and the other end of its task.
    async fn start_dht(
        &self,
        port: u16,
        udp: Option<Result<Vec<Arc<UdpSocket>>, SocketAddr>>,
        closing: &CancellationToken,
    ) -> (Dht, Option<watch::Receiver<()>>) {
        let sockets = match udp {
            None => return (Dht::Off, None),
            Some(Err(address)) => {
                tracing::warn!(%address, "the UDP port is taken: there will be no DHT");
                return (Dht::PortInUse(address), None);
            }
            Some(Ok(sockets)) => sockets,
        };
        let place = Place {
            port,
            is_chosen: self.port != 0,
        };
        let (keeper, ids) = Keeper::open(self.dht_file(), place).await;
        let config = self.dht_config(ids);
        let (node, receivers) = dht::share(&sockets, config);
        for (socket, receivers) in sockets.into_iter().zip(receivers) {
            tokio::spawn(receivers.run(socket, closing.clone()));
        }
        let task = dht::Task {
            node: node.clone(),
            beginning: self.dht_beginning(),
            keeper,
            closing: closing.clone(),
        };
        (Dht::On(node), Some(task.start()))
    }

    fn dht_file(&self) -> Option<PathBuf> {
        match (&self.dht_state, &self.resume) {
            (Some(path), _) => Some(path.clone()),
            (None, ResumePolicy::Folder(folder)) => Some(folder.join("dht.state")),
            (None, _) => None,
        }
    }

    fn dht_config(&self, ids: dht::PerFamily<Option<dht::NodeId>>) -> headwater_dht::Config {
        headwater_dht::Config {
            state: headwater_dht::State {
                ids,
                nodes: Vec::new(),
            },
            read_only: self.dht_read_only,
            restrict_addresses: self
                .dht_restrict_addresses
                .unwrap_or_else(|| !self.is_local()),
            version: Some(VERSION),
            ..headwater_dht::Config::new(random_seed())
        }
    }

    fn dht_beginning(&self) -> Beginning {
        match &self.dht_bootstrap {
            Some(nodes) => Beginning::Nodes(nodes.clone()),
            None if self.is_local() => Beginning::Nodes(Vec::new()),
            None => Beginning::Routers(dht::default_routers()),
        }
    }

    /// Whether nobody but this machine can reach us.
    fn is_local(&self) -> bool {
        !self.bind.is_empty() && self.bind.iter().all(IpAddr::is_loopback)
    }

    /// Local discovery, unless nobody could connect to us.
    fn start_lsd(&self, port: u16, closing: &CancellationToken) -> Lsd {
        if !self.discovery.lsd || port == 0 {
            return Lsd::default();
        }
        let scope = Scope {
            bind: self.bind.clone(),
            loopback: self.lsd_on_loopback,
        };
        Lsd::start(port, scope, closing.clone())
    }

    /// Asks the gateway, where there is use in it.
    #[cfg(feature = "portmap")]
    fn start_port_mapper(
        &self,
        port: u16,
        addresses: &[SocketAddr],
        udp: bool,
        closing: &CancellationToken,
    ) -> PortMapper {
        let wanted = NonZeroU16::new(port).filter(|_| self.port_mapping);
        match wanted.zip(Routers::of(addresses, udp)) {
            Some((port, routers)) => PortMapper::start(port, routers, closing.clone()),
            None => PortMapper::default(),
        }
    }

    fn tracker_options(&self) -> ClientOptions {
        let v4 = self.bind.iter().find_map(|ip| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        });
        let v6 = self.bind.iter().find_map(|ip| match ip {
            IpAddr::V6(ip) => Some(*ip),
            IpAddr::V4(_) => None,
        });
        ClientOptions {
            user_agent: self.client.replace(' ', "/"),
            ipv4: self.bind.is_empty() || v4.is_some(),
            ipv6: self.bind.is_empty() || v6.is_some(),
            bind_v4: v4,
            bind_v6: v6,
            ..ClientOptions::default()
        }
    }
}

//! [`Session`]: many torrents behind one port.

mod accept;
mod adding;
mod builder;
mod descriptors;
mod listener;
mod ports;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use headwater_metainfo::{InfoHash, PeerId};
use headwater_store::{Pool, StorageError};
use headwater_swarm::Discovery;
use headwater_wire::ReadBuffers;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use builder::{SessionBuilder, SyncPolicy};

use crate::add::Add;
use crate::dht::{self, Dht, DhtHandle};
use crate::disk::DiskPool;
use crate::limit::Bucket;
use crate::lsd::Lsd;
use crate::peer::Dialler;
#[cfg(feature = "portmap")]
use crate::portmap::{PortMapper, PortMapping};
use crate::{AddError, Metainfo, ResumePolicy, Source, Torrent};

/// Nodes of the DHT at most that are taken from one torrent.
const MAX_DHT_NODES: usize = 16;

/// Many torrents behind one port, with limits that they share. A handle, cheap to clone.
///
/// Must be used inside of a tokio runtime with I/O and time. When the last handle is dropped, everything stops as with
/// [`shutdown`](Self::shutdown), but nobody waits for it: call that to be sure that data and resume data are on disk and
/// trackers are told.
#[derive(Debug, Clone)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    torrents: Registry,
    addresses: Vec<SocketAddr>,
    /// Closes when the DHT's nodes are kept.
    dht_closed: Option<watch::Receiver<()>>,
    defaults: Defaults,
    _stop_on_drop: DropGuard,
}

/// What torrents get unless they say otherwise.
#[derive(Debug)]
struct Defaults {
    peer_id: Option<PeerId>,
    max_peers: usize,
    trackers: bool,
    resume: ResumePolicy,
}

/// The torrents by info-hash; shared with the listeners, but not with the torrents.
#[derive(Debug, Clone, Default)]
struct Registry(Arc<Mutex<Torrents>>);

#[derive(Debug, Default)]
struct Torrents {
    by_hash: HashMap<InfoHash, Torrent>,
    is_closed: bool,
}

/// What every torrent of a session uses.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) disk: Arc<DiskPool>,
    pub(crate) files: Pool,
    pub(crate) tracker: headwater_tracker::Client,
    pub(crate) dialler: Dialler,
    /// Where we listen; 0 if we do not.
    pub(crate) port: u16,
    pub(crate) client: String,
    /// How any torrent may find peers.
    pub(crate) discovery: Discovery,
    pub(crate) lsd: Lsd,
    pub(crate) dht: Dht,
    #[cfg(feature = "portmap")]
    pub(crate) port_mapper: PortMapper,
    pub(crate) download_limit: Arc<Bucket>,
    pub(crate) upload_limit: Arc<Bucket>,
    pub(crate) buffers: ReadBuffers,
    pub(crate) write_back_bytes: usize,
    pub(crate) sync: SyncPolicy,
    pub(crate) check_threads: usize,
    /// One hash check at a time, so that disks are read in order.
    pub(crate) checks: Arc<Semaphore>,
    /// What a torrent may take to say goodbye.
    pub(crate) shutdown_timeout: Duration,
    /// The session is over.
    pub(crate) closing: CancellationToken,
}

/// A session's figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SessionStats {
    /// Torrents.
    pub torrents: usize,
    /// Payload bytes sent in this run.
    pub uploaded: u64,
    /// Payload bytes received in this run.
    pub downloaded: u64,
    /// Payload bytes a second, now.
    pub upload_rate: u64,
    /// Payload bytes a second, now.
    pub download_rate: u64,
    /// Connected peers of all torrents.
    pub peers: usize,
}

impl Session {
    /// Options for a session.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), headwater_session::SessionError> {
    /// use headwater_session::Session;
    ///
    /// let session = Session::builder().port(0).bind([127, 0, 0, 1]).start().await?;
    /// assert_ne!(session.port(), 0);
    /// session.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// The port on which it listens; 0 if it does not.
    pub fn port(&self) -> u16 {
        self.0.core.port
    }

    /// The addresses on which it listens.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.0.addresses
    }

    /// The port of the gateway that leads to ours, if it was [asked](SessionBuilder::port_mapping) for one and has granted it.
    /// Trackers are told that one. Needs the feature `portmap`.
    #[cfg(feature = "portmap")]
    pub fn port_mapping(&self) -> Option<PortMapping> {
        self.0.core.port_mapper.mapping()
    }

    /// The session's node of the DHT. There is a handle even if there is no node; it says so.
    pub fn dht(&self) -> DhtHandle {
        DhtHandle::new(self.0.core.dht.clone())
    }

    /// Adds a torrent: a path, a URL, a magnet link, bytes, or a [`Metainfo`]. Takes options; await it.
    pub fn add(&self, source: impl Into<Source>) -> Add {
        Add::new(self.clone(), source.into())
    }

    /// Every torrent, in no order.
    pub fn torrents(&self) -> Vec<Torrent> {
        let torrents = self.0.torrents.0.lock();
        torrents.by_hash.values().cloned().collect()
    }

    /// A torrent by its info-hash.
    pub fn torrent(&self, info_hash: InfoHash) -> Option<Torrent> {
        self.0.torrents.find(info_hash)
    }

    /// Stops a torrent and forgets it; its data stays. Returns when it has said goodbye, which is bounded in time.
    pub async fn remove(&self, torrent: &Torrent) {
        torrent.close();
        torrent.closed().await;
        self.0.torrents.forget(torrent);
    }

    /// [Removes](Self::remove) a torrent and deletes its data: every file of it, its part file and its resume data, and folders that
    /// this leaves empty, but never the base directory or what is not the torrent's.
    ///
    /// On an error the torrent is removed all the same, and its data is all there.
    pub async fn remove_with_data(&self, torrent: &Torrent) -> Result<(), StorageError> {
        torrent.close();
        torrent.closed().await;
        let (storage, resume) = (torrent.storage().cloned(), torrent.resume_path());
        let delete = move || {
            if let Some(storage) = storage {
                storage.delete(&mut |_| Ok(()))?;
            }
            if let Some(resume) = resume {
                // It claims nothing that its stamps do not take back.
                let _ = std::fs::remove_file(resume);
            }
            Ok(())
        };
        let deleted = self.0.core.disk.run(delete).await;
        self.0.torrents.forget(torrent);
        deleted
    }

    /// Bytes a second at most that all torrents together receive, everything on the wire counted; 0 = no limit.
    pub fn set_download_limit(&self, bytes_per_second: u64) {
        self.0.core.download_limit.set_rate(bytes_per_second);
    }

    /// Bytes a second at most that all torrents together send, everything on the wire counted; 0 = no limit.
    pub fn set_upload_limit(&self, bytes_per_second: u64) {
        self.0.core.upload_limit.set_rate(bytes_per_second);
    }

    /// The figures of all torrents together.
    pub fn stats(&self) -> SessionStats {
        let torrents = self.torrents();
        let mut sum = SessionStats {
            torrents: torrents.len(),
            ..SessionStats::default()
        };
        for stats in torrents.iter().map(Torrent::stats) {
            sum.uploaded += stats.session_uploaded;
            sum.downloaded += stats.session_downloaded;
            sum.upload_rate += stats.upload_rate;
            sum.download_rate += stats.download_rate;
            sum.peers += stats.peers;
        }
        sum
    }

    /// Ends everything: peers are closed, trackers are told, data is flushed, resume data is saved, files are closed.
    ///
    /// Bounded by [`SessionBuilder::shutdown_timeout`], whatever trackers and disks do: all torrents say goodbye side
    /// by side. Nothing can be added afterwards.
    pub async fn shutdown(&self) {
        self.0.core.closing.cancel();
        let torrents = self.0.torrents.close();
        let goodbyes = async {
            for torrent in &torrents {
                torrent.closed().await;
            }
        };
        // Torrents keep to the bound by themselves, unless a callback holds them up.
        let bound = self.0.core.shutdown_timeout + Duration::from_secs(1);
        if tokio::time::timeout(bound, goodbyes).await.is_err() {
            tracing::warn!("some torrents did not end in time");
        }
        // They have been at it since the beginning.
        if let Some(closed) = &self.0.dht_closed {
            // Nothing is ever sent: it is an error once the task is gone.
            let _ = closed.clone().changed().await;
        }
        #[cfg(feature = "portmap")]
        self.0.core.port_mapper.closed().await;
    }

    /// The addresses of this machine that it is bound to.
    pub(crate) fn bind(&self) -> &[IpAddr] {
        &self.0.core.dialler.bind
    }
}

impl Core {
    /// Tells the DHT's node of those that a torrent names (BEP 5), in the background.
    fn learn_dht_nodes(&self, metainfo: &Metainfo, allowed: Discovery) {
        let of_torrent = Discovery::of_torrent(metainfo.info().is_private());
        let Some(node) = self.dht.node() else {
            return;
        };
        let names: Vec<_> = metainfo
            .nodes()
            .iter()
            .take(MAX_DHT_NODES)
            .cloned()
            .collect();
        if names.is_empty() || !(self.discovery & allowed & of_torrent).dht {
            return;
        }
        let (node, closing) = (node.clone(), self.closing.clone());
        tokio::spawn(async move {
            tokio::select! {
                addresses = dht::resolve(&names) => node.add_nodes(addresses),
                () = closing.cancelled() => {}
            }
        });
    }

    /// The port at which peers reach us from outside: the gateway's, if it has one for us.
    pub(crate) fn public_port(&self) -> u16 {
        #[cfg(feature = "portmap")]
        if let Some(mapping) = self.port_mapper.mapping() {
            return mapping.external_port.get();
        }
        self.port
    }
}

impl Registry {
    fn find(&self, info_hash: InfoHash) -> Option<Torrent> {
        self.0.lock().by_hash.get(&info_hash).cloned()
    }

    fn check_free(&self, info_hash: InfoHash) -> Result<(), AddError> {
        let torrents = self.0.lock();
        if torrents.is_closed {
            return Err(AddError::Closed);
        }
        if torrents.by_hash.contains_key(&info_hash) {
            return Err(AddError::AlreadyAdded(info_hash));
        }
        Ok(())
    }

    /// Makes and keeps a torrent, unless there is one of that hash.
    fn insert(
        &self,
        info_hash: InfoHash,
        make: impl FnOnce() -> Torrent,
    ) -> Result<Torrent, AddError> {
        let mut torrents = self.0.lock();
        if torrents.is_closed {
            return Err(AddError::Closed);
        }
        match torrents.by_hash.entry(info_hash) {
            Entry::Occupied(_) => Err(AddError::AlreadyAdded(info_hash)),
            Entry::Vacant(place) => Ok(place.insert(make()).clone()),
        }
    }

    fn forget(&self, torrent: &Torrent) {
        self.0.lock().by_hash.remove(&torrent.info_hash());
    }

    /// Every torrent; none can be added any more.
    fn close(&self) -> Vec<Torrent> {
        let mut torrents = self.0.lock();
        torrents.is_closed = true;
        torrents.by_hash.values().cloned().collect()
    }
}

//! [`Session`]: many torrents behind one port.

mod accept;
mod builder;
mod descriptors;
mod listener;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use headwater_metainfo::{HostPort, Info, InfoHash, Magnet, Metainfo, PeerId, SafePath};
use headwater_store::{Pool, StorageError};
use headwater_swarm::Discovery;
use headwater_wire::ReadBuffers;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use builder::{SessionBuilder, SyncPolicy};

use crate::add::{Add, Options};
use crate::disk::DiskPool;
use crate::event::Listeners;
use crate::limit::Bucket;
use crate::lsd::Lsd;
use crate::open::Opening;
use crate::peer::Dialler;
#[cfg(feature = "portmap")]
use crate::portmap::{PortMapper, PortMapping};
use crate::torrent::{Content, Control, Identity, Origin, Pieces, Shared, Whereabouts};
use crate::{AddError, Events, ResumePolicy, Source, Torrent, driver, generate_peer_id, unknown};

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
        // It has been at it since the beginning.
        #[cfg(feature = "portmap")]
        self.0.core.port_mapper.closed().await;
    }

    /// The addresses of this machine that it is bound to.
    pub(crate) fn bind(&self) -> &[IpAddr] {
        &self.0.core.dialler.bind
    }

    /// Adds a torrent that has been read.
    pub(crate) async fn add_loaded(
        &self,
        metainfo: &Metainfo,
        mut options: Options,
    ) -> Result<(Torrent, Events), AddError> {
        let info_hash = metainfo.info_hashes().primary();
        self.0.torrents.check_free(info_hash)?;
        let policy = self.settle_resume(&mut options, info_hash);
        let link = Link {
            trackers: metainfo.trackers().to_vec(),
            peers: Vec::new(),
        };
        self.add_known(metainfo.info().clone(), link, policy, options)
            .await
    }

    /// Adds a torrent of which only a magnet link is known, unless an earlier run got to know more.
    pub(crate) async fn add_magnet(
        &self,
        magnet: Magnet,
        mut options: Options,
    ) -> Result<(Torrent, Events), AddError> {
        let hashes = magnet.info_hashes;
        let info_hash = hashes.v1().ok_or(AddError::V2Only)?;
        self.0.torrents.check_free(info_hash)?;
        let policy = self.settle_resume(&mut options, info_hash);
        options
            .opening
            .selection
            .linked
            .clone_from(&magnet.selected_files);
        let link = Link {
            trackers: magnet
                .trackers
                .iter()
                .map(|url| vec![url.clone()])
                .collect(),
            peers: magnet.peers.clone(),
        };
        let look = move || (options.opening.kept_metadata(hashes), options);
        let (kept, options) = self.0.core.disk.run(look).await;
        match kept {
            Some(info) => self.add_known(info, link, policy, options).await,
            None => self.add_unknown(&magnet, link, policy, options),
        }
    }

    fn settle_resume(&self, options: &mut Options, info_hash: InfoHash) -> ResumePolicy {
        let policy = options.take_resume_policy(&self.0.defaults.resume);
        options.opening.keep_resume(&policy, info_hash);
        policy
    }

    /// Adds a torrent of which it is known what it holds.
    async fn add_known(
        &self,
        info: Arc<Info>,
        link: Link,
        resume_policy: ResumePolicy,
        options: Options,
    ) -> Result<(Torrent, Events), AddError> {
        let pool = self.0.core.files.clone();
        let open = {
            let (info, mut options) = (info.clone(), options);
            move || (options.opening.open(&info, pool), options)
        };
        let (opened, options) = self.0.core.disk.run(open).await;
        let opened = opened?;
        let whereabouts = Whereabouts {
            dir: options.opening.dir.clone(),
            renamed: opened.start.renamed().into_iter().collect(),
            resume: opened.start.path.clone(),
        };
        let content = Content {
            info: info.clone(),
            storage: opened.storage,
        };
        let known = Known {
            identity: Identity {
                hashes: info.info_hashes(),
                name: info.name().to_owned(),
            },
            content: Some(content.clone()),
            pieces: opened.pieces,
            whereabouts,
        };
        let loaded = Box::new(opened.start);
        let start = driver::Start::Known { loaded, content };
        self.start(known, start, link, resume_policy, options)
    }

    /// Adds a torrent whose peers have to say what it holds.
    fn add_unknown(
        &self,
        magnet: &Magnet,
        link: Link,
        resume_policy: ResumePolicy,
        mut options: Options,
    ) -> Result<(Torrent, Events), AddError> {
        let hashes = magnet.info_hashes;
        let name = match &magnet.name {
            Some(name) => SafePath::new([name]).as_str().to_owned(),
            None => hashes.primary().to_string(),
        };
        let opening = std::mem::replace(&mut options.opening, Opening::new());
        let known = Known {
            identity: Identity { hashes, name },
            content: None,
            pieces: Pieces::new(unknown::info().clone(), [1].into()),
            whereabouts: Whereabouts {
                dir: opening.dir.clone(),
                ..Whereabouts::default()
            },
        };
        options.opening.read_only = opening.read_only;
        let start = driver::Start::Unknown(Box::new(opening));
        self.start(known, start, link, resume_policy, options)
    }

    /// Starts a torrent's loop.
    fn start(
        &self,
        known: Known,
        start: driver::Start,
        link: Link,
        resume_policy: ResumePolicy,
        options: Options,
    ) -> Result<(Torrent, Events), AddError> {
        let Inner {
            core,
            torrents,
            defaults,
            ..
        } = &*self.0;
        let info_hash = known.identity.hashes.primary();
        let parts = driver::Parts {
            core: core.clone(),
            resume_policy,
            trackers: if defaults.trackers && options.trackers {
                link.trackers
            } else {
                Vec::new()
            },
            trust_trackers: options.trust_trackers.unwrap_or_default(),
            read_only: options.opening.read_only,
            max_peers: defaults.max_peers,
            linked_peers: link.peers,
            shared: Arc::new(Shared::new(defaults.origin(options, known))),
        };
        let events = parts.shared.listeners.subscribe();
        let torrent = torrents.insert(info_hash, || driver::spawn(parts, start))?;
        Ok((torrent, events))
    }
}

/// Where others that have a torrent are to be found.
struct Link {
    trackers: Vec<Vec<String>>,
    peers: Vec<HostPort>,
}

/// What is known of a torrent that is added.
struct Known {
    identity: Identity,
    content: Option<Content>,
    pieces: Pieces,
    whereabouts: Whereabouts,
}

impl Core {
    /// The port at which peers reach us from outside: the gateway's, if it has one for us.
    pub(crate) fn public_port(&self) -> u16 {
        #[cfg(feature = "portmap")]
        if let Some(mapping) = self.port_mapper.mapping() {
            return mapping.external_port.get();
        }
        self.port
    }
}

impl Defaults {
    fn origin(&self, options: Options, known: Known) -> Origin {
        Origin {
            identity: known.identity,
            content: known.content,
            peer_id: options
                .peer_id
                .or(self.peer_id)
                .unwrap_or_else(generate_peer_id),
            whereabouts: known.whereabouts,
            download_limit: options.download_limit,
            upload_limit: options.upload_limit,
            pieces: known.pieces,
            control: Control {
                state: options.state,
                sequential: options.sequential,
                super_seeding: options.super_seeding,
                discovery: options.discovery,
                max_peers: options.max_peers,
                peers: options.peers,
                revision: 1,
                ..Control::default()
            },
            listeners: Listeners::new(options.callbacks),
        }
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

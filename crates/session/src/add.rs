//! [`Add`]: how a torrent is to be added.

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use headwater_metainfo::{FileIndex, Info, PeerId, PieceIndex};
use headwater_store::{Allocation, ResumeData, Storage, StorageError};

use crate::event::Callbacks;
use crate::open::{Backend, Opening, absolute};
use crate::{
    AddError, Discovery, Events, ResumePolicy, Session, Source, State, SuperSeeding, Torrent,
};

/// A torrent that is about to be added: options, then `.await`.
///
/// ```no_run
/// # async fn example(session: headwater_session::Session) -> Result<(), Box<dyn std::error::Error>> {
/// let torrent = session.add("debian.iso.torrent").dir("/srv/iso").await?;
/// torrent.wait_complete().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a torrent is added when this is awaited"]
pub struct Add {
    session: Session,
    source: Source,
    pub(crate) options: Options,
}

pub(crate) struct Options {
    pub(crate) opening: Opening,
    pub(crate) state: State,
    pub(crate) sequential: bool,
    pub(crate) super_seeding: SuperSeeding,
    pub(crate) discovery: Discovery,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) trackers: bool,
    /// Unless the user said so: whether the torrent is the user's own and not from elsewhere.
    pub(crate) trust_trackers: Option<bool>,
    resume_policy: Option<ResumePolicy>,
    pub(crate) peer_id: Option<PeerId>,
    pub(crate) max_peers: Option<usize>,
    pub(crate) download_limit: u64,
    pub(crate) upload_limit: u64,
    pub(crate) callbacks: Callbacks,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            opening: Opening::new(),
            state: State::Active,
            sequential: false,
            super_seeding: SuperSeeding::default(),
            discovery: Discovery::ALL,
            peers: Vec::new(),
            trackers: true,
            trust_trackers: None,
            resume_policy: None,
            peer_id: None,
            max_peers: None,
            download_limit: 0,
            upload_limit: 0,
            callbacks: Callbacks::default(),
        }
    }
}

impl Add {
    pub(crate) fn new(session: Session, source: Source) -> Self {
        Self {
            session,
            source,
            options: Options::default(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// The base directory; a torrent of several files gets its own folder below it. Unless given: the current directory
    /// at the time of the call.
    pub fn dir(self, dir: impl Into<PathBuf>) -> Self {
        self.with(|options| options.opening.dir = absolute(dir.into()))
    }

    /// What it starts with; [`State::Active`] unless given. A stopped torrent takes over its resume data, and checks and
    /// creates nothing before it is started.
    pub fn state(self, state: State) -> Self {
        self.with(|options| options.state = state)
    }

    /// Every file's priority, in order: 0 = skip, 1 = normal, higher = first. Files past the end of the list are normal.
    pub fn priorities(self, priorities: impl Into<Vec<u32>>) -> Self {
        self.with(|options| options.opening.selection.priorities = priorities.into())
    }

    /// One file's priority.
    pub fn priority(self, file: FileIndex, priority: u32) -> Self {
        self.with(|options| options.opening.selection.priority_of.push((file, priority)))
    }

    /// Decides about the files when it is known what the torrent holds: for magnet links, that is when the metadata has come
    /// ([`Event::MetadataReceived`](crate::Event::MetadataReceived)), and before anything else is asked for. Gives every file's
    /// priority, in order, as in [`priorities`](Self::priorities), in whose place it comes. What it refuses fails with
    /// [`SelectionError::Refused`](crate::SelectionError::Refused).
    ///
    /// ```no_run
    /// # async fn example(session: headwater_session::Session, link: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let torrent = session
    ///     .add(link)
    ///     .choose_files(|info| {
    ///         let files = info.layout().files().iter();
    ///         Ok(files.map(|file| u32::from(file.path().as_str().ends_with(".mkv"))).collect())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn choose_files(
        self,
        choose: impl FnOnce(&Info) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>>
        + Send
        + 'static,
    ) -> Self {
        self.with(|options| options.opening.selection.choose = Some(Box::new(choose)))
    }

    /// Fetch pieces in order instead of the rarest first.
    pub fn sequential(self, sequential: bool) -> Self {
        self.with(|options| options.sequential = sequential)
    }

    /// When it super-seeds (BEP 16); unless given, by itself, when it finds that it is its swarm's only seed.
    pub fn super_seeding(self, mode: SuperSeeding) -> Self {
        self.with(|options| options.super_seeding = mode)
    }

    /// How it may find peers, as far as the session allows it too; every way unless given. A private torrent uses none (BEP 27).
    pub fn discovery(self, discovery: Discovery) -> Self {
        self.with(|options| options.discovery = discovery)
    }

    /// Connect to these peers, beside those that trackers name.
    pub fn peers(self, peers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.with(|options| options.peers.extend(peers))
    }

    /// Whether the torrent's trackers are asked; they are unless this or the session says otherwise.
    pub fn trackers(self, trackers: bool) -> Self {
        self.with(|options| options.trackers = trackers)
    }

    /// Whether the torrent's trackers may be anything, or are named by a stranger: then one on loopback or in a private
    /// network is announced to without the query that its URL has, so that a torrent cannot make us say what it likes to
    /// servers that only we reach. Unless given: trusted, but for magnet links and torrents from a [URL](Source::Url).
    pub fn trust_trackers(self, trust: bool) -> Self {
        self.with(|options| options.trust_trackers = Some(trust))
    }

    /// Go on from this. What it says of a file holds only as long as the file is as it was then; the rest is checked.
    pub fn resume(self, data: ResumeData) -> Self {
        self.with(|options| options.opening.resume = Some(data))
    }

    /// Where it keeps its resume data by itself; the session's choice unless given.
    pub fn resume_policy(self, policy: ResumePolicy) -> Self {
        self.with(|options| options.resume_policy = Some(policy))
    }

    /// Seed in place: files are opened for reading only, nothing is written, created or downloaded.
    pub fn read_only(self, read_only: bool) -> Self {
        self.with(|options| options.opening.read_only = read_only)
    }

    /// Take every file that has its full length for right, without a check.
    pub fn trust(self, trust: bool) -> Self {
        self.with(|options| options.opening.trust = trust)
    }

    /// When space on the disk is taken: all at the start (the default), or as data comes.
    pub fn allocation(self, allocation: Allocation) -> Self {
        self.with(|options| options.opening.allocation = allocation)
    }

    /// Our name in its swarm; a [fresh one](crate::generate_peer_id) unless given.
    pub fn peer_id(self, peer_id: PeerId) -> Self {
        self.with(|options| options.peer_id = Some(peer_id))
    }

    /// Connections at most; the session's choice unless given.
    pub fn max_peers(self, max_peers: usize) -> Self {
        self.with(|options| options.max_peers = Some(max_peers))
    }

    /// Bytes a second at most that it receives, everything on the wire counted; 0 = no limit but the session's.
    pub fn download_limit(self, bytes_per_second: u64) -> Self {
        self.with(|options| options.download_limit = bytes_per_second)
    }

    /// Bytes a second at most that it sends, everything on the wire counted; 0 = no limit but the session's.
    pub fn upload_limit(self, bytes_per_second: u64) -> Self {
        self.with(|options| options.upload_limit = bytes_per_second)
    }

    /// Another back end than files below [`dir`](Self::dir), such as [`MemoryStorage`](crate::MemoryStorage).
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use headwater_session::{MemoryStorage, Session};
    /// # async fn example(session: Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let in_memory = session
    ///     .add("small.torrent")
    ///     .storage(|info| Ok(Arc::new(MemoryStorage::new(info.layout()))))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn storage(
        self,
        make: impl FnOnce(&Arc<Info>) -> Result<Arc<dyn Storage>, StorageError> + Send + 'static,
    ) -> Self {
        self.with(|options| options.opening.backend = Backend::Custom(Box::new(make)))
    }

    /// Called with each piece that passed, after it is on disk, be it downloaded or found by a check. On the torrent's loop:
    /// be quick.
    pub fn on_hash_pass(self, callback: impl Fn(PieceIndex) + Send + Sync + 'static) -> Self {
        self.with(|options| options.callbacks.on_hash_pass = Some(Box::new(callback)))
    }

    /// Called with each piece that failed, be it downloaded or checked. On the torrent's loop: be quick.
    pub fn on_hash_fail(self, callback: impl Fn(PieceIndex) + Send + Sync + 'static) -> Self {
        self.with(|options| options.callbacks.on_hash_fail = Some(Box::new(callback)))
    }

    /// Adds the torrent, and gives its events from the very first on.
    ///
    /// Like awaiting, it returns at once for magnet links: [`Torrent::metadata`] waits until it is known what they hold.
    pub async fn start_with_events(self) -> Result<(Torrent, Events), AddError> {
        let Self {
            session,
            source,
            mut options,
        } = self;
        options
            .trust_trackers
            .get_or_insert(!source.is_from_elsewhere());
        match source.into_magnet()? {
            Ok(magnet) => session.add_magnet(*magnet, options).await,
            Err(source) => {
                let metainfo = source.load_from(session.bind()).await?;
                session.add_loaded(&metainfo, options).await
            }
        }
    }
}

impl IntoFuture for Add {
    type Output = Result<Torrent, AddError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { Ok(self.start_with_events().await?.0) })
    }
}

impl std::fmt::Debug for Add {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Add")
            .field("source", &self.source)
            .field("dir", &self.options.opening.dir)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Where it keeps its resume data by itself.
    pub(crate) fn take_resume_policy(&mut self, session: &ResumePolicy) -> ResumePolicy {
        let policy = self.resume_policy.take();
        policy.unwrap_or_else(|| session.clone())
    }
}

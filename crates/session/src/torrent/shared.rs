//! What a torrent's handles and its loop share. Every lock is held for a moment only, so that no getter waits for the loop.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use headwater_metainfo::{
    FileEntry, FileIndex, Info, InfoHash, InfoHashes, PeerId, PieceIndex, SafePath,
};
use headwater_store::{Contents, Storage};
use headwater_swarm::{Discovery, PeerSnapshot, Stats as SwarmStats, SuperSeeding};
use headwater_tracker::TierSnapshot;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::pieces::Pieces;
use crate::event::{Event, Listeners};
use crate::limit::Bucket;
use crate::{Detail, Progress, State, TorrentError, unknown};

pub(crate) struct Shared {
    /// Set once, when the metadata is there.
    content: OnceLock<Content>,
    identity: Identity,
    pub(crate) info_hash: InfoHash,
    pub(crate) peer_id: PeerId,
    /// Where its files are. Changed by the loop.
    pub(crate) whereabouts: Mutex<Whereabouts>,
    pub(crate) listeners: Listeners,
    pub(crate) download_limit: Arc<Bucket>,
    pub(crate) upload_limit: Arc<Bucket>,
    /// What is had and wanted. Changed by the loop for each piece, and by handles for priorities.
    pub(crate) pieces: Mutex<Pieces>,
    /// Figures as the loop last published them.
    pub(crate) published: Mutex<Published>,
    /// Somebody has looked at the peers since they were published.
    pub(crate) peers_asked_for: AtomicBool,
    pub(crate) check: CheckProgress,
    /// Whether peers may know that we are a node of the DHT. Changed by the loop.
    uses_dht: AtomicBool,
    control: Mutex<Control>,
    control_changed: Notify,
    status: watch::Sender<Status>,
}

/// What a torrent holds, and where its data is.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) info: Arc<Info>,
    pub(crate) storage: Arc<dyn Storage>,
}

/// What is known of a torrent from the start.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) hashes: InfoHashes,
    /// What to call it, until it says so itself.
    pub(crate) name: String,
}

/// Where a torrent's files are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whereabouts {
    /// The base directory, absolute.
    pub(crate) dir: PathBuf,
    /// Files that lie elsewhere below it than the torrent says.
    pub(crate) renamed: BTreeMap<FileIndex, SafePath>,
    /// Where resume data is kept.
    pub(crate) resume: Option<PathBuf>,
}

impl Whereabouts {
    /// Where a file is or will be.
    pub(crate) fn path(&self, file: FileIndex, entry: &FileEntry) -> PathBuf {
        let path = self.renamed.get(&file).unwrap_or_else(|| entry.path());
        path.under(&self.dir)
    }
}

/// What the user wants of a torrent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    /// Grows with each change.
    pub(crate) revision: u64,
    pub(crate) state: State,
    /// Grows with each wish to go on after a failure.
    pub(crate) retries: u64,
    /// Grows with each change of the files' priorities.
    pub(crate) priorities: u64,
    pub(crate) sequential: bool,
    pub(crate) super_seeding: SuperSeeding,
    pub(crate) discovery: Discovery,
    pub(crate) max_peers: Option<usize>,
    /// Peers to connect to; the loop takes them.
    pub(crate) peers: Vec<SocketAddr>,
    /// Trackers are to be asked as soon as they allow; the loop takes it.
    pub(crate) announce: bool,
    /// The torrent is to end.
    pub(crate) close: bool,
}

/// Figures that the loop publishes from time to time.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) stats: SwarmStats,
    /// Payload bytes of earlier runs.
    pub(crate) earlier: Transferred,
    pub(crate) peers: Arc<[PeerSnapshot]>,
    pub(crate) trackers: Arc<[TierSnapshot]>,
}

/// Payload bytes in both directions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Transferred {
    pub(crate) uploaded: u64,
    pub(crate) downloaded: u64,
}

/// Where a torrent stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status {
    pub(crate) has_metadata: bool,
    /// All that is wanted is there, and the files are finished.
    pub(crate) is_complete: bool,
    pub(crate) failure: Option<TorrentError>,
    pub(crate) phase: Phase,
    /// The revision of [`Control`] that has wholly taken effect.
    pub(crate) settled: u64,
    pub(crate) is_closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    #[default]
    Starting,
    Working,
    Stopping,
    Stopped,
}

/// How far the running hash check is.
#[derive(Debug, Default)]
pub(crate) struct CheckProgress {
    done: AtomicU32,
    /// 0 while nothing is checked.
    total: AtomicU32,
}

impl CheckProgress {
    pub(crate) fn begin(&self, total: u32) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, pieces: u32) {
        self.done.fetch_add(pieces, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.total.store(0, Ordering::Relaxed);
    }

    fn get(&self) -> Option<Progress> {
        let total = self.total.load(Ordering::Relaxed);
        let done = self.done.load(Ordering::Relaxed).min(total);
        (total > 0).then_some(Progress { done, total })
    }
}

/// What a torrent's shared part is made of.
pub(crate) struct Origin {
    pub(crate) identity: Identity,
    pub(crate) content: Option<Content>,
    pub(crate) peer_id: PeerId,
    pub(crate) whereabouts: Whereabouts,
    pub(crate) listeners: Listeners,
    pub(crate) download_limit: u64,
    pub(crate) upload_limit: u64,
    pub(crate) pieces: Pieces,
    pub(crate) control: Control,
}

impl Shared {
    pub(crate) fn new(origin: Origin) -> Self {
        let shared = Self {
            content: OnceLock::new(),
            info_hash: origin.identity.hashes.primary(),
            identity: origin.identity,
            peer_id: origin.peer_id,
            whereabouts: Mutex::new(origin.whereabouts),
            listeners: origin.listeners,
            download_limit: Arc::new(Bucket::new(origin.download_limit)),
            upload_limit: Arc::new(Bucket::new(origin.upload_limit)),
            pieces: Mutex::new(origin.pieces),
            published: Mutex::default(),
            peers_asked_for: AtomicBool::new(false),
            check: CheckProgress::default(),
            uses_dht: AtomicBool::new(false),
            control: Mutex::new(origin.control),
            control_changed: Notify::new(),
            status: watch::Sender::default(),
        };
        if let Some(content) = origin.content {
            shared.set_content(content);
        }
        shared
    }

    /// The metadata is there. What handles see of the pieces must be so already.
    pub(crate) fn set_content(&self, content: Content) {
        let _ = self.content.set(content);
        self.set_status(|status| status.has_metadata = true);
    }

    /// What the torrent holds, and where, if that is known.
    pub(crate) fn content(&self) -> Option<&Content> {
        self.content.get()
    }

    /// What the torrent holds; an empty file as long as that is not known.
    pub(crate) fn info(&self) -> &Arc<Info> {
        match self.content.get() {
            Some(content) => &content.info,
            None => unknown::info(),
        }
    }

    pub(crate) fn has_metadata(&self) -> bool {
        self.content.get().is_some()
    }

    /// Its hashes, as far as they are known.
    pub(crate) fn hashes(&self) -> InfoHashes {
        let known = self.content.get().map(|it| it.info.info_hashes());
        known.unwrap_or(self.identity.hashes)
    }

    pub(crate) fn name(&self) -> &str {
        let known = self.content.get().map(|it| it.info.name());
        known.unwrap_or(&self.identity.name)
    }

    /// Changes what is wanted; the loop hears of it.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Control)) {
        let mut control = self.control.lock();
        change(&mut control);
        control.revision += 1;
        drop(control);
        self.control_changed.notify_one();
    }

    /// Has the loop look, and publish its figures.
    pub(crate) fn nudge(&self) {
        self.control_changed.notify_one();
    }

    /// Resolves when something has changed since the last time. For the loop alone.
    pub(crate) async fn changed(&self) {
        self.control_changed.notified().await;
    }

    /// What is wanted, with what is to be done once taken out. For the loop alone.
    pub(crate) fn take_control(&self) -> Control {
        let mut control = self.control.lock();
        let taken = control.clone();
        control.peers.clear();
        control.announce = false;
        taken
    }

    /// The state that the user wants.
    pub(crate) fn state(&self) -> State {
        self.control.lock().state
    }

    pub(crate) fn uses_dht(&self) -> bool {
        self.uses_dht.load(Ordering::Relaxed)
    }

    pub(crate) fn set_uses_dht(&self, uses_dht: bool) {
        self.uses_dht.store(uses_dht, Ordering::Relaxed);
    }

    pub(crate) fn is_told_to_close(&self) -> bool {
        self.control.lock().close
    }

    pub(crate) fn revision(&self) -> u64 {
        self.control.lock().revision
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Changes the status; whoever waits for it looks again.
    pub(crate) fn set_status(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(change);
    }

    /// Where it stands, and the revision of [`Control`] that has taken effect, if one has.
    pub(crate) fn set_phase(&self, phase: Phase, settled: Option<u64>) {
        self.status.send_if_modified(|status| {
            let settled = settled.unwrap_or(status.settled);
            let changed = (status.phase, status.settled) != (phase, settled);
            (status.phase, status.settled) = (phase, settled);
            changed
        });
    }

    /// Whether all that is wanted is there and that has not been noted.
    pub(crate) fn is_about_to_complete(&self) -> bool {
        self.pieces.lock().is_complete() && !self.status.borrow().is_complete
    }

    /// Notes whether all that is wanted is there; whether it is, and was not before.
    pub(crate) fn note_complete(&self) -> bool {
        // Held, so that a handle that changes priorities has the last word.
        let pieces = self.pieces.lock();
        let mut became_complete = false;
        self.status.send_if_modified(|status| {
            let was_complete = std::mem::replace(&mut status.is_complete, pieces.is_complete());
            became_complete = status.is_complete && !was_complete;
            status.is_complete != was_complete
        });
        became_complete
    }

    /// The info-hash as the store has it.
    pub(crate) fn store_hash(&self) -> InfoHash {
        Contents::info_hash(&**self.info())
    }

    pub(crate) fn detail(&self) -> Detail {
        let (failure, phase) = {
            let status = self.status.borrow();
            (status.failure.clone(), status.phase)
        };
        if let Some(progress) = self.check.get() {
            return Detail::Checking(progress);
        }
        match (failure, phase, self.state()) {
            (Some(error), ..) => Detail::Failed(error),
            (None, Phase::Starting, State::Active | State::Paused) => Detail::Starting,
            (None, Phase::Stopping, _)
            | (None, Phase::Starting | Phase::Working, State::Stopped) => Detail::Stopping,
            (None, Phase::Stopped, _) | (None, _, State::Paused) => Detail::Idle,
            (None, Phase::Working, State::Active) if !self.has_metadata() => {
                Detail::FetchingMetadata
            }
            (None, Phase::Working, State::Active) if self.pieces.lock().is_complete() => {
                Detail::Seeding
            }
            (None, Phase::Working, State::Active) => Detail::Downloading,
        }
    }

    /// Notes that a piece is had or not, and tells; whether that is news.
    pub(crate) fn piece_checked(&self, piece: PieceIndex, passed: bool) -> bool {
        let changed = self.pieces.lock().set_have(piece, passed);
        self.listeners.tell(&if passed {
            Event::PiecePassed(piece)
        } else {
            Event::PieceFailed(piece)
        });
        changed
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Torrent")
            .field("info_hash", &self.info_hash)
            .field("name", &self.name())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

//! [`Torrent`]: a handle of a torrent in a session.

mod hashcheck;
mod pieces;
mod places;
mod shared;
mod snapshot;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use headwater_metainfo::{Bitfield, FileIndex, Info, InfoHash, InfoHashes, PeerId};
use headwater_store::{ResumeData, Storage};
use headwater_swarm::{Discovery, SuperSeeding};
use headwater_tracker::TierSnapshot;
use tokio::sync::{mpsc, oneshot};

pub use hashcheck::{Check, CheckReport, Hashcheck};
pub(crate) use hashcheck::{CheckOrder, Tally};
pub(crate) use pieces::Pieces;
pub(crate) use shared::{
    Content, Control, Identity, Origin, Phase, Shared, Status, Transferred, Whereabouts,
};
pub use snapshot::{FileInfo, PeerInfo, Stats};

use crate::driver::{Command, Input};
use crate::{Closed, Detail, Events, HashcheckError, NoSuchFile, State, TorrentError, WaitError};

/// A torrent in a session: a handle, cheap to clone.
///
/// No getter waits for the network, for a disk, or for the torrent's own loop. What changes what the torrent does
/// ([`start`](Self::start), [`set_priority`](Self::set_priority), ...) is noted at once, shows in the getters at once, and takes
/// effect in the background; [`settled`](Self::settled) waits for that. Dropping a future loses nothing, and
/// dropping the handle changes nothing: the torrent belongs to its [`Session`](crate::Session).
#[derive(Debug, Clone)]
pub struct Torrent(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    inputs: mpsc::UnboundedSender<Input>,
}

impl Torrent {
    pub(crate) fn new(
        shared: Arc<Shared>,
        commands: mpsc::Sender<Command>,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> Self {
        Self(Arc::new(Handle {
            shared,
            commands,
            inputs,
        }))
    }

    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Where its data is, if there can be any.
    pub(crate) fn storage(&self) -> Option<&Arc<dyn Storage>> {
        self.shared().content().map(|content| &content.storage)
    }

    /// Where it keeps its resume data by itself.
    pub(crate) fn resume_path(&self) -> Option<PathBuf> {
        self.shared().whereabouts.lock().resume.clone()
    }

    pub(crate) fn uses_dht(&self) -> bool {
        self.shared().uses_dht()
    }

    pub(crate) fn inputs(&self) -> &mpsc::UnboundedSender<Input> {
        &self.0.inputs
    }
}

/// What it is.
impl Torrent {
    /// Everything that the info-hash stands for. `None` for a magnet link, as long as its metadata has not come.
    pub fn info(&self) -> Option<&Arc<Info>> {
        self.shared().content().map(|content| &content.info)
    }

    /// Waits until it is known what the torrent holds: for a magnet link, until peers have sent that. Its
    /// [`raw`](Info::raw) bytes have the torrent's info-hash, and make a torrent file: see [`Metainfo::from_magnet`].
    ///
    /// Returns early if the torrent fails or is removed; not if it is paused or stopped.
    ///
    /// [`Metainfo::from_magnet`]: crate::Metainfo::from_magnet
    pub async fn metadata(&self) -> Result<Arc<Info>, WaitError> {
        let mut status = self.shared().status();
        let over =
            |status: &Status| status.has_metadata || status.failure.is_some() || status.is_closed;
        let status = status.wait_for(over).await.map_err(|_| WaitError::Closed)?;
        match (self.info(), &status.failure) {
            (Some(info), _) => Ok(info.clone()),
            (None, Some(error)) => Err(error.clone().into()),
            (None, None) => Err(WaitError::Closed),
        }
    }

    /// The hash that names it, of the raw bytes: v1 where there is one.
    pub fn info_hash(&self) -> InfoHash {
        self.shared().info_hash
    }

    /// All of its hashes: v1, v2 or both. Those of the magnet link, as long as nothing else is known.
    pub fn info_hashes(&self) -> InfoHashes {
        self.shared().hashes()
    }

    /// Our name in its swarm.
    pub fn peer_id(&self) -> PeerId {
        self.shared().peer_id
    }

    /// Its name, safe for file systems. Without metadata: the name that the magnet link gives it, or else the info-hash.
    pub fn name(&self) -> &str {
        self.shared().name()
    }

    /// Its name as the torrent has it; empty without metadata. **Not safe as a path.**
    pub fn raw_name(&self) -> &[u8] {
        self.info().map_or(&[], |info| info.raw_name())
    }

    /// Bytes of all files together; 0 without metadata.
    pub fn size(&self) -> u64 {
        self.info().map_or(0, |info| info.geometry().total_size())
    }

    /// Bytes of a piece; the last one may be shorter. 0 without metadata.
    pub fn piece_length(&self) -> u32 {
        self.info().map_or(0, |info| info.geometry().piece_length())
    }

    /// Pieces; 0 without metadata.
    pub fn piece_count(&self) -> u32 {
        self.info().map_or(0, |info| info.geometry().piece_count())
    }

    /// The base directory, absolute. A torrent of several files has its own folder below it.
    pub fn dir(&self) -> PathBuf {
        self.shared().whereabouts.lock().dir.clone()
    }
}

/// How it stands.
impl Torrent {
    /// What it is told to do.
    pub fn state(&self) -> State {
        self.shared().state()
    }

    /// What it is doing within its state: checking, downloading, failed, ...
    pub fn detail(&self) -> Detail {
        self.shared().detail()
    }

    /// Why it does not work, if the disk failed.
    pub fn error(&self) -> Option<TorrentError> {
        self.shared().status().borrow().failure.clone()
    }

    /// Payload bytes sent, over restarts.
    pub fn uploaded(&self) -> u64 {
        let published = self.shared().published.lock();
        published.earlier.uploaded + published.stats.uploaded
    }

    /// Payload bytes received, over restarts.
    pub fn downloaded(&self) -> u64 {
        let published = self.shared().published.lock();
        published.earlier.downloaded + published.stats.downloaded
    }

    /// Bytes of pieces that are wanted and not had; 0 without metadata, which does not mean that the torrent is complete.
    pub fn left(&self) -> u64 {
        self.shared().pieces.lock().left()
    }

    /// Pieces that are verified and on disk.
    pub fn bitfield(&self) -> Bitfield {
        self.shared().pieces.lock().have().clone()
    }

    /// Pieces that are wanted and not had. A piece that touches any wanted file is wanted.
    pub fn wanted(&self) -> Bitfield {
        self.shared().pieces.lock().wanted()
    }

    /// Whether all that is wanted is had.
    pub fn is_complete(&self) -> bool {
        self.shared().has_metadata() && self.shared().pieces.lock().is_complete()
    }

    /// Whether all is had.
    pub fn is_seed(&self) -> bool {
        self.shared().has_metadata() && self.shared().pieces.lock().have().is_full()
    }

    /// Every file; none without metadata.
    pub fn files(&self) -> Vec<FileInfo> {
        let Some(info) = self.info() else {
            return Vec::new();
        };
        let places = self.shared().whereabouts.lock().clone();
        let pieces = self.shared().pieces.lock();
        let files = info.layout().iter();
        files
            .map(|(index, entry)| FileInfo {
                index,
                path: places.path(index, entry),
                length: entry.length(),
                priority: pieces.file_priorities()[index.as_usize()],
                done: pieces.done_of(index),
                is_pad: entry.is_pad(),
            })
            .collect()
    }

    /// The connected peers, as they were a moment ago.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let shared = self.shared();
        if !shared.peers_asked_for.swap(true, Ordering::Relaxed) {
            shared.nudge();
        }
        let peers = shared.published.lock().peers.clone();
        let count = self.piece_count();
        peers
            .iter()
            .map(|peer| PeerInfo::new(peer, count))
            .collect()
    }

    /// The trackers, by tier.
    pub fn trackers(&self) -> Vec<TierSnapshot> {
        self.shared().published.lock().trackers.to_vec()
    }

    /// All figures of one moment. Rates and counters are at most a tenth of a second old.
    pub fn stats(&self) -> Stats {
        let shared = self.shared();
        let (swarm, earlier) = {
            let published = shared.published.lock();
            (published.stats, published.earlier)
        };
        let (have, wanted, left) = {
            let pieces = shared.pieces.lock();
            (pieces.have_bytes(), pieces.selected_bytes(), pieces.left())
        };
        Stats {
            state: self.state(),
            detail: self.detail(),
            size: self.size(),
            have,
            wanted,
            left,
            uploaded: earlier.uploaded + swarm.uploaded,
            downloaded: earlier.downloaded + swarm.downloaded,
            session_uploaded: swarm.uploaded,
            session_downloaded: swarm.downloaded,
            wasted: swarm.wasted_failed + swarm.wasted_duplicate + swarm.wasted_unrequested,
            upload_rate: swarm.upload_rate,
            download_rate: swarm.download_rate,
            peers: swarm.peers,
            seeds: swarm.seeds,
            known_peers: swarm.known_peers,
            super_seeding: swarm.super_seeding,
        }
    }
}

/// What it is to do.
impl Torrent {
    /// Does everything: downloads what is wanted, serves what it has. Tries again after a failure.
    pub fn start(&self) {
        // Whoever waits from now on waits for the new attempt.
        self.shared().set_status(|status| status.failure = None);
        self.shared().change(|control| {
            control.state = State::Active;
            control.retries += 1;
        });
    }

    /// Keeps its connections, but asks for nothing and serves nothing.
    pub fn pause(&self) {
        self.set_state(State::Paused);
    }

    /// Tells the trackers, closes connections and files, and refuses who comes.
    pub fn stop(&self) {
        self.set_state(State::Stopped);
    }

    fn set_state(&self, state: State) {
        self.shared().change(|control| control.state = state);
    }

    /// Waits until everything that was asked for before has taken effect: the state is reached, priorities are in force. A
    /// torrent that [failed](Detail::Failed) has settled, too.
    pub async fn settled(&self) -> Result<(), Closed> {
        let revision = self.shared().revision();
        let mut status = self.shared().status();
        let settled = status.wait_for(|status| status.settled >= revision || status.is_closed);
        let settled = settled.await.is_ok_and(|status| status.settled >= revision);
        if settled { Ok(()) } else { Err(Closed) }
    }

    /// Waits until all that is wanted is on disk and verified, and the files have their final length.
    ///
    /// Returns early if the torrent fails or is removed; not if it is paused or stopped.
    pub async fn wait_complete(&self) -> Result<(), WaitError> {
        let mut status = self.shared().status();
        let over =
            |status: &Status| status.is_complete || status.failure.is_some() || status.is_closed;
        let status = status.wait_for(over).await.map_err(|_| WaitError::Closed)?;
        match &status.failure {
            _ if status.is_complete => Ok(()),
            Some(error) => Err(error.clone().into()),
            None => Err(WaitError::Closed),
        }
    }

    /// Sets a file's priority: 0 = skip, 1 = normal, higher = first. Data of skipped files that shares a piece with
    /// wanted ones is kept in the part file, and moves to the real file when the priority rises.
    pub fn set_priority(&self, file: FileIndex, priority: u32) -> Result<(), NoSuchFile> {
        self.set_priorities([(file, priority)])
    }

    /// Sets the priorities of several files at once. Without metadata there are no files.
    pub fn set_priorities(
        &self,
        priorities: impl IntoIterator<Item = (FileIndex, u32)>,
    ) -> Result<(), NoSuchFile> {
        let priorities: Vec<_> = priorities.into_iter().collect();
        let count = self.info().map_or(0, |info| info.layout().len()) as u32;
        if let Some(&(file, _)) = priorities.iter().find(|(file, _)| file.0 >= count) {
            return Err(NoSuchFile { file, count });
        }
        let shared = self.shared();
        let mut pieces = shared.pieces.lock();
        if pieces.set_priorities(priorities) {
            if !pieces.is_complete() {
                shared.set_status(|status| status.is_complete = false);
            }
            drop(pieces);
            shared.change(|control| control.priorities += 1);
        }
        Ok(())
    }

    /// Whether pieces are fetched in order instead of the rarest first.
    pub fn set_sequential(&self, sequential: bool) {
        self.shared()
            .change(|control| control.sequential = sequential);
    }

    /// When it super-seeds (BEP 16). It concerns peers that connect later; when it ends, all are told all that it has.
    pub fn set_super_seeding(&self, mode: SuperSeeding) {
        self.shared().change(|control| control.super_seeding = mode);
    }

    /// How it may find peers, as far as the session allows it too. A private torrent uses none of these ways (BEP 27).
    pub fn set_discovery(&self, discovery: Discovery) {
        self.shared()
            .change(|control| control.discovery = discovery);
    }

    /// Connections at most.
    pub fn set_max_peers(&self, max_peers: usize) {
        self.shared()
            .change(|control| control.max_peers = Some(max_peers));
    }

    /// Bytes a second at most that it receives, everything on the wire counted; 0 = no limit but the session's.
    pub fn set_download_limit(&self, bytes_per_second: u64) {
        self.shared().download_limit.set_rate(bytes_per_second);
    }

    /// Bytes a second at most that it sends, everything on the wire counted; 0 = no limit but the session's.
    pub fn set_upload_limit(&self, bytes_per_second: u64) {
        self.shared().upload_limit.set_rate(bytes_per_second);
    }

    /// Connects to these peers as soon as there is room.
    pub fn add_peers(&self, peers: impl IntoIterator<Item = SocketAddr>) {
        self.shared().change(|control| control.peers.extend(peers));
    }

    /// Asks the trackers for peers as soon as they allow it.
    pub fn announce(&self) {
        self.shared().change(|control| control.announce = true);
    }

    /// Everything that happens from now on. [`Add::start_with_events`](crate::Add::start_with_events) misses nothing at the start.
    pub fn events(&self) -> Events {
        self.shared().listeners.subscribe()
    }

    /// Hashes what is on disk: `..` for everything, a [`PieceIndex`](headwater_metainfo::PieceIndex), a range of piece
    /// numbers, a [`FileIndex`], or a [`Check`]. Works in every state. One check runs at a time, others wait.
    ///
    /// ```no_run
    /// # async fn example(torrent: headwater_session::Torrent) -> Result<(), Box<dyn std::error::Error>> {
    /// let report = torrent.hashcheck(..)?.await?;
    /// println!("{} right, {} wrong", report.passed, report.failed.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn hashcheck(&self, check: impl Into<Check>) -> Result<Hashcheck, HashcheckError> {
        let info = self.info().ok_or(HashcheckError::NoMetadata)?;
        let have = self.bitfield();
        let pieces = hashcheck::resolve(check.into(), info, |piece| !have.has(piece))?;
        let tally = Tally::new(pieces.len() as u32);
        let (reply, outcome) = oneshot::channel();
        let order = CheckOrder {
            pieces,
            tally: tally.clone(),
            is_initial: false,
            reply: Some(reply),
        };
        self.0
            .inputs
            .send(Input::Check(order))
            .map_err(|_| HashcheckError::Closed)?;
        Ok(Hashcheck { tally, outcome })
    }

    /// What is on disk, made durable and put in a form that [`Add::resume`](crate::Add::resume) takes after a restart:
    /// verified pieces, the blocks of incomplete ones, the files' stamps, the totals, and the metadata if peers sent it.
    pub async fn resume_data(&self) -> Result<ResumeData, WaitError> {
        if !self.shared().has_metadata() {
            return Err(WaitError::NoMetadata);
        }
        let (reply, answer) = oneshot::channel();
        let command = Command::ResumeData(reply);
        let sent = self.0.commands.send(command).await;
        sent.map_err(|_| WaitError::Closed)?;
        let answer = answer.await.map_err(|_| WaitError::Closed)?;
        answer.map_err(WaitError::Failed)
    }

    /// Whether its session still runs it.
    pub fn is_closed(&self) -> bool {
        self.shared().status().borrow().is_closed
    }

    /// Tells it to end.
    pub(crate) fn close(&self) {
        self.shared().change(|control| control.close = true);
    }

    /// Waits until it has ended.
    pub(crate) async fn closed(&self) {
        let mut status = self.shared().status();
        let _ = status.wait_for(|status| status.is_closed).await;
    }
}

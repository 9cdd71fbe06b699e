//! Making durable what is there, and keeping resume data.

use std::time::{Duration, Instant};

use bytes::Bytes;
use headwater_metainfo::{FileIndex, InfoHash, SafePath};
use headwater_store::{PieceStore, ResumeData, StoreError};
use tokio::sync::oneshot;

use super::metadata::raw_bytes;
use super::{Driver, Input};
use crate::{SyncPolicy, TorrentError, resume};

type Reply = oneshot::Sender<Result<ResumeData, TorrentError>>;

/// When resume data is saved next, and who waits for it.
pub(super) struct Saving {
    /// Resume data has a place.
    is_kept: bool,
    policy: SyncPolicy,
    due: Option<Instant>,
    is_dirty: bool,
    is_running: bool,
    replies: Vec<Reply>,
}

impl Saving {
    pub(super) fn new(is_kept: bool, policy: SyncPolicy) -> Self {
        Self {
            is_kept,
            policy,
            due: None,
            is_dirty: false,
            is_running: false,
            replies: Vec::new(),
        }
    }

    /// Whether resume data has a place.
    pub(super) fn set_kept(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.is_running)
    }

    /// Something has changed that is worth saving when there is an occasion.
    pub(super) fn dirty(&mut self) {
        self.is_dirty = true;
    }

    /// Whether that is being done.
    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }

    /// A piece came: saves when the policy says so.
    pub(super) fn schedule(&mut self, now: Instant) {
        let delay = match self.policy {
            SyncPolicy::Interval(interval) => interval,
            SyncPolicy::EveryPiece => Duration::ZERO,
            SyncPolicy::AtEnd => return,
        };
        self.due.get_or_insert(now + delay);
    }

    /// Saves now, if there is anything new and a place for it.
    pub(super) fn hurry(&mut self, now: Instant) {
        if self.is_kept && self.is_dirty {
            self.due = Some(now);
        }
    }

    /// Somebody wants to have it.
    pub(super) fn ask(&mut self, reply: Reply) {
        self.replies.push(reply);
    }
}

impl Driver {
    pub(super) fn save_if_due(&mut self, now: Instant) {
        let is_due = self.saving.due.is_some_and(|due| due <= now);
        if !self.saving.is_running
            && !self.moves.is_running()
            && (is_due || !self.saving.replies.is_empty())
        {
            self.save();
        }
    }

    /// Saves what is to be saved before files are closed; whether that is under way.
    pub(super) fn save_before_stop(&mut self) -> bool {
        if !self.saving.is_running && self.saving.is_dirty {
            self.save();
        }
        self.saving.is_running
    }

    fn save(&mut self) {
        self.saving.is_running = true;
        self.saving.is_dirty = false;
        self.saving.due = None;
        let maker = self.resume_maker();
        let path = self.shared.whereabouts.lock().resume.clone();
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.core.disk.submit(move || {
            let data = maker.make(&store);
            if let (Ok(data), Some(path)) = (&data, path)
                && let Err(error) = resume::save(data, &path)
            {
                tracing::warn!(%error, "resume data is not saved");
            }
            let _ = inputs.send(Input::Saved(data));
        });
    }

    /// What resume data says beside what is on disk.
    pub(super) fn resume_maker(&self) -> ResumeMaker {
        let stats = self.swarm.stats();
        let earlier = self.shared.published.lock().earlier;
        let priorities = {
            let pieces = self.shared.pieces.lock();
            let priorities = pieces.file_priorities().iter();
            priorities
                .map(|&each| each.min(u32::from(u8::MAX)) as u8)
                .collect()
        };
        let renamed = self.shared.whereabouts.lock().renamed.clone();
        ResumeMaker {
            info_hash: self.shared.store_hash(),
            priorities,
            renamed: renamed.into_iter().collect(),
            uploaded: earlier.uploaded + stats.uploaded,
            downloaded: earlier.downloaded + stats.downloaded,
            metadata: self.keeps_metadata.then(|| raw_bytes(self.shared.info())),
        }
    }

    pub(super) fn saved(&mut self, outcome: Result<ResumeData, StoreError>) {
        self.saving.is_running = false;
        let outcome = outcome.map_err(TorrentError::from);
        for reply in self.saving.replies.drain(..) {
            let _ = reply.send(outcome.clone());
        }
        if let Err(error) = outcome {
            self.fail(error);
        }
    }
}

/// Makes resume data on a disk thread.
pub(super) struct ResumeMaker {
    info_hash: InfoHash,
    priorities: Vec<u8>,
    pub(super) renamed: Vec<(FileIndex, SafePath)>,
    uploaded: u64,
    downloaded: u64,
    metadata: Option<Bytes>,
}

impl ResumeMaker {
    /// Makes durable what is there, and claims that.
    pub(super) fn make(self, store: &PieceStore) -> Result<ResumeData, StoreError> {
        Ok(ResumeData {
            priorities: self.priorities,
            renamed: self.renamed,
            uploaded: self.uploaded,
            downloaded: self.downloaded,
            metadata: self.metadata,
            ..ResumeData::new(self.info_hash, store.checkpoint()?)
        })
    }
}

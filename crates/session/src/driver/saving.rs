//! Making durable what is there, and keeping resume data.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use headwater_store::{ResumeData, StoreError};
use tokio::sync::oneshot;

use super::{Driver, Input};
use crate::{TorrentError, resume};

type Reply = oneshot::Sender<Result<ResumeData, TorrentError>>;

/// When resume data is saved next, and who waits for it.
pub(super) struct Saving {
    path: Option<PathBuf>,
    /// Time between two saves while pieces come in.
    interval: Duration,
    due: Option<Instant>,
    is_dirty: bool,
    is_running: bool,
    replies: Vec<Reply>,
}

impl Saving {
    pub(super) fn new(path: Option<PathBuf>, interval: Duration) -> Self {
        Self {
            path,
            interval,
            due: None,
            is_dirty: false,
            is_running: false,
            replies: Vec::new(),
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.is_running)
    }

    /// Something has changed that is worth saving when there is an occasion.
    pub(super) fn dirty(&mut self) {
        self.is_dirty = true;
    }

    /// Saves within a while.
    pub(super) fn schedule(&mut self, now: Instant) {
        if self.path.is_some() {
            self.due.get_or_insert(now + self.interval);
        }
    }

    /// Saves now, if there is anything new and a place for it.
    pub(super) fn hurry(&mut self, now: Instant) {
        if self.path.is_some() && self.is_dirty {
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
        if !self.saving.is_running && (is_due || !self.saving.replies.is_empty()) {
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
        let stats = self.swarm.stats();
        let earlier = self.shared.published.lock().earlier;
        let priorities = {
            let pieces = self.shared.pieces.lock();
            let priorities = pieces.file_priorities().iter();
            priorities
                .map(|&each| each.min(u32::from(u8::MAX)) as u8)
                .collect()
        };
        let (store, info_hash) = (self.store.clone(), self.shared.store_hash());
        let (path, inputs) = (self.saving.path.clone(), self.inputs.clone());
        self.core.disk.submit(move || {
            let data = store.checkpoint().map(|checkpoint| ResumeData {
                priorities,
                uploaded: earlier.uploaded + stats.uploaded,
                downloaded: earlier.downloaded + stats.downloaded,
                ..ResumeData::new(info_hash, checkpoint)
            });
            if let (Ok(data), Some(path)) = (&data, path)
                && let Err(error) = resume::save(data, &path)
            {
                tracing::warn!(%error, "resume data is not saved");
            }
            let _ = inputs.send(Input::Saved(data));
        });
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

//! Moving and renaming files, one thing at a time, and never beside anything else that changes files' places or lengths.
//!
//! The order within one move is the store's, with resume data as the record: the files get their new places; resume data is
//! saved that says so, under its new name; the resume data of the old place goes; the old files go. Stopped anywhere, no
//! resume data claims what is not there.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater_metainfo::{FileIndex, SafePath};
use headwater_store::{
    Leftovers, Operation, PieceStore, StorageError, StorageErrorKind, StoreError,
};
use tokio::sync::{mpsc, oneshot};

use super::saving::ResumeMaker;
use super::{Driver, Input};
use crate::torrent::Whereabouts;
use crate::{Event, MoveError, RenameError, ResumePolicy, resume};

/// Something that the user wants done with the files.
#[derive(Debug)]
pub(crate) enum Rearrange {
    Move {
        dir: PathBuf,
        reply: oneshot::Sender<Result<(), MoveError>>,
    },
    Rename {
        file: FileIndex,
        path: SafePath,
        reply: oneshot::Sender<Result<(), RenameError>>,
    },
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Rearranged {
    order: Rearrange,
    /// Where everything is now, and an error of making that durable.
    outcome: Result<(Whereabouts, Option<StoreError>), StorageError>,
}

/// What waits to be moved, and whether something is.
pub(super) struct Moves {
    policy: ResumePolicy,
    queue: VecDeque<Rearrange>,
    is_running: bool,
    cancel: Arc<AtomicBool>,
}

impl Moves {
    pub(super) fn new(policy: ResumePolicy) -> Self {
        Self {
            policy,
            queue: VecDeque::new(),
            is_running: false,
            cancel: Arc::default(),
        }
    }

    pub(super) fn push(&mut self, order: Rearrange) {
        self.queue.push_back(order);
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }

    /// Ends what is under way, and does nothing more: whoever waits hears that the torrent is closed.
    pub(super) fn cancel(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.queue.clear();
    }
}

impl Driver {
    /// Begins the next move if nothing is in its way.
    pub(super) fn begin_move(&mut self) {
        let is_busy = self.moves.is_running
            || self.saving.is_running()
            || self.files.is_finishing()
            || self.life.is_at_files();
        if is_busy {
            return;
        }
        let Some(order) = self.moves.queue.pop_front() else {
            return;
        };
        let whereabouts = self.shared.whereabouts.lock().clone();
        let mover = Mover {
            new: self.new_places(&order, &whereabouts),
            old: whereabouts,
            store: self.store.clone(),
            maker: self.resume_maker(),
            cancel: self.moves.cancel.clone(),
            inputs: self.inputs.clone(),
        };
        self.moves.is_running = true;
        let inputs = self.inputs.clone();
        // It may take hours, so it has a thread of its own.
        let spawned = std::thread::Builder::new()
            .name("hw-move".to_owned())
            .spawn(move || mover.run(order));
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start a thread to move files");
            // The order and whoever waits for it are gone with the thread.
            let _ = inputs.send(Input::NotRearranged);
        }
    }

    pub(super) fn rearranged(&mut self, Rearranged { order, outcome }: Rearranged) {
        self.moves.is_running = false;
        let is_cancelled = self.moves.cancel.load(Ordering::Relaxed);
        let outcome = outcome.map(|(whereabouts, failure)| {
            self.took_place(&order, whereabouts);
            if let Some(failure) = failure {
                self.fail(failure.into());
            }
        });
        match order {
            Rearrange::Move { reply, .. } => drop(reply.send(match outcome {
                Err(_) if is_cancelled => Err(MoveError::Closed),
                outcome => outcome.map_err(MoveError::from),
            })),
            Rearrange::Rename { reply, .. } => {
                drop(reply.send(outcome.map_err(RenameError::from)));
            }
        }
    }

    /// The thread could not be had.
    pub(super) fn not_rearranged(&mut self) {
        self.moves.is_running = false;
    }

    fn took_place(&mut self, order: &Rearrange, whereabouts: Whereabouts) {
        let event = match order {
            Rearrange::Move { .. } => Event::Moved(whereabouts.dir.clone()),
            Rearrange::Rename { file, .. } => {
                let entry = &self.shared.info().layout().files()[file.as_usize()];
                let (file, path) = (*file, whereabouts.path(*file, entry));
                Event::Renamed { file, path }
            }
        };
        *self.shared.whereabouts.lock() = whereabouts;
        self.saving.dirty();
        self.shared.listeners.tell(&event);
    }
}

impl Driver {
    /// Where everything is when it is done.
    fn new_places(&self, order: &Rearrange, old: &Whereabouts) -> Whereabouts {
        let mut new = old.clone();
        match order {
            Rearrange::Move { dir, .. } => {
                new.resume = self.moves.policy.path(self.shared.info_hash, dir);
                new.dir.clone_from(dir);
            }
            Rearrange::Rename { file, path, .. } => {
                let entry = &self.shared.info().layout().files()[file.as_usize()];
                if entry.path() == path {
                    new.renamed.remove(file);
                } else {
                    new.renamed.insert(*file, path.clone());
                }
            }
        }
        new
    }
}

/// A move on its way.
struct Mover {
    old: Whereabouts,
    new: Whereabouts,
    store: Arc<PieceStore>,
    maker: ResumeMaker,
    cancel: Arc<AtomicBool>,
    inputs: mpsc::UnboundedSender<Input>,
}

impl Mover {
    fn run(self, order: Rearrange) {
        let inputs = self.inputs.clone();
        let outcome = match self.rearrange(&order) {
            Ok(leftovers) => Ok(self.settle(leftovers)),
            Err(error) => Err(error),
        };
        let _ = inputs.send(Input::Rearranged(Rearranged { order, outcome }));
    }

    fn rearrange(&self, order: &Rearrange) -> Result<Leftovers, StorageError> {
        let storage = self.store.storage();
        match order {
            Rearrange::Move { dir, .. } => storage.relocate(dir, &mut |_| self.go_on(dir)),
            Rearrange::Rename { file, path, .. } => storage.rename_file(*file, path),
        }
    }

    fn go_on(&self, dir: &Path) -> Result<(), StorageError> {
        if !self.cancel.load(Ordering::Relaxed) {
            return Ok(());
        }
        let cause = "the torrent is being closed";
        let kind = StorageErrorKind::Io;
        Err(StorageError::new(Operation::Move, dir, kind, cause))
    }

    /// Puts the new places on record, then clears the old ones.
    fn settle(self, leftovers: Leftovers) -> (Whereabouts, Option<StoreError>) {
        let Self {
            old,
            new,
            store,
            mut maker,
            ..
        } = self;
        maker.renamed = new.renamed.clone().into_iter().collect();
        let mut failure = None;
        if let Some(path) = &new.resume {
            match maker.make(&store).map(|data| resume::save(&data, path)) {
                Ok(Ok(())) => {}
                // Then everything is checked at the next start.
                Ok(Err(error)) => tracing::warn!(%error, "resume data is not saved"),
                Err(error) => failure = Some(error),
            }
        }
        if let Some(path) = old.resume.filter(|path| new.resume.as_ref() != Some(path)) {
            let _ = std::fs::remove_file(path);
        }
        if let Err(error) = leftovers.remove() {
            tracing::warn!(%error, "an old file stays behind");
        }
        (new, failure)
    }
}

//! Hash checks: at the start, at the user's wish, and of what could not be read.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use headwater_metainfo::{Bitfield, PieceIndex};
use headwater_store::{PieceCheck, PieceStore, StoreError};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Driver, Input};
use crate::session::Core;
use crate::torrent::{CheckOrder, CheckReport, Tally};
use crate::{Event, HashcheckError};

type Outcome = (PieceIndex, Result<PieceCheck, StoreError>);

/// The checks that wait and the one that runs.
pub(super) struct Checks {
    /// Pieces of which nobody knows whether they are on disk, and that must be checked before the torrent starts.
    unknown: Vec<PieceIndex>,
    queue: VecDeque<CheckOrder>,
    running: Option<Running>,
}

struct Running {
    order: CheckOrder,
    is_initial: bool,
    /// Filled by the checking threads, emptied by the loop.
    results: Arc<Mutex<Vec<Outcome>>>,
    /// What was had when it began: a piece that came by download since then is not judged by an older look at the disk.
    had: Bitfield,
    seen: Bitfield,
    report: CheckReport,
    /// Pieces that could not be read: nobody knows, so they are checked at the next start.
    unread: Vec<PieceIndex>,
    error: Option<StoreError>,
}

impl Checks {
    pub(super) fn new(unknown: Vec<PieceIndex>) -> Self {
        Self {
            unknown,
            queue: VecDeque::new(),
            running: None,
        }
    }

    pub(super) fn push(&mut self, order: CheckOrder) {
        self.queue.push_back(order);
    }

    /// Queues the check that must come before the start, first of all; whether there is one, or it is under way.
    pub(super) fn must_come_first(&mut self) -> bool {
        if !self.unknown.is_empty()
            && self
                .running
                .as_ref()
                .is_none_or(|running| !running.is_initial)
        {
            let pieces = mem::take(&mut self.unknown);
            self.queue.push_front(CheckOrder {
                tally: Tally::new(pieces.len() as u32),
                pieces,
                reply: None,
                is_initial: true,
            });
        }
        let queued = self.queue.front().is_some_and(|order| order.is_initial);
        queued
            || self
                .running
                .as_ref()
                .is_some_and(|running| running.is_initial)
    }

    /// Ends the check at the start; it goes on at the next start.
    pub(super) fn cancel_initial(&mut self) {
        let queued = self.queue.pop_front_if(|order| order.is_initial);
        self.unknown
            .extend(queued.into_iter().flat_map(|order| order.pieces));
        if let Some(running) = &self.running
            && running.is_initial
        {
            running.order.tally.cancel();
        }
    }

    /// Ends everything.
    pub(super) fn cancel_all(&mut self) {
        self.cancel_initial();
        self.queue.clear();
        if let Some(running) = &self.running {
            running.order.tally.cancel();
        }
    }

    /// These must be checked before the torrent goes on.
    pub(super) fn unknown(&mut self, pieces: impl IntoIterator<Item = PieceIndex>) {
        self.unknown.extend(pieces);
        self.unknown.sort_unstable();
        self.unknown.dedup();
    }

    /// Whether nothing runs or waits.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.queue.is_empty()
    }

    /// Whether it is known what is on disk.
    pub(super) fn is_clear(&self) -> bool {
        let initial = self
            .running
            .as_ref()
            .is_some_and(|running| running.is_initial);
        let queued = self.queue.iter().any(|order| order.is_initial);
        self.unknown.is_empty() && !initial && !queued
    }
}

impl Driver {
    /// Checks pieces that could not be read, unless that is about to happen anyway.
    pub(super) fn suspect(&mut self, pieces: impl Iterator<Item = PieceIndex>) {
        let mut pieces: Vec<_> = pieces
            .filter(|&piece| self.swarm.have().has(piece))
            .collect();
        pieces.sort_unstable();
        pieces.dedup();
        let awaited = self.checks.queue.iter().map(|order| &order.pieces);
        let awaited: HashSet<_> = awaited.flatten().collect();
        pieces.retain(|piece| !awaited.contains(piece));
        if !pieces.is_empty() {
            self.checks.push(CheckOrder {
                tally: Tally::new(pieces.len() as u32),
                pieces,
                reply: None,
                is_initial: false,
            });
        }
    }

    /// Begins the next check if none is running.
    pub(super) fn begin_check(&mut self) {
        if self.checks.running.is_some() {
            return;
        }
        let Some(order) = self.checks.queue.pop_front() else {
            return;
        };
        self.shared.check.begin(order.tally.total);
        let results = Arc::new(Mutex::default());
        let job = Job {
            store: self.store.clone(),
            pieces: order.pieces.clone(),
            tally: order.tally.clone(),
            results: Arc::clone(&results),
            inputs: self.inputs.clone(),
        };
        tokio::spawn(job.run(self.core.clone()));
        self.checks.running = Some(Running {
            is_initial: order.is_initial,
            order,
            results,
            had: self.swarm.have().clone(),
            seen: Bitfield::new(self.shared.info().geometry().piece_count()),
            report: CheckReport::default(),
            unread: Vec::new(),
            error: None,
        });
    }

    pub(super) fn take_check_results(&mut self, now: Instant) {
        let Some(mut running) = self.checks.running.take() else {
            return;
        };
        let outcomes = mem::take(&mut *running.results.lock());
        running
            .order
            .tally
            .done
            .fetch_add(outcomes.len() as u32, Ordering::Relaxed);
        self.shared.check.add(outcomes.len() as u32);
        for (piece, result) in outcomes {
            running.seen.set(piece);
            self.judge(now, &mut running, piece, result);
        }
        self.checks.running = Some(running);
        self.publisher.changed();
    }

    fn judge(
        &mut self,
        now: Instant,
        running: &mut Running,
        piece: PieceIndex,
        result: Result<PieceCheck, StoreError>,
    ) {
        let has = self.swarm.have().has(piece);
        let came_meanwhile = has && !running.had.has(piece);
        let passed = match result {
            Ok(check) => check == PieceCheck::Passed || came_meanwhile,
            Err(error) => {
                // First, so that nobody asks for a piece that is perhaps there.
                self.fail(error.clone().into());
                running.error = Some(error);
                running.unread.push(piece);
                false
            }
        };
        if passed {
            running.report.passed += 1;
        } else {
            running.report.failed.push(piece);
        }
        self.swarm.set_have(now, piece, passed);
        self.piece_checked(piece, passed);
    }

    pub(super) fn check_ended(&mut self, now: Instant, finished: bool) {
        self.take_check_results(now);
        let Some(mut running) = self.checks.running.take() else {
            return;
        };
        self.shared.check.end();
        self.saving.dirty();
        running.report.failed.sort_unstable();
        if running.is_initial {
            let seen = &running.seen;
            let left = running.order.pieces.iter().copied();
            self.checks.unknown(left.filter(|&piece| !seen.has(piece)));
        }
        if finished {
            self.shared.listeners.tell(&Event::Checked {
                passed: running.report.passed,
                failed: running.report.failed.len() as u32,
            });
        }
        self.checks.unknown(mem::take(&mut running.unread));
        let error = running.error.take();
        if let Some(reply) = running.order.reply.take() {
            drop(reply.send(match error {
                Some(error) => Err(error.into()),
                None if finished => Ok(running.report),
                None => Err(HashcheckError::Cancelled),
            }));
        }
    }

    /// Notes that a piece is had or not, tells, and sees to the files that this makes whole.
    pub(super) fn piece_checked(&mut self, piece: PieceIndex, passed: bool) {
        self.saving.dirty();
        if self.shared.piece_checked(piece, passed) {
            self.files.piece_changed(self.shared.info(), piece, passed);
        }
    }
}

/// A check on its way.
struct Job {
    store: Arc<PieceStore>,
    pieces: Vec<PieceIndex>,
    tally: Arc<Tally>,
    results: Arc<Mutex<Vec<Outcome>>>,
    inputs: mpsc::UnboundedSender<Input>,
}

impl Job {
    /// Waits for its turn, then checks on threads of its own: it may take hours.
    async fn run(self, core: Arc<Core>) {
        let permit = tokio::select! {
            permit = core.checks.clone().acquire_owned() => permit,
            () = self.tally.cancel.cancelled() => {
                let _ = self.inputs.send(Input::CheckEnded(false));
                return;
            }
        };
        let threads = core.check_threads;
        let inputs = self.inputs.clone();
        let spawned = std::thread::Builder::new()
            .name("hw-check".to_owned())
            .spawn(move || {
                self.check(threads);
                drop(permit);
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start a thread for a hash check");
            let _ = inputs.send(Input::CheckEnded(false));
        }
    }

    fn check(self, threads: usize) {
        let report = |piece, result| {
            let mut results = self.results.lock();
            results.push((piece, result));
            if results.len() == 1 {
                let _ = self.inputs.send(Input::Checked);
            }
        };
        let cancelled = &self.tally.cancelled;
        let finished = self
            .store
            .check_many(&self.pieces, threads, &report, cancelled);
        let _ = self.inputs.send(Input::CheckEnded(finished));
    }
}

//! Starting, pausing, stopping, failing and ending: from what the user wants to what is done.

use std::time::Instant;

use headwater_store::StorageError;
use headwater_swarm::{Activity, PeerSource, Priority};

use super::Driver;
use super::Input;
use crate::torrent::{Control, Phase};
use crate::{Event, State};

/// Where a torrent stands on its way between states.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Files are as the priorities want them.
    is_prepared: bool,
    is_preparing: bool,
    /// Its files were never made ready, although it has peers: the metadata has just come.
    is_new: bool,
    /// The priorities for which files were made ready last.
    prepared_for: u64,
    has_failed: bool,
    /// The user wants to go on after a failure.
    wants_retry: bool,
    /// Files are being closed after a failure, so that what is there from then on counts.
    is_reopening: bool,
    has_reopened: bool,
    stop: Stop,
    /// When it ends, whatever is still under way. Set once it is to end.
    deadline: Option<Instant>,
    is_over: bool,
    /// The state of which the user was told last.
    told: Option<State>,
}

/// How far stopping is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stop {
    #[default]
    No,
    /// What is under way comes to its end.
    Settling,
    Saving,
    Releasing,
    Done,
}

impl Life {
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn is_closing(&self) -> bool {
        self.deadline.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Notes a failure; whether it is the first.
    pub(super) fn fail(&mut self) -> bool {
        !std::mem::replace(&mut self.has_failed, true)
    }

    /// It is known now which files there are, and everybody is told anew when it has come to its state with them.
    pub(super) fn begin_content(&mut self) {
        self.is_prepared = false;
        self.is_new = true;
        self.told = None;
    }

    /// Whether files are being made ready, saved or closed.
    pub(super) fn is_at_files(&self) -> bool {
        self.is_preparing
            || self.is_reopening
            || matches!(self.stop, Stop::Saving | Stop::Releasing)
    }

    /// Files were closed.
    pub(super) fn released(&mut self) {
        self.has_reopened |= std::mem::take(&mut self.is_reopening);
        if self.stop == Stop::Releasing {
            self.stop = Stop::Done;
        }
    }
}

impl Driver {
    /// Looks at what the user wants.
    pub(super) fn apply_control(&mut self) {
        let now = super::now();
        let control = self.shared.take_control();
        let before = std::mem::replace(&mut self.control, control);
        let max_peers = self.control.max_peers.or(before.max_peers);
        self.control.max_peers = max_peers;
        if self.control.retries != before.retries {
            self.life.wants_retry = self.life.has_failed;
        }
        // The first look finds everything new.
        let is_first = before.revision == 0;
        if is_first || self.control.priorities != before.priorities {
            self.apply_priorities(now);
        }
        if self.control.sequential != before.sequential {
            self.swarm.set_sequential(now, self.control.sequential);
        }
        if self.control.super_seeding != before.super_seeding {
            let mode = self.control.super_seeding;
            self.swarm.set_super_seeding(now, mode);
        }
        if is_first || self.control.discovery != before.discovery {
            let discovery = self.allowed_discovery();
            self.swarm.set_discovery(now, discovery);
        }
        if is_first || max_peers != before.max_peers {
            let mut limits = self.swarm.limits().clone();
            limits.max_peers = max_peers.unwrap_or(limits.max_peers);
            self.swarm.set_limits(now, limits);
        }
        self.take_wishes(now, &before);
    }

    fn take_wishes(&mut self, now: Instant, before: &Control) {
        let peers = std::mem::take(&mut self.control.peers);
        if !peers.is_empty() {
            self.swarm.add_peers(now, peers, PeerSource::User);
        }
        if std::mem::take(&mut self.control.announce) {
            self.trackers.hurry(now);
        }
        if self.control.close && !before.close {
            self.begin_close();
        }
        self.publisher.changed();
    }

    fn apply_priorities(&mut self, now: Instant) {
        let priorities = self.wanted_pieces();
        self.swarm.set_priorities(now, priorities);
        self.life.is_prepared = false;
    }

    /// Each piece's priority; empty if all are normal.
    pub(super) fn wanted_pieces(&self) -> Vec<Priority> {
        if self.read_only {
            // Nothing can be written, so nothing is asked for.
            vec![Priority::SKIP; self.shared.info().geometry().piece_count() as usize]
        } else {
            self.shared.pieces.lock().piece_priorities()
        }
    }

    /// The torrent is to end, in good order but within bounds.
    pub(super) fn begin_close(&mut self) {
        let deadline = super::now() + self.core.shutdown_timeout;
        self.life.deadline.get_or_insert(deadline);
    }

    /// Goes on after a failure, once all that failed with it has been heard of: it must not count against the new attempt.
    fn retry(&mut self) {
        let is_busy = self.completing > 0 || self.life.is_preparing || self.saving.is_running();
        if !self.life.wants_retry || self.life.is_reopening || is_busy {
            return;
        }
        if !self.life.has_reopened {
            self.life.is_reopening = true;
            self.release();
            return;
        }
        self.life.has_reopened = false;
        self.life.wants_retry = false;
        self.life.has_failed = false;
        self.life.is_prepared = false;
        self.doubtful.clear();
        self.shared.set_status(|status| status.failure = None);
        self.retry_content();
    }

    /// Takes the next step towards what the user wants.
    pub(super) fn reconcile(&mut self, now: Instant) {
        self.retry();
        match self.control.state {
            _ if self.life.is_closing() => self.wind_down(now),
            State::Stopped => self.wind_down(now),
            state => self.wind_up(now, state.activity()),
        }
        self.begin_move();
        self.begin_check();
        self.finish_files();
        self.note_complete(now);
        self.note_settled();
    }

    fn wind_up(&mut self, now: Instant, activity: Activity) {
        self.life.stop = Stop::No;
        if self.life.has_failed {
            if self.swarm.activity() == Activity::Active {
                self.swarm.set_activity(now, Activity::Paused);
            }
            return;
        }
        if self.fetching.is_some() {
            self.swarm.set_activity(now, activity);
            self.start_trackers(now);
            return;
        }
        if self.checks.must_come_first() {
            return;
        }
        self.prepare();
        self.life.is_new &= !self.life.is_prepared;
        let goes_on = self.swarm.activity() != Activity::Stopped && !self.life.is_new;
        if self.life.is_prepared || goes_on {
            self.swarm.set_activity(now, activity);
            self.start_trackers(now);
        }
    }

    /// Has files made as the priorities want them.
    fn prepare(&mut self) {
        if self.life.is_prepared || self.life.is_preparing || self.moves.is_running() {
            return;
        }
        if self.read_only {
            self.life.is_prepared = true;
            return;
        }
        self.life.is_preparing = true;
        let wanted = self.shared.pieces.lock().wanted_files();
        self.life.prepared_for = self.control.priorities;
        let (storage, inputs) = (self.store.storage().clone(), self.inputs.clone());
        self.core.disk.submit(move || {
            let outcome = storage.set_wanted(&wanted).and_then(|()| storage.prepare());
            let _ = inputs.send(Input::Prepared(outcome));
        });
    }

    pub(super) fn prepared(&mut self, outcome: Result<(), StorageError>) {
        self.life.is_preparing = false;
        // Priorities may have changed meanwhile: then once more.
        self.life.is_prepared = self.life.prepared_for == self.control.priorities;
        match outcome {
            Ok(()) => self.files.look_again(),
            Err(error) => self.fail(error.into()),
        }
    }

    fn wind_down(&mut self, now: Instant) {
        if self.swarm.activity() != Activity::Stopped {
            // What peers have sent and taken by now counts.
            while let Ok(report) = self.report_receiver.try_recv() {
                self.handle_report(now, report);
            }
            self.swarm.set_activity(now, Activity::Stopped);
        }
        self.dials.abort_all();
        self.trackers.stop(now);
        self.checks.cancel_initial();
        if self.life.is_closing() {
            self.checks.cancel_all();
            self.moves.cancel();
        }
        self.step_down();
        let is_done = self.life.stop == Stop::Done && self.trackers.is_finished();
        let is_late = self.life.deadline.is_some_and(|deadline| deadline <= now);
        self.life.is_over = self.life.is_closing() && (is_done || is_late);
    }

    fn step_down(&mut self) {
        if self.life.stop == Stop::No {
            self.life.stop = Stop::Settling;
        }
        if self.life.stop == Stop::Settling && self.is_quiet() {
            self.life.is_prepared = false;
            self.life.stop = Stop::Saving;
        }
        if self.life.stop == Stop::Saving && !self.save_before_stop() {
            self.life.stop = Stop::Releasing;
            self.release();
        }
        let is_at_files = !self.checks.is_idle() || self.moves.is_running();
        if self.life.stop == Stop::Done && is_at_files {
            // These open files again.
            self.life.stop = Stop::Settling;
        }
    }

    /// Closes files and maps.
    fn release(&self) {
        let (storage, inputs) = (self.store.storage().clone(), self.inputs.clone());
        self.core.disk.submit(move || {
            if let Err(error) = storage.release() {
                tracing::warn!(%error, "cannot close files");
            }
            let _ = inputs.send(Input::Released);
        });
    }

    /// Whether nothing is with the disk threads.
    fn is_quiet(&self) -> bool {
        let is_working = self.completing > 0 || self.life.is_preparing || self.files.is_finishing();
        !is_working && self.checks.is_idle() && !self.moves.is_running()
    }

    /// Says so when all that is wanted is there and the files are finished.
    fn note_complete(&mut self, now: Instant) {
        let must_prepare = self.control.state != State::Stopped && !self.life.is_prepared;
        let is_busy = self.files.is_finishing() || !self.checks.is_clear() || must_prepare;
        if is_busy || self.life.has_failed || self.fetching.is_some() {
            return;
        }
        if self.shared.is_about_to_complete() {
            // Whoever is woken by this finds the figures that belong to it.
            self.publish(now);
        }
        if !self.shared.note_complete() {
            return;
        }
        self.shared.listeners.tell(&Event::Completed);
        let is_seed = self.swarm.is_seed();
        self.trackers.completed(now, is_seed);
        self.saving.hurry(now);
    }

    /// Whether it has failed, and nothing is on its way to the disk any more.
    fn has_come_to_rest(&self) -> bool {
        self.life.has_failed && !self.life.wants_retry && self.completing == 0
    }

    /// Whether files are as they should be, if any are known.
    fn is_ready(&self) -> bool {
        self.life.is_prepared || self.fetching.is_some()
    }

    /// Says so when everything that the user asked for has taken effect.
    fn note_settled(&mut self) {
        let state = self.control.state;
        let stop = self.life.stop;
        let is_settled = match state {
            State::Stopped => stop == Stop::Done,
            _ if self.life.is_closing() => false,
            _ => {
                self.has_come_to_rest()
                    || (self.is_ready() && self.swarm.activity() == state.activity())
            }
        };
        if is_settled && self.life.has_failed && self.publisher.due().is_some() {
            self.publish(super::now());
        }
        let phase = match (state, stop) {
            (_, Stop::Done) => Phase::Stopped,
            (_, Stop::Settling | Stop::Saving | Stop::Releasing) => Phase::Stopping,
            (_, Stop::No) if self.swarm.activity() == Activity::Stopped => Phase::Starting,
            (_, Stop::No) => Phase::Working,
        };
        let is_news = is_settled && !self.life.has_failed && self.life.told != Some(state);
        if is_news {
            self.life.told = Some(state);
            self.saving.hurry(super::now());
            self.publish(super::now());
        }
        let revision = self.control.revision;
        self.shared.set_phase(phase, is_settled.then_some(revision));
        if is_news {
            self.shared.listeners.tell(&Event::StateChanged(state));
        }
    }
}

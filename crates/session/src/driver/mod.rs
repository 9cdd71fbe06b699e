//! One torrent's event loop: it owns the [`swarm::Torrent`](headwater_swarm::Torrent), and does what that says.
//!
//! Everything that happens comes in through channels; the loop hands it to the swarm, as much as there is at a time, then
//! drains the swarm's actions: messages to the peers' outboxes, blocks to the disk lane, dials and announces to tasks. It
//! never waits for any of them.

mod actions;
mod begin;
mod checks;
mod dht;
mod discovery;
mod disk;
mod doubt;
mod files;
mod gather;
mod lifecycle;
mod metadata;
mod moves;
mod publish;
mod saving;
mod trackers;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dht::{LookupId, LookupStats};
use headwater_metainfo::{FileIndex, HostPort};
use headwater_store::{PieceStore, ResumeData, Storage, StorageError, StoreError};
use headwater_swarm::{Activity, Direction, PeerKey, PeerSource};
use headwater_tracker::{AnnounceId, AnnounceResponse, TrackerError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::disk::{DiskEvent, Lane, Op};
use crate::open::Opening;
use crate::peer::{Connection, HandshakeFailure, Outbox, Report};
use crate::resume::{Beginning, Loaded};
use crate::session::Core;
use crate::torrent::{CheckOrder, Content, Control, Shared, Torrent};
use crate::{Event, ResumePolicy, TorrentError};

use begin::{begin, disk_lane, new_store, new_swarm, tell_beginning};
use checks::Checks;
use dht::DhtSchedule;
use files::Files;
use gather::Gather;
use lifecycle::Life;
use metadata::{Fetching, OpenedContent, Verdict};
pub(crate) use moves::Rearrange;
use moves::{Moves, Rearranged};
use publish::Publisher;
use saving::Saving;
use trackers::Trackers;

/// Reports of peers that may wait: each is a batch, so this bounds what was read and not yet looked at.
const REPORTS: usize = 64;
/// Reports that are handled before the swarm's actions are drained.
const REPORTS_AT_ONCE: usize = 16;
/// Commands that may wait.
const COMMANDS: usize = 16;
/// How long the loop sleeps when nothing is due.
const IDLE: Duration = Duration::from_hours(1);

/// What a torrent's loop is made of.
pub(crate) struct Parts {
    pub(crate) core: Arc<Core>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) resume_policy: ResumePolicy,
    /// Tracker URLs by tier.
    pub(crate) trackers: Vec<Vec<String>>,
    /// Whether they are the user's choice.
    pub(crate) trust_trackers: bool,
    pub(crate) read_only: bool,
    pub(crate) max_peers: usize,
    /// Peers that a magnet link names.
    pub(crate) linked_peers: Vec<HostPort>,
}

/// What a torrent starts with.
pub(crate) enum Start {
    /// It is known what it holds.
    Known {
        loaded: Box<Loaded>,
        content: Content,
    },
    /// Peers have to say what it holds; then it is opened like this.
    Unknown(Box<Opening>),
}

/// Something that a handle asks for and waits for.
#[derive(Debug)]
pub(crate) enum Command {
    ResumeData(oneshot::Sender<Result<ResumeData, TorrentError>>),
    Rearrange(Rearrange),
}

/// Something that has happened. What is under way is bounded by who started it, so the channel need not be.
#[derive(Debug)]
pub(crate) enum Input {
    /// A connection that somebody opened to us.
    Incoming(Connection),
    /// A dial has come to its end.
    Dialled {
        address: SocketAddr,
        source: PeerSource,
        outcome: Result<Connection, HandshakeFailure>,
    },
    Disk(DiskEvent),
    /// Metadata that peers sent was hashed.
    MetadataChecked(Verdict),
    /// It was decided where its files are, or that it cannot be.
    ContentOpened(Box<OpenedContent>),
    /// Peers that a magnet link names by name.
    LinkedPeers(Vec<SocketAddr>),
    /// Files were made ready.
    Prepared(Result<(), StorageError>),
    /// A hash check is to be made.
    Check(CheckOrder),
    /// Results of the running check wait to be taken.
    Checked,
    /// The running check is over; whether it came to its end.
    CheckEnded(bool),
    /// Files have got their final length.
    Finished(Vec<(FileIndex, Result<bool, StoreError>)>),
    /// A tracker answered, or did not.
    Announced(AnnounceId, String, Result<AnnounceResponse, TrackerError>),
    /// What is on disk was made durable, and resume data saved.
    Saved(Result<ResumeData, StoreError>),
    /// Files were moved or renamed, or not.
    Rearranged(Rearranged),
    /// Nothing could be moved: there was no thread for it.
    NotRearranged,
    /// Files are closed.
    Released,
    /// A peer was found otherwise than by a tracker.
    Found(SocketAddr, PeerSource),
    /// A lookup in the DHT has come to its end.
    DhtSearched(LookupId, LookupStats),
}

/// Starts a torrent's loop.
pub(crate) fn spawn(parts: Parts, start: Start) -> Torrent {
    let (commands, command_receiver) = mpsc::channel(COMMANDS);
    let (inputs, input_receiver) = mpsc::unbounded_channel();
    let torrent = Torrent::new(parts.shared.clone(), commands, inputs.clone());
    tokio::spawn(run(parts, start, command_receiver, inputs, input_receiver));
    torrent
}

/// Looks at what is there, then runs until the torrent is closed.
async fn run(
    parts: Parts,
    start: Start,
    commands: mpsc::Receiver<Command>,
    inputs: mpsc::UnboundedSender<Input>,
    input_receiver: mpsc::UnboundedReceiver<Input>,
) {
    let shared = parts.shared.clone();
    let core = parts.core.clone();
    let begin = begin(parts, start, inputs);
    tokio::select! {
        driver = begin => driver.run(commands, input_receiver).await,
        // A disk that hangs must not hold up a shutdown.
        () = told_to_close(&shared, &core.closing) => {}
    }
    shared.set_status(|status| status.is_closed = true);
    shared.listeners.close();
}

async fn told_to_close(shared: &Shared, closing: &CancellationToken) {
    tokio::select! {
        () = closing.cancelled() => {}
        () = async { while !shared.is_told_to_close() { shared.changed().await } } => {}
    }
}

/// The loop's state.
struct Driver {
    core: Arc<Core>,
    shared: Arc<Shared>,
    store: Arc<PieceStore>,
    lane: Arc<Lane>,
    swarm: headwater_swarm::Torrent,
    /// What the user wants, as last looked at.
    control: Control,
    read_only: bool,
    /// Local discovery knows of it.
    is_local: bool,
    dht: DhtSchedule,
    inputs: mpsc::UnboundedSender<Input>,
    reports: mpsc::Sender<Report>,
    report_receiver: mpsc::Receiver<Report>,
    outboxes: HashMap<PeerKey, Outbox>,
    /// Peers with something in their outbox.
    touched: Vec<PeerKey>,
    /// Gathers for the disk lane.
    ops: Vec<Op>,
    gather: Gather,
    dials: JoinSet<()>,
    /// Complete pieces that are with the disk threads.
    completing: usize,
    /// The swarm was told that the disk is behind.
    is_behind: bool,
    life: Life,
    /// There as long as the metadata is not.
    fetching: Option<Fetching>,
    /// The metadata came from peers, and resume data is where it is kept.
    keeps_metadata: bool,
    checks: Checks,
    /// Files that somebody meddled with: what is still on its way to them may be lost.
    doubtful: Vec<FileIndex>,
    files: Files,
    trackers: Trackers,
    saving: Saving,
    moves: Moves,
    publisher: Publisher,
}

/// The time, as tokio has it: tests may stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Driver {
    fn new(
        parts: Parts,
        storage: Arc<dyn Storage>,
        beginning: Result<Beginning, StorageError>,
        fetching: Option<Fetching>,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> Self {
        let Parts { core, shared, .. } = parts;
        let info = shared.info().clone();
        let (beginning, failure) = match beginning {
            Ok(beginning) => (beginning, None),
            Err(error) => (Beginning::unknown(&info), Some(error.into())),
        };
        let store = new_store(&core, &info, storage, &beginning);
        let lane = disk_lane(&core, &store, &inputs);
        {
            let mut pieces = shared.pieces.lock();
            for piece in beginning.have.ones() {
                pieces.set_have(piece, true);
            }
        }
        shared.published.lock().earlier = beginning.earlier;
        let is_kept = shared.whereabouts.lock().resume.is_some();
        tell_beginning(&shared, &beginning);
        let (reports, report_receiver) = mpsc::channel(REPORTS);
        let mut driver = Self {
            files: Files::new(&info, &beginning.have),
            checks: Checks::new(beginning.to_check),
            doubtful: Vec::new(),
            trackers: Trackers::new(&parts.trackers, parts.trust_trackers, info.is_private()),
            saving: Saving::new(is_kept, core.sync),
            moves: Moves::new(parts.resume_policy),
            publisher: Publisher::new(now()),
            life: Life::default(),
            fetching,
            keeps_metadata: beginning.keeps_metadata,
            control: Control {
                max_peers: Some(parts.max_peers),
                ..Control::default()
            },
            read_only: parts.read_only,
            is_local: false,
            dht: DhtSchedule::default(),
            swarm: new_swarm(&core, &shared, beginning.have, beginning.partial),
            store,
            lane,
            inputs,
            reports,
            report_receiver,
            outboxes: HashMap::new(),
            touched: Vec::new(),
            ops: Vec::new(),
            gather: Gather::default(),
            dials: JoinSet::new(),
            completing: 0,
            is_behind: false,
            core,
            shared,
        };
        driver.look_up_peers(parts.linked_peers);
        if let Some(failure) = failure {
            driver.fail(failure);
        }
        driver
    }

    /// Handles what happens until the torrent is closed.
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut inputs: mpsc::UnboundedReceiver<Input>,
    ) {
        let closing = self.core.closing.clone();
        let shared = self.shared.clone();
        let sleep = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(sleep);
        self.apply_control();
        loop {
            self.work();
            if self.life.is_over() {
                self.publish(now());
                return;
            }
            let wake = self.next_wake();
            if sleep.deadline().into_std() != wake {
                sleep.as_mut().reset(wake.into());
            }
            tokio::select! {
                biased;
                () = shared.changed() => self.apply_control(),
                () = closing.cancelled(), if !self.life.is_closing() => self.begin_close(),
                Some(command) = commands.recv() => self.handle_command(command),
                Some(input) = inputs.recv() => {
                    self.handle_input(input);
                    while let Ok(input) = inputs.try_recv() {
                        self.handle_input(input);
                    }
                }
                Some(report) = self.report_receiver.recv() => self.handle_reports(report),
                () = &mut sleep => {}
            }
        }
    }

    /// Does everything that follows from what was handled.
    fn work(&mut self) {
        let now = now();
        if self.swarm.poll_timeout().is_some_and(|due| due <= now) {
            self.swarm.handle_timeout(now);
        }
        self.drain(now);
        self.reconcile(now);
        self.drain(now);
        self.show_locally();
        self.search_dht(now);
        self.announce(now);
        self.save_if_due(now);
        self.publish_if_due(now);
    }

    /// When there is something to do even if nothing happens.
    fn next_wake(&self) -> Instant {
        let times = [
            self.swarm.poll_timeout(),
            self.trackers.poll_timeout(),
            self.next_dht_search(),
            self.publisher.due(),
            self.saving.due(),
            self.gather.due(),
            self.life.deadline(),
        ];
        let idle = now() + IDLE;
        times.into_iter().flatten().fold(idle, Instant::min)
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::ResumeData(reply) => self.saving.ask(reply),
            Command::Rearrange(order) => self.moves.push(order),
        }
    }

    fn handle_input(&mut self, input: Input) {
        let now = now();
        match input {
            Input::Incoming(connection) => {
                self.connected(now, connection, Direction::Incoming, PeerSource::Incoming);
            }
            Input::Dialled {
                address,
                source,
                outcome,
            } => self.dialled(now, address, source, outcome),
            Input::Disk(event) => self.handle_disk(now, event),
            Input::MetadataChecked(verdict) => self.metadata_checked(now, verdict),
            Input::ContentOpened(opened) => self.content_opened(now, *opened),
            Input::LinkedPeers(peers) => self.linked_peers_found(now, peers),
            Input::Prepared(outcome) => self.prepared(outcome),
            Input::Check(order) => self.checks.push(order),
            Input::Checked => self.take_check_results(now),
            Input::CheckEnded(finished) => self.check_ended(now, finished),
            Input::Finished(outcomes) => self.files_finished(outcomes),
            Input::Announced(id, url, outcome) => self.announced(now, id, url, outcome),
            Input::Saved(outcome) => self.saved(outcome),
            Input::Rearranged(outcome) => self.rearranged(outcome),
            Input::NotRearranged => self.not_rearranged(),
            Input::Released => self.life.released(),
            Input::Found(address, source) => self.found(now, address, source),
            Input::DhtSearched(lookup, stats) => self.dht_searched(now, lookup, stats),
        }
    }

    /// Handles one report, and others that wait.
    fn handle_reports(&mut self, first: Report) {
        let now = now();
        self.handle_report(now, first);
        for _ in 1..REPORTS_AT_ONCE {
            let Ok(report) = self.report_receiver.try_recv() else {
                return;
            };
            self.handle_report(now, report);
        }
    }

    /// Something went wrong that the user has to see to: nothing more is downloaded or served.
    fn fail(&mut self, error: TorrentError) {
        if self.swarm.activity() == Activity::Active {
            self.swarm.set_activity(now(), Activity::Paused);
        }
        self.doubt_after(&error);
        if self.life.fail() {
            tracing::error!(torrent = self.shared.name(), %error, "failed");
            let failure = error.clone();
            self.shared
                .set_status(|status| status.failure = Some(failure));
            self.shared.listeners.tell(&Event::Failed(error));
        }
    }
}

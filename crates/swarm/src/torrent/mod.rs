//! [`Torrent`]: its state and how it is driven.

mod blame;
mod choking;
mod connect;
mod control;
mod deadlines;
mod dht;
mod disk;
mod download;
mod endgame;
mod extended;
mod invariants;
mod metadata;
mod offers;
mod pex;
mod promptness;
mod receive;
mod relief;
mod super_seeding;
mod timeout;
mod upload;

pub(crate) use pex::Exchange;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use headwater_metainfo::{Bitfield, InfoHash, PeerId, PieceGeometry, PieceIndex};
use headwater_wire::{Message, Reserved};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::bans::Bans;
use crate::choker;
use crate::contacts::Contacts;
use crate::metadata::State as Metadata;
use crate::peer::Peer;
use crate::peer_list::PeerList;
use crate::peers::Peers;
use crate::picker::Picker;
use crate::priorities::Priorities;
use crate::rate::Rate;
use crate::smart_ban::SmartBan;
use crate::super_seed::Seeding;
use crate::{
    Action, Activity, Config, Discovery, Event, Limits, PeerKey, PeerSnapshot, Priority, Stats,
};

/// One torrent's part in its swarm: it decides whom to connect to, what to ask of whom, whom to serve and whom to ban.
///
/// It does no input or output, reads no clock and draws its randomness from [`Config::seed`]: the same calls give the
/// same actions. Whoever drives it
///
/// 1. makes it with [`new`](Self::new);
/// 2. calls `handle_*` and the other methods that take `now` whenever something happened. `now` never goes back;
/// 3. then calls [`poll_action`](Self::poll_action) until it gives `None` and does what each [`Action`] says, in that
///    order. Several things that happened at once, such as the messages of one read, may be handled before that: fewer,
///    larger batches of requests follow from it;
/// 4. takes [`poll_event`](Self::poll_event) until it gives `None`;
/// 5. and calls [`handle_timeout`](Self::handle_timeout) at [`poll_timeout`](Self::poll_timeout), asked for after the
///    actions are drained. Being late costs speed, not correctness.
///
/// What the driver owes:
///
/// * Every [`Action::Dial`] is answered by [`handle_connected`](Self::handle_connected) once the handshake was received,
///   or by [`handle_dial_failed`](Self::handle_dial_failed). The driver sends our handshake itself, with
///   [`reserved`](Self::reserved), and closes the connection if it is refused.
/// * Messages of a peer are handed over in the order in which they came, those to it are sent in the order of the
///   actions.
/// * Every [`Action::ServeBlock`] is answered once, see there. Not after a disconnect.
/// * Every [`Action::CompletePiece`] is answered by [`handle_piece_checked`](Self::handle_piece_checked) or
///   [`handle_store_failed`](Self::handle_store_failed). An [`Action::DigestBlocks`] may be answered, see there.
/// * An [`Action::CheckMetadata`] is answered by [`handle_metadata`](Self::handle_metadata) or
///   [`handle_metadata_failed`](Self::handle_metadata_failed).
/// * A connection that broke is told with [`handle_disconnected`](Self::handle_disconnected); one that was closed on
///   [`Action::Disconnect`] need not be.
///
/// Calls with a key that is no longer valid do nothing.
///
/// ```
/// use std::time::Instant;
/// use headwater_metainfo::{InfoHash, PeerId, PieceGeometry};
/// use headwater_swarm::{Action, Config, PeerSource, Torrent};
///
/// let geometry = PieceGeometry::new(1 << 20, 1 << 18)?;
/// let config = Config::new(InfoHash([1; 20]), PeerId(*b"-HW0100-abcdefghijkl"), geometry);
/// let now = Instant::now();
/// let mut torrent = Torrent::new(now, config);
///
/// torrent.add_peers(now, ["192.0.2.1:6881".parse()?], PeerSource::Tracker);
/// assert!(matches!(torrent.poll_action(), Some(Action::Dial { .. })));
/// assert!(torrent.poll_action().is_none());
/// assert_eq!(torrent.left(), 1 << 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Torrent {
    info_hash: InfoHash,
    peer_id: PeerId,
    geometry: PieceGeometry,
    metadata: Metadata,
    limits: Limits,
    listen_port: Option<u16>,
    client: String,
    activity: Activity,
    priorities: Priorities,
    have: Bitfield,
    /// Bytes of pieces that are wanted and not had.
    left: u64,
    /// There as long as there is anything to pick: seeds do without.
    picker: Option<Picker>,
    sequential: bool,
    /// The peers, those first that deliver soonest: made when needed, good for a moment.
    soonest: Option<Vec<PeerKey>>,
    backlogged: bool,
    /// Somebody connected to us.
    found_by_others: bool,
    peers: Peers,
    list: PeerList,
    contacts: Contacts,
    discovery: Discovery,
    /// Where our node of the DHT is reached.
    dht_port: Option<u16>,
    bans: Bans,
    smart_ban: SmartBan,
    rng: Xoshiro256PlusPlus,
    /// The latest time that the driver gave.
    now: Instant,
    clock: Clock,
    slots: usize,
    /// Of these, how many nobody wanted when they were last filled.
    open_slots: usize,
    seeding: Seeding,
    out: Outbox,
    download: Rate,
    upload: Rate,
    /// Counters; the figures that can be derived are filled in when asked for.
    stats: Stats,
}

/// When something is due.
#[derive(Debug)]
struct Clock {
    started: Instant,
    last_tick: Instant,
    /// The next tick. There is none while nobody is connected.
    tick: Option<Instant>,
    choke_round: Instant,
    /// When peers with nothing to do are next given what others are slow with.
    relief: Instant,
    /// When upload slots were last filled.
    filled: Instant,
    rounds: u32,
}

/// What is to be done and told.
#[derive(Debug, Default)]
struct Outbox {
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    /// Peers that may take more requests.
    hungry: Vec<PeerKey>,
    /// All of them may.
    all_hungry: bool,
    /// Peers for which there was not enough.
    starving: BTreeSet<PeerKey>,
    /// There may be something for them now.
    wake: bool,
    /// Dials may be possible.
    dial: bool,
    /// Upload slots may be free.
    fill_slots: bool,
    /// Somebody may be asked for metadata.
    ask_metadata: bool,
}

impl Outbox {
    /// A peer has room for other requests, and what it was asked for may be something for others.
    fn offer(&mut self, key: PeerKey) {
        self.hungry.push(key);
        self.wake = true;
    }

    fn send(&mut self, now: Instant, peer: &mut Peer, message: Message) {
        peer.last_sent = now;
        self.actions.push_back(Action::Send {
            peer: peer.key,
            message,
        });
    }
}

impl Torrent {
    /// Starts with what `config` says. Nothing happens before there are peers.
    pub fn new(now: Instant, config: Config) -> Self {
        let pieces = config.geometry.piece_count();
        let mut torrent = Self {
            info_hash: config.info_hash,
            peer_id: config.peer_id,
            geometry: config.geometry,
            metadata: Metadata::new(config.metadata),
            slots: choker::slots(config.limits.upload_slots, 0),
            list: PeerList::new(config.limits.max_known_peers, config.listen_port),
            clock: Clock {
                started: now,
                last_tick: now,
                tick: None,
                choke_round: now + config.limits.choke_interval,
                relief: now,
                filled: now,
                rounds: 0,
            },
            open_slots: choker::slots(config.limits.upload_slots, 0),
            limits: config.limits,
            listen_port: config.listen_port,
            client: config.client,
            activity: config.activity,
            priorities: Priorities::new(config.priorities, pieces),
            have: config.have,
            left: 0,
            picker: None,
            sequential: false,
            soonest: None,
            backlogged: false,
            found_by_others: false,
            peers: Peers::default(),
            seeding: Seeding {
                mode: config.super_seeding,
                ..Seeding::default()
            },
            contacts: Contacts::default(),
            discovery: config.discovery,
            dht_port: None,
            bans: Bans::default(),
            smart_ban: SmartBan::default(),
            rng: Xoshiro256PlusPlus::seed_from_u64(config.seed),
            now,
            out: Outbox::default(),
            download: Rate::default(),
            upload: Rate::default(),
            stats: Stats::default(),
        };
        torrent.left = torrent.count_left();
        torrent.ensure_picker();
        torrent.load_partial(config.partial);
        torrent
    }

    fn load_partial(&mut self, partial: Vec<(PieceIndex, Bitfield)>) {
        for (piece, blocks) in partial {
            let fits = self.geometry.block_count(piece) == blocks.len();
            let Some(picker) = self.picker.as_mut().filter(|_| fits) else {
                continue;
            };
            if picker.load_partial(piece, &blocks) {
                self.out.actions.push_back(Action::CompletePiece { piece });
            }
        }
    }

    /// The extensions that the driver's handshake must announce: fast (BEP 6) and extended messages (BEP 10), and the DHT (BEP 5) where
    /// there is [a node](Self::set_dht_port).
    pub fn reserved(&self) -> Reserved {
        Self::reserved_with(self.shows_dht())
    }

    /// The same of any torrent, where it is known whether there is a node for its peers.
    pub fn reserved_with(dht: bool) -> Reserved {
        let reserved = Reserved::default()
            .with_fast_extension()
            .with_extension_protocol();
        if dht { reserved.with_dht() } else { reserved }
    }

    /// The next thing to do. Empty it after every call, or batch of calls.
    pub fn poll_action(&mut self) -> Option<Action> {
        if self.out.actions.is_empty() {
            self.settle();
        }
        self.out.actions.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let dial = self.may_dial().then(|| self.list.next_due()).flatten();
        let due = [self.clock.tick, dial, self.fill_due(), self.relief_due()];
        due.into_iter().flatten().min()
    }

    /// Does what follows from everything that was handled since the last time.
    fn settle(&mut self) {
        self.fill_requests();
        self.fill_slots();
        if std::mem::take(&mut self.out.ask_metadata) {
            self.ask_for_metadata();
        }
        if std::mem::take(&mut self.out.dial) {
            self.dial();
        }
    }

    /// The connected peers.
    pub fn peers(&self) -> impl Iterator<Item = PeerSnapshot> + '_ {
        self.peers.iter().map(PeerSnapshot::from)
    }

    /// One connected peer.
    pub fn peer(&self, key: PeerKey) -> Option<PeerSnapshot> {
        self.peers.get(key).map(PeerSnapshot::from)
    }

    /// Counters and rates.
    pub fn stats(&self) -> Stats {
        Stats {
            download_rate: self.download.bytes_per_second(),
            upload_rate: self.upload.bytes_per_second(),
            left: self.left,
            peers: self.peers.len(),
            seeds: self.peers.iter().filter(|peer| peer.is_seed()).count(),
            half_open: self.list.dialling(),
            known_peers: self.list.len(),
            unchoked: self.occupied_slots(),
            upload_slots: self.slots,
            super_seeding: self.is_super_seeding(),
            ..self.stats
        }
    }

    /// How the torrent's bytes divide; into no pieces as long as there is no [metadata](Self::has_metadata).
    pub const fn geometry(&self) -> PieceGeometry {
        self.geometry
    }

    /// Pieces that are verified and on disk.
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Pieces that are wanted and not had.
    pub fn wanted(&self) -> Bitfield {
        let mut wanted = Bitfield::new(self.geometry.piece_count());
        for piece in self.have.zeros() {
            if self.priorities.of(piece).is_wanted() {
                wanted.set(piece);
            }
        }
        wanted
    }

    /// A piece's priority.
    pub fn priority(&self, piece: PieceIndex) -> Priority {
        self.priorities.of(piece)
    }

    /// Bytes of the pieces that are wanted and not had; the last piece may be short.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Whether everything wanted is had.
    pub const fn is_complete(&self) -> bool {
        self.left == 0 && self.has_metadata()
    }

    /// Whether everything is had.
    pub const fn is_seed(&self) -> bool {
        self.have.is_full() && self.has_metadata()
    }

    /// Pieces that are under way: which of their blocks were received.
    pub fn partial(&self) -> impl Iterator<Item = (PieceIndex, Bitfield)> + '_ {
        self.picker.iter().flat_map(Picker::partials)
    }

    /// Whether a connected peer says that it has a piece.
    pub fn peer_has(&self, peer: PeerKey, piece: PieceIndex) -> bool {
        let peer = self.peers.get(peer);
        peer.is_some_and(|peer| peer.pieces.has(piece))
    }

    /// Peers that have `piece`, ourselves not counted. While we have everything, nobody counts, and it is 0.
    pub fn availability(&self, piece: PieceIndex) -> u32 {
        match &self.picker {
            Some(picker) if piece.0 < self.geometry.piece_count() => picker.availability(piece),
            _ => 0,
        }
    }

    /// What it is allowed to do.
    pub const fn activity(&self) -> Activity {
        self.activity
    }

    /// Whether connections from `ip` are refused because bad data came from there.
    pub fn is_banned(&self, ip: IpAddr) -> bool {
        self.bans.has_ip(ip)
    }

    /// Whether a connection that comes from `ip` would be taken up as far as can be told before its handshake.
    pub fn accepts_incoming(&self, ip: IpAddr) -> bool {
        let stopped = self.activity == Activity::Stopped;
        !stopped && !self.is_banned(ip) && self.has_place()
    }

    fn count_left(&self) -> u64 {
        let missing = self.have.zeros();
        let wanted = missing.filter(|&piece| self.priorities.of(piece).is_wanted());
        wanted
            .map(|piece| u64::from(self.geometry.piece_size(piece)))
            .sum()
    }

    /// Makes the picker if there is something to pick, and drops it if there is not.
    fn ensure_picker(&mut self) {
        if self.have.is_full() {
            self.picker = None;
        } else if self.picker.is_none() {
            use rand::RngExt;
            let seed = self.rng.random();
            let mut picker = Picker::new(self.geometry, &self.have, &self.priorities, seed);
            picker.set_sequential(self.sequential);
            for peer in self.peers.iter() {
                picker.add_peer(peer.key, &peer.pieces);
            }
            self.picker = Some(picker);
        }
    }

    /// Time as the driver has it; it never goes back.
    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }
}

//! A network of torrents with virtual time and perfect disks.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use headwater_metainfo::{BlockDigest, BlockSpan, InfoHash, PeerId, PieceGeometry, PieceIndex};
use headwater_wire::extension::HANDSHAKE_ID;
use headwater_wire::{Handshake, Message, MetadataMessage, Reserved};

use crate::{
    Action, Config, Connected, Content, Direction, DisconnectReason, Event, PeerKey, PeerSource,
    PieceCheck, Torrent,
};

pub(super) const INFO_HASH: InfoHash = InfoHash([0xaa; 20]);
pub(super) const METADATA_SIZE: u64 = 5 * 16_384 + 100;

/// The byte of the content at a position.
fn content(position: u64) -> u8 {
    (position.wrapping_mul(2_654_435_761) >> 13) as u8
}

/// The torrent's metadata: five pieces and a bit.
pub(super) fn metadata() -> Bytes {
    static METADATA: LazyLock<Bytes> = LazyLock::new(|| {
        let bytes = (0..METADATA_SIZE).map(|at| content(at + 1));
        bytes.collect::<Vec<u8>>().into()
    });
    METADATA.clone()
}

/// A message as one sends it who spoils metadata.
fn spoilt(message: Message) -> Message {
    let Message::Extended { id, payload } = message else {
        return message;
    };
    match MetadataMessage::decode(&payload) {
        Ok(MetadataMessage::Data {
            piece,
            total_size,
            data,
        }) if id != HANDSHAKE_ID => {
            let mut data = data.to_vec();
            data[0] ^= 1;
            let data = data.into();
            let spoilt = MetadataMessage::Data {
                piece,
                total_size,
                data,
            };
            spoilt.message(id)
        }
        _ => Message::Extended { id, payload },
    }
}

/// Sizes for tests: `pieces` of four blocks, the last one short.
pub(super) fn geometry(pieces: u32) -> PieceGeometry {
    PieceGeometry::new(u64::from(pieces) * 65_536 - 1_000, 65_536).unwrap()
}

/// A configuration for node `index`.
pub(super) fn config(index: usize, pieces: u32) -> Config {
    let mut id = *b"-HW0100-000000000000";
    id[12..].copy_from_slice(&(index as u64).to_be_bytes());
    let mut config = Config::new(INFO_HASH, PeerId(id), geometry(pieces));
    config.seed = index as u64;
    config.listen_port = Some(6_881);
    config
}

/// The same, asking for 32 blocks at once: for tests that are about something else than the queue.
pub(super) fn eager(index: usize, pieces: u32) -> Config {
    let mut config = config(index, pieces);
    config.limits.first_requests = 32;
    config
}

/// What an `Action::ServeBlock` waits for.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) torrent: Torrent,
    pub(super) address: SocketAddr,
    pub(super) data: Vec<u8>,
    pub(super) stored: BTreeMap<(PieceIndex, u32), Bytes>,
    pub(super) events: Vec<Event>,
    pub(super) disconnects: Vec<DisconnectReason>,
    /// Every block that it sends is bad.
    pub(super) corrupt: bool,
    /// Messages that it sends of which this says so are lost.
    pub(super) mute: Option<fn(&Message) -> bool>,
    /// Every piece of metadata that it sends is bad.
    pub(super) lies: bool,
    /// Pieces of the torrent, for when it gets the metadata.
    pieces: u32,
    /// Everything that was sent.
    pub(super) sent: Vec<Message>,
    pub(super) reserved: Reserved,
    /// Payload bytes a second that it can send; `None` is no limit.
    pub(super) up: Option<u32>,
    /// When its link has sent what there is to send.
    free_at: Instant,
}

/// A connection: which node has which key for it.
#[derive(Debug, Clone, Copy)]
struct Link {
    ends: [(usize, Option<PeerKey>); 2],
}

/// What is under way.
#[derive(Debug)]
enum Packet {
    Message(Message),
    /// A block has left, on its way to the other end.
    Sent(BlockSpan),
    Close,
}

#[derive(Debug)]
pub(super) struct Net {
    pub(super) now: Instant,
    pub(super) nodes: Vec<Node>,
    links: Vec<Link>,
    /// Due time, link, receiving end, content; in the order of sending.
    flying: VecDeque<(Instant, usize, usize, Packet)>,
    pub(super) latency: Duration,
    /// The disks can say what was in the blocks of a bad piece.
    pub(super) tells_digests: bool,
}

impl Net {
    pub(super) fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
        let now = Instant::now();
        Self {
            now,
            nodes: Vec::new(),
            links: Vec::new(),
            flying: VecDeque::new(),
            latency: Duration::from_millis(10),
            tells_digests: true,
        }
    }

    pub(super) fn add(&mut self, config: Config) -> usize {
        let pieces = config.geometry.piece_count();
        self.add_without_metadata(config, pieces)
    }

    /// Adds a node whose torrent turns out to have `pieces`.
    pub(super) fn add_without_metadata(&mut self, config: Config, pieces: u32) -> usize {
        let index = self.nodes.len();
        let size = geometry(pieces.max(1)).total_size();
        let mut data = vec![0; size as usize];
        for piece in config.have.ones() {
            for position in config.geometry.piece_range(piece) {
                data[position as usize] = content(position);
            }
        }
        let torrent = Torrent::new(self.now, config);
        let reserved = torrent.reserved();
        self.nodes.push(Node {
            torrent,
            address: SocketAddr::from((
                [10, 0, (index / 250) as u8, (index % 250) as u8 + 1],
                6_881,
            )),
            data,
            stored: BTreeMap::new(),
            events: Vec::new(),
            disconnects: Vec::new(),
            corrupt: false,
            lies: false,
            pieces,
            mute: None,
            sent: Vec::new(),
            reserved,
            up: None,
            free_at: self.now,
        });
        index
    }

    pub(super) fn leech(&mut self, pieces: u32) -> usize {
        self.add(config(self.nodes.len(), pieces))
    }

    pub(super) fn seed(&mut self, pieces: u32) -> usize {
        self.add(config(self.nodes.len(), pieces).complete())
    }

    /// Tells a node about another one, which it then dials.
    pub(super) fn introduce(&mut self, a: usize, b: usize) {
        let address = self.nodes[b].address;
        let now = self.now;
        self.nodes[a]
            .torrent
            .add_peers(now, [address], PeerSource::Tracker);
        self.drain(a);
    }

    /// Tells every node about every other one.
    pub(super) fn introduce_all(&mut self) {
        for a in 0..self.nodes.len() {
            for b in 0..self.nodes.len() {
                if a != b {
                    self.introduce(a, b);
                }
            }
        }
    }

    /// Runs until nothing is due before `until` has passed.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until `done`, or fails after `limit`. Says how long it took.
    pub(super) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        while !done(self) {
            assert!(
                self.step(start + limit),
                "not done after {limit:?}: {self:#?}"
            );
        }
        self.now - start
    }

    /// Does the next thing that is due, if that is before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let timeouts = self.nodes.iter().enumerate();
        let timeout = timeouts
            .filter_map(|(index, node)| Some((node.torrent.poll_timeout()?, index)))
            .min();
        let packet = self.flying.iter().map(|packet| packet.0).min();
        match (packet, timeout) {
            (Some(due), timeout) if timeout.is_none_or(|(at, _)| due <= at) && due <= end => {
                self.now = self.now.max(due);
                self.deliver(due);
            }
            (_, Some((due, index))) if due <= end => {
                self.now = self.now.max(due);
                self.nodes[index].torrent.handle_timeout(self.now);
                self.drain(index);
            }
            _ => return false,
        }
        true
    }

    fn deliver(&mut self, due: Instant) {
        let at = self
            .flying
            .iter()
            .position(|packet| packet.0 == due)
            .unwrap();
        let (_, link, end, packet) = self.flying.remove(at).unwrap();
        let (node, key) = self.links[link].ends[end];
        let Some(key) = key else { return };
        match packet {
            Packet::Message(message) => {
                self.nodes[node]
                    .torrent
                    .handle_message(self.now, key, message);
            }
            Packet::Sent(block) => self.sent(node, key, block),
            Packet::Close => {
                self.links[link].ends[end].1 = None;
                self.nodes[node].torrent.handle_disconnected(self.now, key);
            }
        }
        self.drain(node);
    }

    /// The node's end of the connection that it knows by `key`.
    fn end_of(&self, node: usize, key: PeerKey) -> Option<(usize, usize)> {
        self.links
            .iter()
            .enumerate()
            .rev()
            .find_map(|(link, each)| {
                let end = each.ends.iter().position(|&end| end == (node, Some(key)))?;
                Some((link, end))
            })
    }

    pub(super) fn key(&self, node: usize, other: usize) -> Option<PeerKey> {
        self.links.iter().rev().find_map(|link| {
            let end = link
                .ends
                .iter()
                .position(|end| end.0 == node && end.1.is_some())?;
            (link.ends[1 - end].0 == other).then_some(link.ends[end].1)?
        })
    }

    /// Both ends of an open connection lose it.
    pub(super) fn cut(&mut self, a: usize, b: usize) {
        for (node, other) in [(a, b), (b, a)] {
            let Some(key) = self.key(node, other) else {
                continue;
            };
            let (link, end) = self.end_of(node, key).unwrap();
            self.links[link].ends[end].1 = None;
            let now = self.now;
            self.nodes[node].torrent.handle_disconnected(now, key);
            self.drain(node);
        }
    }

    pub(super) fn drain(&mut self, node: usize) {
        while let Some(action) = self.nodes[node].torrent.poll_action() {
            self.act(node, action);
        }
        while let Some(event) = self.nodes[node].torrent.poll_event() {
            self.nodes[node].events.push(event);
        }
        self.nodes[node].torrent.check_invariants();
    }

    fn act(&mut self, node: usize, action: Action) {
        match action {
            Action::Dial { address, source } => self.dial(node, address, source),
            Action::Send { peer, message } => self.send(node, peer, message),
            Action::ServeBlock { peer, block } => self.serve(node, peer, block),
            Action::CancelServe { peer, block } => {
                let now = self.now;
                self.nodes[node]
                    .torrent
                    .handle_block_dropped(now, peer, block);
            }
            Action::StoreBlock { block, data } => {
                let key = (block.piece, block.offset);
                self.nodes[node].stored.insert(key, data);
            }
            Action::CompletePiece { piece } => self.complete(node, piece),
            Action::DigestBlocks { piece } => self.digest(node, piece),
            Action::DiscardPiece { piece } => {
                self.nodes[node].stored.retain(|key, _| key.0 != piece);
            }
            Action::CheckMetadata { metadata } => self.check_metadata(node, metadata),
            Action::Disconnect { peer, reason } => self.close(node, peer, reason),
        }
    }

    fn dial(&mut self, node: usize, address: SocketAddr, source: PeerSource) {
        let now = self.now;
        let other = self.nodes.iter().position(|each| each.address == address);
        let Some(other) = other else {
            self.nodes[node].torrent.handle_dial_failed(now, address);
            return;
        };
        let link = self.links.len();
        let ephemeral = SocketAddr::new(self.nodes[node].address.ip(), 40_000 + link as u16);
        self.links.push(Link {
            ends: [(node, None), (other, None)],
        });
        let outgoing = self.connected(other, address, Direction::Outgoing, source);
        let incoming = self.connected(node, ephemeral, Direction::Incoming, PeerSource::Incoming);
        let near = self.nodes[node]
            .torrent
            .handle_connected(now, outgoing)
            .ok();
        let far = self.nodes[other]
            .torrent
            .handle_connected(now, incoming)
            .ok();
        self.links[link].ends = [(node, near), (other, far)];
        for (end, key) in [near, far].into_iter().enumerate() {
            if key.is_none() {
                self.fly(link, 1 - end, Packet::Close);
            }
        }
        self.drain(other);
    }

    fn connected(
        &self,
        other: usize,
        address: SocketAddr,
        direction: Direction,
        source: PeerSource,
    ) -> Connected {
        let index = other as u64;
        let mut id = *b"-HW0100-000000000000";
        id[12..].copy_from_slice(&index.to_be_bytes());
        Connected {
            address,
            direction,
            handshake: Handshake {
                reserved: self.nodes[other].reserved,
                info_hash: INFO_HASH,
                peer_id: PeerId(id),
            },
            local_ip: None,
            source,
        }
    }

    pub(super) fn send(&mut self, node: usize, peer: PeerKey, message: Message) {
        if self.nodes[node].mute.is_some_and(|mute| mute(&message)) {
            return;
        }
        let message = if self.nodes[node].lies {
            spoilt(message)
        } else {
            message
        };
        self.nodes[node].sent.push(message.clone());
        if let Some((link, end)) = self.end_of(node, peer) {
            self.fly(link, 1 - end, Packet::Message(message));
        }
    }

    fn fly(&mut self, link: usize, to: usize, packet: Packet) {
        self.flying
            .push_back((self.now + self.latency, link, to, packet));
    }

    fn serve(&mut self, node: usize, peer: PeerKey, block: BlockSpan) {
        let Some(up) = self.nodes[node].up else {
            return self.sent(node, peer, block);
        };
        let Some((link, end)) = self.end_of(node, peer) else {
            return;
        };
        let time = Duration::from_secs(1) * block.length / up;
        let left = self.now.max(self.nodes[node].free_at) + time;
        self.nodes[node].free_at = left;
        self.flying
            .push_back((left, link, end, Packet::Sent(block)));
    }

    /// A block leaves a node.
    fn sent(&mut self, node: usize, peer: PeerKey, block: BlockSpan) {
        let geometry = geometry_of(&self.nodes[node].torrent);
        assert!(
            self.nodes[node].torrent.have().has(block.piece),
            "{block:?} is not there"
        );
        let start = geometry.span_start(block) as usize;
        let end = start + block.length as usize;
        let mut data = self.nodes[node].data[start..end].to_vec();
        if self.nodes[node].corrupt {
            data[0] ^= 1;
        }
        let message = Message::Piece {
            piece: block.piece,
            offset: block.offset,
            data: data.into(),
        };
        self.send(node, peer, message);
        let now = self.now;
        self.nodes[node].torrent.handle_block_sent(now, peer, block);
    }

    fn complete(&mut self, node: usize, piece: PieceIndex) {
        let geometry = geometry_of(&self.nodes[node].torrent);
        let range = geometry.piece_range(piece);
        let (mut bytes, mut digests) = (Vec::new(), Vec::new());
        for block in geometry.blocks(piece) {
            let data = self.nodes[node].stored.remove(&(piece, block.offset));
            let data = data.expect("every block was stored");
            digests.push(Some(BlockDigest::of(&data)));
            bytes.extend_from_slice(&data);
        }
        let good = bytes
            .iter()
            .zip(range.clone())
            .all(|(&byte, at)| byte == content(at));
        let check = if good {
            self.nodes[node].data[range.start as usize..range.end as usize].copy_from_slice(&bytes);
            PieceCheck::Passed
        } else {
            PieceCheck::Failed {
                digests: if self.tells_digests { digests } else { vec![] },
            }
        };
        let now = self.now;
        self.nodes[node]
            .torrent
            .handle_piece_checked(now, piece, check);
    }

    fn digest(&mut self, node: usize, piece: PieceIndex) {
        if !self.tells_digests {
            return;
        }
        let now = self.now;
        let Node { torrent, data, .. } = &mut self.nodes[node];
        let geometry = geometry_of(torrent);
        let start = |block| geometry.span_start(block) as usize;
        let digests = geometry.blocks(piece).map(|block| {
            BlockDigest::of(&data[start(block)..start(block) + block.length as usize])
        });
        torrent.handle_block_digests(now, piece, &digests.collect::<Vec<_>>());
    }

    fn check_metadata(&mut self, node: usize, bytes: Bytes) {
        let now = self.now;
        let Node {
            torrent, pieces, ..
        } = &mut self.nodes[node];
        if bytes == metadata() {
            torrent.handle_metadata(now, Content::new(bytes, geometry(*pieces)));
        } else {
            torrent.handle_metadata_failed(now);
        }
    }

    fn close(&mut self, node: usize, peer: PeerKey, reason: DisconnectReason) {
        self.nodes[node].disconnects.push(reason);
        if let Some((link, end)) = self.end_of(node, peer) {
            self.links[link].ends[end].1 = None;
            self.fly(link, 1 - end, Packet::Close);
        }
    }

    /// Whether a node has everything. Every piece was compared with the content when it was completed.
    pub(super) fn has_all(&self, node: usize) -> bool {
        self.nodes[node].torrent.is_seed()
    }
}

fn geometry_of(torrent: &Torrent) -> PieceGeometry {
    torrent.geometry()
}

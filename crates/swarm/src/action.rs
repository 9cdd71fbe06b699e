//! What a torrent asks of its driver, and what it tells.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use headwater_metainfo::{Bitfield, BlockDigest, BlockSpan, PeerId, PieceGeometry, PieceIndex};
use headwater_wire::{Handshake, Message};

use crate::{PeerKey, Priority};

/// Something that the driver of a [`Torrent`](crate::Torrent) must do. The order of actions is their order in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connect and shake hands, then call [`handle_connected`](crate::Torrent::handle_connected) or
    /// [`handle_dial_failed`](crate::Torrent::handle_dial_failed).
    Dial {
        /// Where.
        address: SocketAddr,
        /// Who told us.
        source: PeerSource,
    },
    /// Send a message. Never a [`Message::Piece`].
    Send {
        /// To whom.
        peer: PeerKey,
        /// What.
        message: Message,
    },
    /// Read a block and send it as [`Message::Piece`].
    ///
    /// Answered exactly once: [`handle_block_sent`](crate::Torrent::handle_block_sent),
    /// [`handle_block_unreadable`](crate::Torrent::handle_block_unreadable), or, after a
    /// [`CancelServe`](Self::CancelServe), [`handle_block_dropped`](crate::Torrent::handle_block_dropped).
    ServeBlock {
        /// To whom.
        peer: PeerKey,
        /// What.
        block: BlockSpan,
    },
    /// Drop a block that was to be served, unless it is already on its way, and say
    /// [`handle_block_dropped`](crate::Torrent::handle_block_dropped) if it was dropped.
    CancelServe {
        /// To whom.
        peer: PeerKey,
        /// What.
        block: BlockSpan,
    },
    /// Keep a received block until its piece is complete.
    StoreBlock {
        /// Where it belongs.
        block: BlockSpan,
        /// Its bytes: a slice of the read buffer, never copied here.
        data: Bytes,
    },
    /// All blocks of a piece were stored: hash them, write the piece if it is good, and answer
    /// [`handle_piece_checked`](crate::Torrent::handle_piece_checked) or
    /// [`handle_store_failed`](crate::Torrent::handle_store_failed).
    CompletePiece {
        /// Which.
        piece: PieceIndex,
    },
    /// A piece that failed before is there: say with [`handle_block_digests`](crate::Torrent::handle_block_digests) what
    /// its blocks are, so that whoever sent others is found.
    ///
    /// The digests must be made from bytes that have the piece's hash. A driver that cannot give them need not answer.
    DigestBlocks {
        /// Which.
        piece: PieceIndex,
    },
    /// Forget the stored blocks of a piece: it failed its check, or is no longer wanted.
    DiscardPiece {
        /// Which.
        piece: PieceIndex,
    },
    /// All of the metadata has come from peers (BEP 9): hash it, and answer
    /// [`handle_metadata`](crate::Torrent::handle_metadata) if the hash is the torrent's, else
    /// [`handle_metadata_failed`](crate::Torrent::handle_metadata_failed). Until then it is not asked for again.
    CheckMetadata {
        /// What came, of at most 30 MiB.
        metadata: Bytes,
    },
    /// Close a connection. The key is no longer valid; messages that were queued before may still be flushed.
    Disconnect {
        /// Whose.
        peer: PeerKey,
        /// Why.
        reason: DisconnectReason,
    },
}

/// Something worth knowing about a [`Torrent`](crate::Torrent).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A downloaded piece is on disk and its hash is right.
    PieceVerified(PieceIndex),
    /// A downloaded piece had the wrong hash; it will be downloaded again.
    PieceFailed(PieceIndex),
    /// What peers sent as metadata had the wrong hash; it is fetched again.
    MetadataFailed,
    /// A peer was connected.
    PeerConnected {
        /// Its key.
        peer: PeerKey,
        /// Its address.
        address: SocketAddr,
        /// Its name on the wire.
        peer_id: PeerId,
    },
    /// A peer is gone.
    PeerDisconnected {
        /// Its former key.
        peer: PeerKey,
        /// Its address.
        address: SocketAddr,
        /// Why; `None` when the connection broke or the other end closed it.
        reason: Option<DisconnectReason>,
    },
    /// A peer sent bad data and is not accepted again.
    PeerBanned {
        /// Its address.
        address: SocketAddr,
        /// Its name on the wire.
        peer_id: PeerId,
        /// Whether everybody at its IP address is refused from now on.
        whole_address: bool,
    },
    /// A peer told about its extensions and its client (BEP 10).
    PeerIdentified(PeerKey),
    /// A peer says that a node of the DHT is there (BEP 5). Told only where [`Discovery`](crate::Discovery) allows it.
    DhtNode(SocketAddr),
    /// The last piece that was wanted is there, or the last one that was missing is no longer wanted.
    Complete,
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DisconnectReason {
    /// The torrent was stopped.
    #[error("the torrent was stopped")]
    Stopped,
    /// Nothing was heard from the peer for too long.
    #[error("the peer was silent for too long")]
    Idle,
    /// Neither end can give the other anything.
    #[error("neither end needs the other")]
    Redundant,
    /// A second connection to a peer that is already connected.
    #[error("a second connection to the same peer")]
    Duplicate,
    /// The peer sent bad data.
    #[error("the peer sent corrupt data")]
    Banned,
    /// A bitfield of the wrong length or with spare bits set.
    #[error("the peer sent an invalid bitfield")]
    InvalidBitfield,
    /// "Have all" or "have none" after it had told what it has; a later bitfield is taken.
    #[error("the peer told again what it has")]
    RepeatedBitfield,
    /// A piece index that the torrent does not have.
    #[error("the peer named a piece that does not exist")]
    InvalidPiece,
    /// A request that no torrent could fill.
    #[error("the peer sent an invalid request")]
    InvalidRequest,
    /// Far more requests than are allowed.
    #[error("the peer sent too many requests")]
    TooManyRequests,
    /// Blocks that nobody asked for, again and again.
    #[error("the peer sent blocks that were not requested")]
    Unrequested,
    /// A message of the fast extension without having agreed on it.
    #[error("the peer used the fast extension without agreeing on it")]
    UnexpectedFast,
    /// Fewer connections are allowed than there are.
    #[error("there are too many connections")]
    Full,
    /// The torrent turned out to be private, and the peer was not found through its trackers (BEP 27).
    #[error("the torrent is private, and the peer was found elsewhere")]
    Private,
    /// We lost a piece that this peer was told of, and it has no way of hearing that.
    #[error("a piece was lost and the peer cannot be told")]
    LostPiece,
}

/// Why a connection is not taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// It leads to ourselves.
    #[error("it is a connection to ourselves")]
    SelfConnection,
    /// The peer is already connected.
    #[error("the peer is already connected")]
    Duplicate,
    /// The peer sent bad data earlier.
    #[error("the peer is banned")]
    Banned,
    /// No more connections are allowed.
    #[error("there are enough connections")]
    Full,
    /// The torrent is stopped.
    #[error("the torrent is stopped")]
    Stopped,
    /// It was found in a way that is [not allowed](crate::Config::discovery) any more.
    #[error("the peer was found in a way that is not allowed")]
    Forbidden,
    /// The handshake names another torrent.
    #[error("the handshake names another torrent")]
    WrongInfoHash,
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The other end.
    Incoming,
    /// We.
    Outgoing,
}

/// Where an address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PeerSource {
    /// Named by the user.
    User,
    /// A magnet link (`x.pe`, BEP 9).
    Magnet,
    /// A tracker.
    Tracker,
    /// The local network (BEP 14).
    LocalDiscovery,
    /// The DHT (BEP 5).
    Dht,
    /// Another peer (BEP 11).
    Exchange,
    /// Data kept from an earlier run.
    Resume,
    /// It connected to us.
    Incoming,
}

impl PeerSource {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Magnet,
        Self::Tracker,
        Self::LocalDiscovery,
        Self::Dht,
        Self::Exchange,
        Self::Resume,
        Self::Incoming,
    ];

    /// One word for it: `user`, `magnet`, `tracker`, `lsd`, `dht`, `pex`, `resume` or `incoming`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Magnet => "magnet",
            Self::Tracker => "tracker",
            Self::LocalDiscovery => "lsd",
            Self::Dht => "dht",
            Self::Exchange => "pex",
            Self::Resume => "resume",
            Self::Incoming => "incoming",
        }
    }
}

impl fmt::Display for PeerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A connection whose handshake is done.
#[derive(Debug, Clone, Copy)]
pub struct Connected {
    /// The other end; for an outgoing one the address that was dialled.
    pub address: SocketAddr,
    /// Who opened it.
    pub direction: Direction,
    /// What the other end sent.
    pub handshake: Handshake,
    /// Our end, if it is known.
    pub local_ip: Option<IpAddr>,
    /// Where the address came from.
    pub source: PeerSource,
}

/// What a torrent turns out to hold when its metadata is there. The other fields are as in [`Config`](crate::Config).
#[derive(Debug, Clone)]
pub struct Content {
    /// The info dictionary's raw bytes, whose hash is the torrent's.
    pub metadata: Bytes,
    /// Whether the torrent is private (BEP 27). Of one that is not, peers are given the metadata.
    pub is_private: bool,
    /// How its bytes divide.
    pub geometry: PieceGeometry,
    /// Pieces that are verified and on disk.
    pub have: Bitfield,
    /// Of other pieces, the blocks that are on disk.
    pub partial: Vec<(PieceIndex, Bitfield)>,
    /// For each piece; empty stands for [`Priority::NORMAL`] everywhere.
    pub priorities: Vec<Priority>,
}

impl Content {
    /// Nothing is there, and everything is wanted.
    pub fn new(metadata: Bytes, geometry: PieceGeometry) -> Self {
        Self {
            metadata,
            is_private: false,
            geometry,
            have: Bitfield::new(geometry.piece_count()),
            partial: Vec::new(),
            priorities: Vec::new(),
        }
    }
}

/// Outcome of checking a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PieceCheck {
    /// The hash is right and the piece is on disk.
    Passed,
    /// The hash is wrong.
    Failed {
        /// What each block was, in order. `None` stands for one that may not be what was last stored of it, because it
        /// was on disk before or the disk is in doubt: nobody is blamed for that one.
        ///
        /// A driver that cannot tell any leaves this empty. Then a peer that sent all of a bad piece is still banned, but
        /// of several that sent some of it each has to prove itself.
        digests: Vec<Option<BlockDigest>>,
    },
}

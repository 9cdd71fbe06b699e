//! The messages that follow the handshake (BEP 3, 6, 10 and 52), and how they are written.

use bytes::{BufMut, Bytes};
use headwater_metainfo::{BlockSpan, PieceIndex};

/// Bytes of a `piece` message in front of its payload: length prefix, id, piece, offset.
pub const PIECE_HEADER_LENGTH: usize = 13;

/// The first byte of a message, which says what it is.
pub(crate) mod id {
    pub(crate) const CHOKE: u8 = 0;
    pub(crate) const UNCHOKE: u8 = 1;
    pub(crate) const INTERESTED: u8 = 2;
    pub(crate) const NOT_INTERESTED: u8 = 3;
    pub(crate) const HAVE: u8 = 4;
    pub(crate) const BITFIELD: u8 = 5;
    pub(crate) const REQUEST: u8 = 6;
    pub(crate) const PIECE: u8 = 7;
    pub(crate) const CANCEL: u8 = 8;
    pub(crate) const PORT: u8 = 9;
    pub(crate) const SUGGEST: u8 = 13;
    pub(crate) const HAVE_ALL: u8 = 14;
    pub(crate) const HAVE_NONE: u8 = 15;
    pub(crate) const REJECT: u8 = 16;
    pub(crate) const ALLOWED_FAST: u8 = 17;
    pub(crate) const EXTENDED: u8 = 20;
    pub(crate) const HASH_REQUEST: u8 = 21;
    pub(crate) const HASHES: u8 = 22;
    pub(crate) const HASH_REJECT: u8 = 23;
}

/// Which hashes of a file's Merkle tree are meant (BEP 52). What the numbers must satisfy is for the receiver to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashRequest {
    /// Root of the file's tree.
    pub pieces_root: [u8; 32],
    /// Lowest layer asked for, in layers above the leaves.
    pub base_layer: u32,
    /// First hash, counted in that layer.
    pub index: u32,
    /// Hashes of that layer.
    pub length: u32,
    /// Layers above it for which uncle hashes are wanted.
    pub proof_layers: u32,
}

/// One peer message.
///
/// Values are as the wire has them: whether a piece or span lies inside the torrent, or whether a bitfield has the
/// right length ([`Bitfield::from_bytes`](headwater_metainfo::Bitfield::from_bytes)), only somebody who knows the
/// torrent can say. `Bytes` are slices of the read buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Nothing but a sign of life.
    KeepAlive,
    /// Requests will not be served.
    Choke,
    /// Requests will be served.
    Unchoke,
    /// The sender wants pieces that the receiver has.
    Interested,
    /// It does not.
    NotInterested,
    /// The sender now has this piece.
    Have(PieceIndex),
    /// The pieces that the sender has, not yet validated.
    Bitfield(Bytes),
    /// Asks for a block.
    Request(BlockSpan),
    /// A block.
    Piece {
        /// Its piece.
        piece: PieceIndex,
        /// First byte, counted from the start of the piece.
        offset: u32,
        /// The bytes; never empty when it was decoded.
        data: Bytes,
    },
    /// The block is no longer wanted.
    Cancel(BlockSpan),
    /// UDP port of the sender's DHT node (BEP 5).
    Port(u16),
    /// The receiver might like to download this piece (BEP 6).
    Suggest(PieceIndex),
    /// The sender has every piece (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// The request will not be served (BEP 6).
    Reject(BlockSpan),
    /// This piece may be asked for while choked (BEP 6).
    AllowedFast(PieceIndex),
    /// A message of the extension protocol (BEP 10).
    Extended {
        /// Which one: 0 is the handshake, others as the receiver announced them.
        id: u8,
        /// What follows.
        payload: Bytes,
    },
    /// Asks for hashes (BEP 52).
    HashRequest(HashRequest),
    /// Hashes, the base layer first, then uncles towards the root (BEP 52).
    Hashes {
        /// The request that this answers.
        request: HashRequest,
        /// 32 bytes each.
        hashes: Bytes,
    },
    /// The hashes will not be sent (BEP 52).
    HashReject(HashRequest),
    /// A message of a protocol that is not known here, to be ignored.
    Unknown {
        /// Its first byte.
        id: u8,
        /// What follows.
        payload: Bytes,
    },
}

impl Message {
    /// The block that a `Request`, `Piece`, `Cancel` or `Reject` is about.
    pub fn block(&self) -> Option<BlockSpan> {
        match *self {
            Self::Request(span) | Self::Cancel(span) | Self::Reject(span) => Some(span),
            Self::Piece {
                piece,
                offset,
                ref data,
            } => Some(BlockSpan {
                piece,
                offset,
                length: data.len() as u32,
            }),
            _ => None,
        }
    }

    /// Bytes on the wire, the four of the length prefix among them.
    pub fn encoded_length(&self) -> usize {
        4 + self.frame_length()
    }

    /// What the length prefix says.
    fn frame_length(&self) -> usize {
        match self {
            Self::KeepAlive => 0,
            Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested
            | Self::HaveAll
            | Self::HaveNone => 1,
            Self::Port(_) => 3,
            Self::Have(_) | Self::Suggest(_) | Self::AllowedFast(_) => 5,
            Self::Request(_) | Self::Cancel(_) | Self::Reject(_) => 13,
            Self::HashRequest(_) | Self::HashReject(_) => 49,
            Self::Bitfield(bytes) => 1 + bytes.len(),
            Self::Unknown { payload, .. } => 1 + payload.len(),
            Self::Extended { payload, .. } => 2 + payload.len(),
            Self::Piece { data, .. } => 9 + data.len(),
            Self::Hashes { hashes, .. } => 49 + hashes.len(),
        }
    }

    /// Writes the message, length prefix and all; payloads are copied.
    ///
    /// [`SendQueue`](crate::SendQueue) sends a `Piece` without that copy.
    ///
    /// # Panics
    /// When a payload is longer than a length prefix can say, or `dst` is full.
    pub fn encode(&self, dst: &mut impl BufMut) {
        dst.put_u32(u32::try_from(self.frame_length()).expect("a message is shorter than 4 GiB"));
        match self {
            Self::KeepAlive => {}
            Self::Choke => dst.put_u8(id::CHOKE),
            Self::Unchoke => dst.put_u8(id::UNCHOKE),
            Self::Interested => dst.put_u8(id::INTERESTED),
            Self::NotInterested => dst.put_u8(id::NOT_INTERESTED),
            Self::HaveAll => dst.put_u8(id::HAVE_ALL),
            Self::HaveNone => dst.put_u8(id::HAVE_NONE),
            Self::Have(piece) => put_piece(dst, id::HAVE, *piece),
            Self::Suggest(piece) => put_piece(dst, id::SUGGEST, *piece),
            Self::AllowedFast(piece) => put_piece(dst, id::ALLOWED_FAST, *piece),
            Self::Request(span) => put_span(dst, id::REQUEST, *span),
            Self::Cancel(span) => put_span(dst, id::CANCEL, *span),
            Self::Reject(span) => put_span(dst, id::REJECT, *span),
            Self::HashRequest(request) => put_hash_request(dst, id::HASH_REQUEST, request),
            Self::HashReject(request) => put_hash_request(dst, id::HASH_REJECT, request),
            Self::Bitfield(bytes) => put_payload(dst, &[id::BITFIELD], bytes),
            Self::Unknown { id, payload } => put_payload(dst, &[*id], payload),
            Self::Extended { id, payload } => put_payload(dst, &[id::EXTENDED, *id], payload),
            Self::Port(port) => {
                dst.put_u8(id::PORT);
                dst.put_u16(*port);
            }
            Self::Hashes { request, hashes } => {
                put_hash_request(dst, id::HASHES, request);
                dst.put_slice(hashes);
            }
            Self::Piece {
                piece,
                offset,
                data,
            } => {
                put_piece(dst, id::PIECE, *piece);
                dst.put_u32(*offset);
                dst.put_slice(data);
            }
        }
    }
}

/// Everything of a `piece` message but its payload.
pub(crate) fn piece_header(span: BlockSpan) -> [u8; PIECE_HEADER_LENGTH] {
    let mut header = [0; PIECE_HEADER_LENGTH];
    let mut dst = &mut header[..];
    dst.put_u32(9 + span.length);
    put_piece(&mut dst, id::PIECE, span.piece);
    dst.put_u32(span.offset);
    header
}

fn put_piece(dst: &mut impl BufMut, id: u8, piece: PieceIndex) {
    dst.put_u8(id);
    dst.put_u32(piece.0);
}

fn put_span(dst: &mut impl BufMut, id: u8, span: BlockSpan) {
    put_piece(dst, id, span.piece);
    dst.put_u32(span.offset);
    dst.put_u32(span.length);
}

fn put_payload(dst: &mut impl BufMut, header: &[u8], payload: &[u8]) {
    dst.put_slice(header);
    dst.put_slice(payload);
}

fn put_hash_request(dst: &mut impl BufMut, id: u8, request: &HashRequest) {
    dst.put_u8(id);
    dst.put_slice(&request.pieces_root);
    dst.put_u32(request.base_layer);
    dst.put_u32(request.index);
    dst.put_u32(request.length);
    dst.put_u32(request.proof_layers);
}

//! The pieces that a peer says it has.

use headwater_metainfo::{Bitfield, PieceIndex};

/// A peer's pieces. Seeds and empty peers, which most are, take no memory.
#[derive(Debug, Clone)]
pub(crate) enum PeerPieces {
    None {
        len: u32,
    },
    All {
        len: u32,
    },
    Some(Bitfield),
    /// It had everything once and lost something. It is not [`All`](Self::All) again even if it gets that back: to count
    /// a peer as a seed, or no longer as one, is dear, and a peer could make us do that again and again.
    Torn(Bitfield),
}

impl PeerPieces {
    pub(crate) fn from_bitfield(bits: Bitfield) -> Self {
        let len = bits.len();
        if bits.is_full() {
            Self::All { len }
        } else if bits.is_clear() {
            Self::None { len }
        } else {
            Self::Some(bits)
        }
    }

    pub(crate) fn len(&self) -> u32 {
        match self {
            Self::None { len } | Self::All { len } => *len,
            Self::Some(bits) | Self::Torn(bits) => bits.len(),
        }
    }

    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Self::None { .. } => false,
            Self::All { len } => piece.0 < *len,
            Self::Some(bits) | Self::Torn(bits) => bits.has(piece),
        }
    }

    pub(crate) fn count(&self) -> u32 {
        match self {
            Self::None { .. } => 0,
            Self::All { len } => *len,
            Self::Some(bits) | Self::Torn(bits) => bits.count(),
        }
    }

    pub(crate) fn is_all(&self) -> bool {
        self.count() == self.len()
    }

    /// Whether the picker counts it among the seeds, which it counts once for all pieces.
    pub(crate) fn counts_as_seed(&self) -> bool {
        matches!(self, Self::All { .. })
    }

    /// Whether one more piece would make it count as a seed.
    pub(crate) fn almost_counts_as_seed(&self) -> bool {
        !matches!(self, Self::Torn(_)) && self.count() + 1 == self.len()
    }

    /// Adds a piece and says whether it was missing.
    pub(crate) fn set(&mut self, piece: PieceIndex) -> bool {
        if self.has(piece) {
            return false;
        }
        if let Self::Torn(bits) = self {
            return bits.set(piece);
        }
        let mut bits = self.take_bitfield();
        bits.set(piece);
        *self = Self::from_bitfield(bits);
        true
    }

    /// Takes a piece away and says whether it was there.
    pub(crate) fn clear(&mut self, piece: PieceIndex) -> bool {
        if !self.has(piece) {
            return false;
        }
        let torn = matches!(self, Self::All { .. } | Self::Torn(_));
        let mut bits = self.take_bitfield();
        bits.clear(piece);
        *self = if torn {
            Self::Torn(bits)
        } else {
            Self::from_bitfield(bits)
        };
        true
    }

    /// The bits, moved out where there are any; the caller puts something back.
    fn take_bitfield(&mut self) -> Bitfield {
        match self {
            Self::None { len } => Bitfield::new(*len),
            Self::All { len } => Bitfield::full(*len),
            Self::Some(bits) | Self::Torn(bits) => std::mem::replace(bits, Bitfield::new(0)),
        }
    }

    /// Every piece that is there, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        let (range, bits) = match self {
            Self::None { .. } => (0..0, None),
            Self::All { len } => (0..*len, None),
            Self::Some(bits) | Self::Torn(bits) => (0..0, Some(bits)),
        };
        range
            .map(PieceIndex)
            .chain(bits.into_iter().flat_map(Bitfield::ones))
    }
}

//! What a peer says of its pieces before it is known how many there are.

use bytes::Bytes;
use headwater_metainfo::{Bitfield, PieceGeometry, PieceIndex};

use crate::DisconnectReason;
use crate::pieces::PeerPieces;

/// Pieces at most that are remembered from single messages. What is past that is asked for late.
const MAX_SINGLE: usize = 16_384;

/// A bitfield and single pieces, to be looked at when the metadata is there.
#[derive(Debug, Default)]
pub(crate) struct Early {
    told: Told,
    have: Vec<PieceIndex>,
    lost: Vec<PieceIndex>,
}

#[derive(Debug, Default)]
enum Told {
    #[default]
    Nothing,
    None,
    All,
    Some(Vec<u8>),
}

impl Early {
    pub(crate) fn has_told(&self) -> bool {
        !matches!(self.told, Told::Nothing)
    }

    pub(crate) fn is_seed(&self) -> bool {
        matches!(self.told, Told::All) && self.lost.is_empty()
    }

    pub(crate) fn tell_all_or_none(&mut self, all: bool) {
        self.told = if all { Told::All } else { Told::None };
    }

    /// Takes a bitfield in; a later one adds to the first. One longer than any torrent's is none, and two that differ in length
    /// cannot both be right.
    pub(crate) fn tell_bitfield(&mut self, bytes: &Bytes) -> Result<(), DisconnectReason> {
        const MAX: usize = PieceGeometry::MAX_PIECES.div_ceil(8) as usize;
        match &mut self.told {
            Told::Some(known) if known.len() == bytes.len() => {
                for (known, more) in known.iter_mut().zip(bytes) {
                    *known |= more;
                }
            }
            Told::Some(_) => return Err(DisconnectReason::InvalidBitfield),
            told if bytes.len() <= MAX => *told = Told::Some(bytes.to_vec()),
            _ => return Err(DisconnectReason::InvalidBitfield),
        }
        Ok(())
    }

    pub(crate) fn gain(&mut self, piece: PieceIndex) {
        self.lost.retain(|each| *each != piece);
        note(&mut self.have, piece);
    }

    pub(crate) fn lose(&mut self, piece: PieceIndex) {
        self.have.retain(|each| *each != piece);
        note(&mut self.lost, piece);
    }

    /// What the peer has of `count` pieces, if what it said can be true of such a torrent.
    pub(crate) fn into_pieces(self, count: u32) -> Result<PeerPieces, DisconnectReason> {
        let mut pieces = match self.told {
            Told::Nothing | Told::None => PeerPieces::None { len: count },
            Told::All => PeerPieces::All { len: count },
            Told::Some(bytes) => Bitfield::from_bytes(&bytes, count)
                .map(PeerPieces::from_bitfield)
                .map_err(|_| DisconnectReason::InvalidBitfield)?,
        };
        let exists = |piece: &PieceIndex| piece.0 < count;
        if !self.have.iter().chain(&self.lost).all(exists) {
            return Err(DisconnectReason::InvalidPiece);
        }
        for piece in self.have {
            pieces.set(piece);
        }
        for piece in self.lost {
            pieces.clear(piece);
        }
        Ok(pieces)
    }
}

fn note(pieces: &mut Vec<PieceIndex>, piece: PieceIndex) {
    if pieces.len() == MAX_SINGLE {
        pieces.sort_unstable();
        pieces.dedup();
    }
    if pieces.len() < MAX_SINGLE {
        pieces.push(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_pieces_are_bounded() {
        let mut early = Early::default();
        for index in 0..3 * MAX_SINGLE as u32 {
            early.gain(PieceIndex(index));
        }
        assert_eq!(early.have.len(), MAX_SINGLE);
        let mut same = Early::default();
        for _ in 0..3 * MAX_SINGLE {
            same.gain(PieceIndex(7));
        }
        assert!(same.have.len() <= MAX_SINGLE);
        assert_eq!(same.into_pieces(8).unwrap().count(), 1);
    }

    #[test]
    fn bitfields_add_up_and_must_fit() {
        let mut early = Early::default();
        early.tell_bitfield(&vec![0b1000_0000, 0].into()).unwrap();
        early.tell_bitfield(&vec![0, 0b0100_0000].into()).unwrap();
        early.gain(PieceIndex(5));
        early.lose(PieceIndex(0));
        let invalid = Err(DisconnectReason::InvalidBitfield);
        assert_eq!(early.tell_bitfield(&vec![0].into()), invalid);
        let pieces = early.into_pieces(10).unwrap();
        let having: Vec<_> = pieces.iter().map(|piece| piece.0).collect();
        assert_eq!(having, [5, 9]);

        let mut long = Early::default();
        let bytes = PieceGeometry::MAX_PIECES as usize / 8 + 1;
        assert_eq!(long.tell_bitfield(&vec![0; bytes].into()), invalid);
        let mut wrong = Early::default();
        wrong.tell_bitfield(&vec![0; 3].into()).unwrap();
        assert_eq!(
            wrong.into_pieces(10).unwrap_err(),
            DisconnectReason::InvalidBitfield
        );
        let mut beyond = Early::default();
        beyond.gain(PieceIndex(10));
        assert_eq!(
            beyond.into_pieces(10).unwrap_err(),
            DisconnectReason::InvalidPiece
        );
    }
}

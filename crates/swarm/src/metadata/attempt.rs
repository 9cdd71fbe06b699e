//! One copy of the metadata, as it comes together.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use headwater_wire::MetadataMessage;

use crate::PeerKey;
use crate::picker::Contributor;

/// Peers at most that are asked for the same piece at a time.
const MAX_ASKED: u8 = 2;

/// A copy of a certain size. Different sizes are never mixed.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) size: u32,
    /// The peer that is to send all of it, where it matters who sent what.
    pub(crate) sole: Option<PeerKey>,
    /// When it was begun, or last came on.
    pub(crate) progressed: Instant,
    pieces: Box<[Piece]>,
    missing: usize,
}

#[derive(Debug, Clone, Default)]
struct Piece {
    /// Peers that were asked for it and have not answered.
    asked: u8,
    received: Option<(Contributor, Bytes)>,
}

impl Attempt {
    /// Nothing is allocated but a few words for each piece.
    pub(crate) fn new(now: Instant, size: u32, sole: Option<PeerKey>) -> Self {
        let count = MetadataMessage::piece_count(size) as usize;
        Self {
            size,
            sole,
            progressed: now,
            pieces: vec![Piece::default(); count].into(),
            missing: count,
        }
    }

    /// The piece to ask a peer for next: one that nobody was asked for if there is one. `has_asked` says which it was asked
    /// for already.
    pub(crate) fn pick(&mut self, has_asked: impl Fn(u32) -> bool) -> Option<u32> {
        let open = (0..).zip(&*self.pieces);
        let open = open.filter(|(index, piece)| {
            piece.received.is_none() && piece.asked < MAX_ASKED && !has_asked(*index)
        });
        let (index, _) = open.min_by_key(|(_, piece)| piece.asked)?;
        self.pieces[index as usize].asked += 1;
        Some(index)
    }

    /// A peer that was asked for a piece will not send it, or has.
    pub(crate) fn release(&mut self, piece: u32) {
        if let Some(piece) = self.pieces.get_mut(piece as usize) {
            piece.asked = piece.asked.saturating_sub(1);
        }
    }

    /// Whether a piece has the length that it must have.
    pub(crate) fn fits(&self, piece: u32, data: &Bytes) -> bool {
        data.len() == MetadataMessage::piece_size(self.size, piece)
    }

    /// Keeps a piece that fits, unless it is there. The bytes are copied: as slices they would keep far larger buffers alive.
    pub(crate) fn receive(&mut self, now: Instant, from: Contributor, index: u32, data: &Bytes) {
        let Some(piece) = self.pieces.get_mut(index as usize) else {
            return;
        };
        if piece.received.is_none() {
            piece.received = Some((from, Bytes::copy_from_slice(data)));
            self.missing -= 1;
            self.progressed = now;
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// All that came, in order.
    pub(crate) fn assemble(&self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.size as usize);
        for (_, data) in self.received() {
            whole.extend_from_slice(data);
        }
        whole.freeze()
    }

    /// Those who sent any of it, each once.
    pub(crate) fn contributors(&self) -> Vec<Contributor> {
        let mut contributors: Vec<Contributor> = Vec::new();
        for (from, _) in self.received() {
            if contributors.iter().all(|known| known.key != from.key) {
                contributors.push(*from);
            }
        }
        contributors
    }

    /// Those who sent something else than the `good` metadata has there, each once.
    pub(crate) fn liars(&self, good: &Bytes) -> Vec<Contributor> {
        let mut liars = self.contributors();
        if self.size as usize != good.len() {
            return liars;
        }
        let parts = good.chunks(MetadataMessage::PIECE_LENGTH);
        let bad: Vec<_> = (self.pieces.iter().zip(parts))
            .filter_map(|(piece, good)| {
                let (from, data) = piece.received.as_ref()?;
                (data != good).then_some(from.key)
            })
            .collect();
        liars.retain(|liar| bad.contains(&liar.key));
        liars
    }

    fn received(&self) -> impl Iterator<Item = &(Contributor, Bytes)> {
        self.pieces
            .iter()
            .filter_map(|piece| piece.received.as_ref())
    }

    /// How many peers were asked for each piece, for checks of the books.
    pub(crate) fn asked(&self) -> impl Iterator<Item = u8> {
        self.pieces.iter().map(|piece| piece.asked)
    }

    pub(crate) fn piece_count(&self) -> u32 {
        self.pieces.len() as u32
    }
}

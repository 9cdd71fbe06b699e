//! Every piece's priority.

use headwater_metainfo::PieceIndex;

use crate::Priority;

/// Priorities of all pieces. When they are all the same, as they mostly are, they take no memory.
#[derive(Debug, Clone)]
pub(crate) enum Priorities {
    Uniform(Priority),
    Each(Box<[Priority]>),
}

impl Priorities {
    /// From one entry a piece; pieces past the end of the list are [`Priority::NORMAL`].
    pub(crate) fn new(mut list: Vec<Priority>, pieces: u32) -> Self {
        list.resize(pieces as usize, Priority::NORMAL);
        match list.first() {
            None => Self::Uniform(Priority::NORMAL),
            Some(&first) if list.iter().all(|&each| each == first) => Self::Uniform(first),
            Some(_) => Self::Each(list.into()),
        }
    }

    pub(crate) fn of(&self, piece: PieceIndex) -> Priority {
        match self {
            Self::Uniform(priority) => *priority,
            Self::Each(list) => list[piece.as_usize()],
        }
    }
}

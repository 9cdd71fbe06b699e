//! The info dictionary on its way between peers (BEP 9): what was asked of whom, and what came.

mod attempt;
mod early;
mod fetch;
mod link;

use bytes::Bytes;

pub(crate) use attempt::Attempt;
pub(crate) use early::Early;
pub(crate) use fetch::{Candidate, Fetch};
pub(crate) use link::{Answer, Link};

use crate::config::Metadata;

/// What there is of the info dictionary.
#[derive(Debug)]
pub(crate) enum State {
    /// It is there, and not given out.
    Withheld,
    /// It is given to whoever asks.
    Known(Bytes),
    Fetching(Box<Fetch>),
}

impl State {
    pub(crate) fn new(metadata: Metadata) -> Self {
        match metadata {
            Metadata::Withheld => Self::Withheld,
            Metadata::Known(bytes) => Self::known(bytes),
            Metadata::Missing => Self::Fetching(Box::default()),
        }
    }

    /// What peers would not take is not offered.
    pub(crate) fn known(bytes: Bytes) -> Self {
        let max = headwater_wire::MetadataMessage::MAX_SIZE as usize;
        if (1..=max).contains(&bytes.len()) {
            Self::Known(bytes)
        } else {
            Self::Withheld
        }
    }
}

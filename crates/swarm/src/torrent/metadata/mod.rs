//! Torrents that begin without their metadata, and peers that ask for ours (BEP 9).

mod arrive;
mod early;
mod fetch;
mod serve;

use super::Torrent;
use crate::metadata::State;

/// The id under which we take messages of `ut_metadata`.
pub(super) const ID: u8 = 3;

impl Torrent {
    /// Whether the metadata is there. As long as it is not, the torrent has no pieces, and peers are connected to get it.
    pub const fn has_metadata(&self) -> bool {
        !matches!(self.metadata, State::Fetching(_))
    }

    /// Bytes of the metadata, if it is given to peers.
    pub(super) fn metadata_size(&self) -> Option<u32> {
        match &self.metadata {
            State::Known(bytes) => Some(bytes.len() as u32),
            _ => None,
        }
    }
}

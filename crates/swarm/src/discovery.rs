//! [`Discovery`]: how a torrent may find peers beside its trackers.

use std::ops::BitAnd;

use crate::PeerSource;

/// Which ways of finding peers are allowed, beside trackers and what the user names. All of them tell others that we are there.
///
/// ```
/// use headwater_swarm::{Discovery, PeerSource};
///
/// let wanted = Discovery { lsd: false, ..Discovery::ALL };
/// assert!(wanted.allows(PeerSource::Exchange) && !wanted.allows(PeerSource::LocalDiscovery));
///
/// let private = wanted & Discovery::of_torrent(true);
/// assert_eq!(private, Discovery::NONE);
/// assert!(private.allows(PeerSource::Tracker));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Discovery {
    /// Peer exchange (BEP 11).
    pub pex: bool,
    /// Local service discovery (BEP 14).
    pub lsd: bool,
    /// The DHT (BEP 5).
    pub dht: bool,
}

impl Discovery {
    /// Every way.
    pub const ALL: Self = Self {
        pex: true,
        lsd: true,
        dht: true,
    };

    /// Trackers and the user alone.
    pub const NONE: Self = Self {
        pex: false,
        lsd: false,
        dht: false,
    };

    /// What a torrent allows by itself: a private one is between its trackers and those whom they name (BEP 27).
    pub const fn of_torrent(is_private: bool) -> Self {
        if is_private { Self::NONE } else { Self::ALL }
    }

    /// Whether addresses from there are taken.
    pub const fn allows(self, source: PeerSource) -> bool {
        match source {
            PeerSource::Exchange => self.pex,
            PeerSource::LocalDiscovery => self.lsd,
            PeerSource::Dht => self.dht,
            PeerSource::User
            | PeerSource::Magnet
            | PeerSource::Tracker
            | PeerSource::Resume
            | PeerSource::Incoming => true,
        }
    }
}

impl Default for Discovery {
    fn default() -> Self {
        Self::ALL
    }
}

/// What both allow.
impl BitAnd for Discovery {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self {
            pex: self.pex && other.pex,
            lsd: self.lsd && other.lsd,
            dht: self.dht && other.dht,
        }
    }
}

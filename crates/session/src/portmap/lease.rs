//! What a gateway has granted, by whichever protocol.

use std::net::IpAddr;
use std::time::Duration;

use headwater_metainfo::Reach;

use super::PortMapping;
use super::igd::IgdLease;
use super::pmp::PmpLease;

/// How long a mapping is asked for: a gateway forgets it by itself if we are killed.
pub(super) const LIFETIME: Duration = Duration::from_hours(1);
/// The shortest time between two renewals, whatever the gateway says.
const SHORTEST: Duration = Duration::from_secs(30);

/// A mapping that must be renewed, and given back.
#[derive(Debug)]
pub(super) enum Lease {
    Pmp(PmpLease),
    Igd(IgdLease),
}

impl Lease {
    pub(super) fn mapping(&self) -> PortMapping {
        match self {
            Self::Pmp(lease) => lease.mapping(),
            Self::Igd(lease) => lease.mapping(),
        }
    }

    /// How long it can be left alone: half of the time for which it was granted.
    pub(super) fn renewal(&self) -> Duration {
        let granted = match self {
            Self::Pmp(lease) => lease.lifetime(),
            Self::Igd(_) => LIFETIME,
        };
        (granted.min(LIFETIME) / 2).max(SHORTEST)
    }

    /// Whether the gateway grants it once more.
    pub(super) async fn renew(&mut self) -> bool {
        match self {
            Self::Pmp(lease) => lease.renew().await,
            Self::Igd(lease) => lease.renew().await,
        }
    }

    pub(super) async fn give_back(self) {
        match self {
            Self::Pmp(lease) => lease.give_back().await,
            Self::Igd(lease) => lease.give_back().await,
        }
    }
}

/// What a gateway says is its address, if peers in the world can reach that: behind a second NAT it is not so.
pub(super) fn plausible(ip: IpAddr) -> Option<IpAddr> {
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast() || ip.is_documentation());
    let is_one = Reach::of(ip) == Reach::World && !ip.is_multicast() && !is_broadcast;
    is_one.then(|| ip.to_canonical())
}

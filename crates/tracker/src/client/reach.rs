//! Which addresses a host has, and which of them are nobody's business.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use headwater_metainfo::Reach;

use crate::error::TrackerError;
use crate::udp::Family;

/// Tells local addresses from public ones. Tests put their own in its place, because all they have is loopback.
pub(crate) type IsLocal = fn(IpAddr) -> bool;

/// Whether the address belongs to this machine or a network behind it.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    Reach::of(ip) < Reach::World
}

/// The host's addresses of one family, never none.
pub(crate) async fn resolve(
    host: &str,
    port: u16,
    family: Family,
) -> Result<Vec<SocketAddr>, TrackerError> {
    let addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => tokio::net::lookup_host((host, port))
            .await
            .map_err(|source| TrackerError::Resolve {
                host: host.to_owned(),
                source: Arc::new(source),
            })?
            .collect(),
    };
    let of_family: Vec<_> = addresses
        .into_iter()
        .filter(|address| Family::of(address) == family)
        .collect();
    if of_family.is_empty() {
        return Err(TrackerError::NoAddress {
            host: host.to_owned(),
        });
    }
    Ok(of_family)
}

//! UPnP Internet Gateway Devices.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};

use super::lease::{LIFETIME, plausible};
use super::route::{Routers, local_towards};
use super::{MappingProtocol, PortMapping};

/// What the gateway's user sees.
const DESCRIPTION: &str = "Headwater (BitTorrent)";
const TCP: PortMappingProtocol = PortMappingProtocol::TCP;

/// A mapping by UPnP.
#[derive(Debug)]
pub(super) struct IgdLease {
    gateway: Gateway<Tokio>,
    local: SocketAddr,
    external_port: NonZeroU16,
    external_ip: Option<IpAddr>,
    /// Seconds; some gateways only know 0, which is forever.
    duration: u32,
}

impl IgdLease {
    /// Looks for a gateway and asks it.
    pub(super) async fn ask(routers: &Routers, port: NonZeroU16) -> Option<Self> {
        let mut options = SearchOptions::default();
        options.bind_addr = SocketAddr::new(routers.bind.into(), 0);
        options.broadcast_address = routers.ssdp;
        options.timeout = Some(routers.patience);
        if routers.any_address {
            options.allowed_gateway_ips.push(Ipv4Addr::LOCALHOST.into());
        }
        let searched = search_gateway(options).await;
        let tell = |error: &_| tracing::debug!(%error, "no UPnP gateway");
        let gateway = searched.inspect_err(tell).ok()?;
        let local = SocketAddr::new(local_towards(gateway.addr)?, port.get());
        if !routers.may_use(local.ip()) {
            return None;
        }
        let mut lease = Self {
            gateway,
            local,
            external_port: port,
            external_ip: None,
            duration: LIFETIME.as_secs() as u32,
        };
        lease.map().await.then_some(())?;
        let external_ip = lease.gateway.get_external_ip().await;
        lease.external_ip = external_ip.ok().and_then(plausible);
        Some(lease)
    }

    /// The same port as ours, or any where that is somebody else's.
    async fn map(&mut self) -> bool {
        match self.add().await {
            Ok(()) => true,
            Err(AddPortError::OnlyPermanentLeasesSupported) => {
                self.duration = 0;
                self.add().await.is_ok()
            }
            Err(AddPortError::PortInUse) => self.add_any().await,
            Err(error) => {
                tracing::debug!(%error, "the UPnP gateway refuses");
                false
            }
        }
    }

    async fn add(&self) -> Result<(), AddPortError> {
        let (port, local) = (self.external_port.get(), self.local);
        let adding = self
            .gateway
            .add_port(TCP, port, local, self.duration, DESCRIPTION);
        adding.await
    }

    async fn add_any(&mut self) -> bool {
        let adding = self
            .gateway
            .add_any_port(TCP, self.local, self.duration, DESCRIPTION);
        let Some(port) = adding.await.ok().and_then(NonZeroU16::new) else {
            return false;
        };
        self.external_port = port;
        true
    }

    pub(super) fn mapping(&self) -> PortMapping {
        PortMapping {
            protocol: MappingProtocol::Upnp,
            local: self.local,
            external_port: self.external_port,
            external_ip: self.external_ip,
        }
    }

    pub(super) async fn renew(&mut self) -> bool {
        self.add().await.is_ok()
    }

    pub(super) async fn give_back(self) {
        let removed = self
            .gateway
            .remove_port(TCP, self.external_port.get())
            .await;
        if let Err(error) = removed {
            tracing::debug!(%error, "the gateway did not take the port back");
        }
    }
}

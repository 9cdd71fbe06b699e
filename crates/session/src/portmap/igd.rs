//! UPnP Internet Gateway Devices.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};

use tokio::time::timeout;

use super::lease::{LIFETIME, plausible};
use super::route::{Routers, local_towards};
use super::{MappingProtocol, PortMapping};

/// How long the gateway may take for what can be done without.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the gateway's user sees.
const DESCRIPTION: &str = "Headwater (BitTorrent)";
const TCP: PortMappingProtocol = PortMappingProtocol::TCP;
const UDP: PortMappingProtocol = PortMappingProtocol::UDP;

/// A mapping by UPnP.
#[derive(Debug)]
pub(super) struct IgdLease {
    gateway: Gateway<Tokio>,
    local: SocketAddr,
    external_port: NonZeroU16,
    external_ip: Option<IpAddr>,
    /// Seconds; some gateways only know 0, which is forever.
    duration: u32,
    /// The UDP port is wanted as well, as far as it is to be had.
    udp: bool,
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
            udp: routers.udp,
        };
        lease.map().await.then_some(())?;
        lease.map_udp().await;
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

    /// Whatever comes of it, there is the port for TCP.
    async fn map_udp(&self) {
        if !self.udp {
            return;
        }
        let (port, local) = (self.external_port.get(), self.local);
        let adding = self
            .gateway
            .add_port(UDP, port, local, self.duration, DESCRIPTION);
        if !matches!(timeout(PATIENCE, adding).await, Ok(Ok(()))) {
            tracing::debug!("the UPnP gateway does not map the UDP port");
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
        let is_granted = self.add().await.is_ok();
        if is_granted {
            self.map_udp().await;
        }
        is_granted
    }

    pub(super) async fn give_back(self) {
        let udp = async {
            if self.udp {
                self.remove(UDP).await;
            }
        };
        tokio::join!(self.remove(TCP), udp);
    }

    async fn remove(&self, protocol: PortMappingProtocol) {
        let port = self.external_port.get();
        if let Err(error) = self.gateway.remove_port(protocol, port).await {
            tracing::debug!(%error, "the gateway did not take the port back");
        }
    }
}

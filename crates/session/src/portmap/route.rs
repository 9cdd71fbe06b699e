//! Which gateway to ask, and with which of our addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::GATEWAY_PORT;
use headwater_metainfo::Reach;

use super::igd::IgdLease;
use super::lease::Lease;
use super::pmp::PmpLease;

/// Where gateways are looked for.
#[derive(Debug, Clone)]
pub(crate) struct Routers {
    /// The address that we are bound to; unspecified if it is any.
    pub(super) bind: Ipv4Addr,
    /// The gateway to ask by PCP and NAT-PMP, unless the system names it.
    pub(super) gateway: Option<Ipv4Addr>,
    /// Where UPnP gateways are called.
    pub(super) ssdp: SocketAddr,
    /// How long UPnP gateways may take to say that they are there, and what they can.
    pub(super) patience: Duration,
    /// The UDP port is wanted as well.
    pub(super) udp: bool,
    /// No gateway is on loopback, and neither loopback nor public addresses need one; tests have nothing else.
    pub(super) any_address: bool,
}

impl Routers {
    /// Gateways that lead from the addresses that a session listens on. `None` if none can be of use: IPv6 has no need of them, and
    /// neither has an address that nobody outside could reach anyway.
    pub(crate) fn of(listening: &[SocketAddr], udp: bool) -> Option<Self> {
        let v4 = listening.iter().filter_map(|address| match address.ip() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        });
        let useful = v4.filter(|&ip| ip.is_unspecified() || needs_mapping(ip.into()));
        Some(Self {
            bind: useful.min()?,
            gateway: None,
            ssdp: SocketAddr::from(([239, 255, 255, 250], 1900)),
            patience: Duration::from_secs(5),
            udp,
            any_address: false,
        })
    }

    /// What the first gateway grants that grants anything.
    pub(super) async fn ask(&self, port: NonZeroU16) -> Option<Lease> {
        if let Some(lease) = self.ask_pmp(port).await {
            return Some(Lease::Pmp(lease));
        }
        IgdLease::ask(self, port).await.map(Lease::Igd)
    }

    async fn ask_pmp(&self, port: NonZeroU16) -> Option<PmpLease> {
        let gateway = match self.gateway {
            Some(gateway) => gateway,
            None => tokio::task::spawn_blocking(default_gateway).await.ok()??,
        };
        let local = local_towards((gateway, GATEWAY_PORT).into())?;
        if !self.may_use(local) {
            return None;
        }
        PmpLease::ask(gateway, SocketAddr::new(local, port.get()), self.udp).await
    }

    /// Whether we listen at the address by which a gateway knows us, and peers cannot reach that directly.
    pub(super) fn may_use(&self, local: IpAddr) -> bool {
        let is_bound = self.bind.is_unspecified() || local == IpAddr::V4(self.bind);
        is_bound && (self.any_address || needs_mapping(local))
    }
}

fn needs_mapping(ip: IpAddr) -> bool {
    matches!(Reach::of(ip), Reach::Link | Reach::Site)
}

fn default_gateway() -> Option<Ipv4Addr> {
    let gateway = netdev::get_default_gateway().ok()?;
    gateway.ipv4.first().copied()
}

/// Our address in the network that leads to another one. Nothing is sent.
pub(super) fn local_towards(address: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(address).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

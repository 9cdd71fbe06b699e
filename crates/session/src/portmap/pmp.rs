//! PCP, and NAT-PMP where a gateway knows nothing newer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{
    InternetProtocol, PortMapping as PmpMapping, PortMappingOptions, PortMappingType,
    TimeoutConfig, natpmp,
};

use super::lease::{LIFETIME, plausible};
use super::{MappingProtocol, PortMapping};

/// A gateway is in the same network, so that it answers soon or never: given up after 1.75 s.
const PATIENCE: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 2,
    max_retry_timeout: None,
};

/// A mapping by PCP or NAT-PMP.
#[derive(Debug)]
pub(super) struct PmpLease {
    mapping: PmpMapping,
    /// The same port for UDP, if it was wanted and is to be had.
    udp: Option<PmpMapping>,
    local: SocketAddr,
    external_ip: Option<IpAddr>,
}

impl PmpLease {
    /// Asks the gateway; `local` is where we listen behind it.
    pub(super) async fn ask(gateway: Ipv4Addr, local: SocketAddr, udp: bool) -> Option<Self> {
        let port = NonZeroU16::new(local.port())?;
        let ask = |protocol, external_port| {
            let options = PortMappingOptions {
                external_port: Some(external_port),
                lifetime_seconds: Some(LIFETIME.as_secs() as u32),
                timeout_config: Some(PATIENCE),
            };
            PmpMapping::new(gateway.into(), local.ip(), protocol, port, options)
        };
        let asked = ask(InternetProtocol::Tcp, port).await;
        let tell = |error: &_| tracing::debug!(%gateway, ?error, "neither PCP nor NAT-PMP");
        let mapping = asked.inspect_err(tell).ok()?;
        if mapping.lifetime() == 0 {
            return None;
        }
        let udp = if udp {
            ask(InternetProtocol::Udp, mapping.external_port())
                .await
                .ok()
        } else {
            None
        };
        let external_ip = external_ip(gateway, &mapping).await;
        Some(Self {
            mapping,
            udp,
            local,
            external_ip: external_ip.and_then(plausible),
        })
    }

    pub(super) fn mapping(&self) -> PortMapping {
        PortMapping {
            protocol: match self.mapping.mapping_type() {
                PortMappingType::Pcp { .. } => MappingProtocol::Pcp,
                PortMappingType::NatPmp => MappingProtocol::NatPmp,
            },
            local: self.local,
            external_port: self.mapping.external_port(),
            external_ip: self.external_ip,
        }
    }

    pub(super) fn lifetime(&self) -> Duration {
        Duration::from_secs(self.mapping.lifetime().into())
    }

    pub(super) async fn renew(&mut self) -> bool {
        let is_granted = self.mapping.renew().await.is_ok() && self.mapping.lifetime() > 0;
        if let Some(udp) = self.udp.as_mut().filter(|_| is_granted) {
            // Without it, there is still the port for TCP.
            let _ = udp.renew().await;
        }
        is_granted
    }

    pub(super) async fn give_back(self) {
        let udp = async {
            if let Some(udp) = self.udp {
                give_back(udp).await;
            }
        };
        tokio::join!(give_back(self.mapping), udp);
    }
}

async fn give_back(mapping: PmpMapping) {
    if let Err((error, _)) = mapping.try_drop().await {
        tracing::debug!(?error, "the gateway did not take the port back");
    }
}

async fn external_ip(gateway: Ipv4Addr, mapping: &PmpMapping) -> Option<IpAddr> {
    match mapping.mapping_type() {
        PortMappingType::Pcp { external_ip, .. } => Some(external_ip),
        PortMappingType::NatPmp => {
            let asked = natpmp::external_address(gateway.into(), Some(PATIENCE)).await;
            asked.ok().map(IpAddr::V4)
        }
    }
}

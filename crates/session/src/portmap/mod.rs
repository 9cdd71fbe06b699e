//! Asking the gateway to let peers in: UPnP-IGD, PCP and NAT-PMP.
//!
//! A task of its own looks for a gateway, renews what that grants and gives it back at the end. Whatever the gateway does, the
//! session goes on without it: every exchange is bounded in time, and nothing is believed that could not be so.

mod igd;
mod lease;
mod pmp;
mod route;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use lease::Lease;
pub(crate) use route::Routers;

/// How long an attempt may take, all protocols together.
const ATTEMPT: Duration = Duration::from_secs(20);
/// How long giving back may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// Time before another attempt after one that failed, and twice as long each time after that.
const RETRY: Duration = Duration::from_mins(1);
const LONGEST_RETRY: Duration = Duration::from_hours(1);

/// How a gateway was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MappingProtocol {
    /// UPnP Internet Gateway Device.
    Upnp,
    /// Port Control Protocol (RFC 6887).
    Pcp,
    /// NAT Port Mapping Protocol (RFC 6886).
    NatPmp,
}

/// A port of the gateway that leads to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PortMapping {
    /// How the gateway was asked.
    pub protocol: MappingProtocol,
    /// Our address behind the gateway.
    pub local: SocketAddr,
    /// The gateway's port. Usually the same as ours.
    pub external_port: NonZeroU16,
    /// The gateway's address in the world, if it has told one that can be one.
    pub external_ip: Option<IpAddr>,
}

/// What the task has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Status {
    mapping: Option<PortMapping>,
    is_over: bool,
}

/// The task's other end. Without a task there is no mapping.
#[derive(Debug, Default)]
pub(crate) struct PortMapper(Option<watch::Receiver<Status>>);

impl PortMapper {
    /// Starts the task, which keeps `port` mapped until the session is over. Must be called inside of a runtime.
    pub(crate) fn start(port: NonZeroU16, routers: Routers, closing: CancellationToken) -> Self {
        let (status, receiver) = watch::channel(Status::default());
        let task = Task {
            port,
            routers,
            status,
            closing,
        };
        tokio::spawn(task.run());
        Self(Some(receiver))
    }

    /// What the gateway grants at the moment.
    pub(crate) fn mapping(&self) -> Option<PortMapping> {
        self.0.as_ref()?.borrow().mapping
    }

    /// Waits until the gateway has its port back, which is bounded in time.
    pub(crate) async fn closed(&self) {
        if let Some(status) = &self.0 {
            let _ = status.clone().wait_for(|status| status.is_over).await;
        }
    }
}

struct Task {
    port: NonZeroU16,
    routers: Routers,
    status: watch::Sender<Status>,
    closing: CancellationToken,
}

impl Task {
    async fn run(self) {
        let closing = self.closing.clone();
        let mut retry = RETRY;
        while !closing.is_cancelled() {
            // Given up in the middle, a mapping may be granted that nobody gives back; the gateway forgets it within the hour.
            let lease = tokio::select! {
                lease = timeout(ATTEMPT, self.routers.ask(self.port)) => lease,
                () = closing.cancelled() => break,
            };
            if let Ok(Some(lease)) = lease {
                retry = RETRY;
                self.hold(lease).await;
                continue;
            }
            tokio::select! {
                () = closing.cancelled() => {}
                () = tokio::time::sleep(retry) => {}
            }
            retry = (retry * 2).min(LONGEST_RETRY);
        }
        self.status.send_modify(|status| status.is_over = true);
    }

    /// Renews a lease until the gateway refuses or the session is over.
    async fn hold(&self, mut lease: Lease) {
        loop {
            let mapping = lease.mapping();
            tracing::info!(?mapping, "the gateway lets peers in");
            self.status
                .send_modify(|status| status.mapping = Some(mapping));
            tokio::select! {
                () = self.closing.cancelled() => break,
                () = tokio::time::sleep(lease.renewal()) => {}
            }
            let renewed = tokio::select! {
                () = self.closing.cancelled() => break,
                renewed = timeout(ATTEMPT, lease.renew()) => renewed,
            };
            if !matches!(renewed, Ok(true)) {
                tracing::debug!("the gateway did not renew the mapping");
                self.status.send_modify(|status| status.mapping = None);
                return;
            }
        }
        self.status.send_modify(|status| status.mapping = None);
        if timeout(GOODBYE, lease.give_back()).await.is_err() {
            tracing::debug!("the gateway did not take the port back in time");
        }
    }
}

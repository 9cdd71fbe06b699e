//! Starting a session.

use std::ops::RangeInclusive;
use std::time::Duration;

use headwater_session::{
    ResumePolicy, Session, SessionBuilder, SessionError, SyncPolicy, default_state_dir,
};

use super::failure::session_failure;
use crate::args::Network;
use crate::exit::Result;
use crate::output::{Event, Output};

/// Where others expect a BitTorrent program, and the ten after it.
const USUAL_PORTS: RangeInclusive<u16> = 6881..=6891;

/// Starts a session as the command line has it, and tells on which port it listens.
pub(crate) async fn open(
    network: &Network,
    save_interval: Option<Duration>,
    output: &Output,
) -> Result<Session> {
    let mut builder = builder(network);
    if let Some(interval) = save_interval {
        builder = builder.sync_policy(SyncPolicy::Interval(interval));
    }
    let session = match network.port {
        Some(port) => builder.port(port).start().await,
        None => on_a_usual_port(&builder).await,
    };
    let session = session.map_err(|error| session_failure(&error))?;
    tracing::info!(addresses = ?session.local_addrs(), "listening");
    output.event(&Event::Listening {
        port: session.port(),
        address: None,
        protocol: None,
    });
    Ok(session)
}

async fn on_a_usual_port(builder: &SessionBuilder) -> Result<Session, SessionError> {
    let mut ports = USUAL_PORTS;
    loop {
        let port = ports.next().unwrap_or_default();
        match builder.clone().port(port).start().await {
            Err(SessionError::AddrInUse(_)) if !ports.is_empty() => {}
            outcome => return outcome,
        }
    }
}

fn builder(network: &Network) -> SessionBuilder {
    let mut builder = Session::builder()
        .client(concat!("Headwater ", env!("CARGO_PKG_VERSION")))
        .trackers(!network.no_trackers)
        .pex(!network.no_pex)
        .lsd(!network.no_lsd)
        .download_limit(network.max_down.unwrap_or(0))
        .upload_limit(network.max_up.unwrap_or(0))
        .resume_policy(default_state_dir().map_or(ResumePolicy::Off, ResumePolicy::Folder));
    #[cfg(feature = "portmap")]
    {
        builder = builder.port_mapping(!network.no_portmap);
    }
    for address in &network.bind {
        builder = builder.bind(*address);
    }
    match network.max_peers {
        Some(max_peers) => builder.max_peers(max_peers.into()),
        None => builder,
    }
}

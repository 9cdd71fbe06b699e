//! Starting a session.

use std::ops::RangeInclusive;
use std::time::Duration;

use headwater_session::dht::DhtStatus;
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
    if session.dht().stats().status == DhtStatus::PortInUse {
        let port = session.port();
        output.warning(format_args!(
            "another program has the UDP port {port}, so peers are not looked for in the DHT; choose another with --port"
        ));
    }
    tracing::info!(addresses = ?session.local_addrs(), "listening");
    output.event(&Event::Listening {
        port: session.port(),
        address: None,
        protocol: None,
    });
    Ok(session)
}

/// The first that is free of both kinds, or of TCP alone if there is none.
async fn on_a_usual_port(builder: &SessionBuilder) -> Result<Session, SessionError> {
    for needs_udp in [true, false] {
        for port in USUAL_PORTS {
            let builder = builder.clone().port(port).needs_udp(needs_udp);
            match builder.start().await {
                Err(SessionError::AddrInUse(_)) => {}
                outcome => return outcome,
            }
        }
    }
    builder.clone().port(*USUAL_PORTS.end()).start().await
}

fn builder(network: &Network) -> SessionBuilder {
    let mut builder = Session::builder()
        .client(concat!("Headwater ", env!("CARGO_PKG_VERSION")))
        .trackers(!network.no_trackers)
        .pex(!network.no_pex)
        .lsd(!network.no_lsd)
        .dht(!network.no_dht)
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
    builder = network.entrance.lead(builder);
    match network.max_peers {
        Some(max_peers) => builder.max_peers(max_peers.into()),
        None => builder,
    }
}

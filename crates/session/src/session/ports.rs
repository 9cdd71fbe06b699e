//! One port, of TCP and UDP, on every address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};

use super::listener::{self, ATTEMPTS};
use crate::{SessionError, udp};

/// What is bound.
#[derive(Debug, Default)]
pub(super) struct Ports {
    pub(super) listeners: Vec<TcpListener>,
    /// Theirs.
    pub(super) addresses: Vec<SocketAddr>,
    /// The UDP sockets beside them, if they are wanted, or the address that could not be had.
    pub(super) udp: Option<Result<Vec<Arc<UdpSocket>>, SocketAddr>>,
}

/// What UDP is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Udp {
    /// Nothing.
    Unused,
    /// Something that can be done without.
    Wanted,
    /// Something without which there is no session.
    Needed,
}

/// Binds every address of `addresses` to one port; port 0 lets the system choose one that is free on all of them.
pub(super) fn bind(addresses: &[IpAddr], port: u16, udp: Udp) -> Result<Ports, SessionError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let ports = bind_once(addresses, port, udp)?;
        match ports.udp {
            Some(Err(_)) if port == 0 && attempt < ATTEMPTS => {}
            Some(Err(address)) if udp == Udp::Needed => {
                return Err(SessionError::AddrInUse(address));
            }
            _ => return Ok(ports),
        }
    }
}

fn bind_once(addresses: &[IpAddr], port: u16, udp: Udp) -> Result<Ports, SessionError> {
    let listeners = listener::bind(addresses, port)?;
    let addresses: Vec<_> = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect();
    let udp = match udp {
        Udp::Unused => None,
        Udp::Wanted | Udp::Needed => Some(match udp::bind(&addresses) {
            Ok(sockets) => Ok(sockets),
            Err((address, error)) if error.kind() == io::ErrorKind::AddrInUse => Err(address),
            Err((address, error)) => return Err(SessionError::Bind { address, error }),
        }),
    };
    Ok(Ports {
        listeners,
        addresses,
        udp,
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];

    #[tokio::test]
    async fn both_kinds_have_one_port() {
        let ports = bind(&LOOPBACK, 0, Udp::Wanted).unwrap();
        let udp = ports.udp.unwrap().unwrap();
        assert_eq!(udp[0].local_addr().unwrap(), ports.addresses[0]);
    }

    #[tokio::test]
    async fn a_taken_udp_port_is_told_and_fails_only_where_it_is_needed() {
        // One that is free of both kinds, of which only the UDP port is taken in the end.
        let mut first = bind(&LOOPBACK, 0, Udp::Wanted).unwrap();
        let address = first.addresses[0];
        first.listeners.clear();
        let ports = bind(&LOOPBACK, address.port(), Udp::Wanted).unwrap();
        assert_eq!(ports.udp.unwrap().unwrap_err(), address);
        drop(ports.listeners);
        let error = bind(&LOOPBACK, address.port(), Udp::Needed).unwrap_err();
        assert!(matches!(error, SessionError::AddrInUse(taken) if taken == address));
    }
}

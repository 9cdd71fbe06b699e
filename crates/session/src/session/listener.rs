//! The sockets on which peers are heard: one port, every address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{SockAddr, Type};
use tokio::net::TcpListener;

use crate::{SessionError, socket};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// How often a port that the system chose for one address is tried on the others.
pub(super) const ATTEMPTS: usize = 8;

/// Binds every address of `addresses` to one port; port 0 lets the system choose one that is free on all of them.
///
/// With no addresses: all of IPv4 and, where there is any, all of IPv6.
pub(super) fn bind(addresses: &[IpAddr], port: u16) -> Result<Vec<TcpListener>, SessionError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let result = if addresses.is_empty() {
            bind_everywhere(port)
        } else {
            bind_all(addresses, port)
        };
        match result {
            Err(SessionError::AddrInUse(_)) if port == 0 && attempt < ATTEMPTS => {}
            result => return result,
        }
    }
}

fn bind_all(addresses: &[IpAddr], mut port: u16) -> Result<Vec<TcpListener>, SessionError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for &ip in addresses {
        let listener = bind_one(SocketAddr::new(ip, port))?;
        port = port_of(&listener)?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn bind_everywhere(port: u16) -> Result<Vec<TcpListener>, SessionError> {
    let v4 = bind_one(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))?;
    let v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port_of(&v4)?);
    match bind_one(v6) {
        Ok(v6) => Ok(vec![v4, v6]),
        Err(error @ SessionError::AddrInUse(_)) => Err(error),
        // A system without IPv6.
        Err(_) => Ok(vec![v4]),
    }
}

fn bind_one(address: SocketAddr) -> Result<TcpListener, SessionError> {
    open(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => SessionError::AddrInUse(address),
        _ => SessionError::Bind { address, error },
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket::open(address, Type::STREAM)?;
    // Elsewhere the option would let two programs share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn port_of(listener: &TcpListener) -> Result<u16, SessionError> {
    let address = listener.local_addr();
    address
        .map(|address| address.port())
        .map_err(|error| SessionError::Bind {
            address: (Ipv4Addr::UNSPECIFIED, 0).into(),
            error,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];

    #[tokio::test]
    async fn a_port_in_use_is_told_as_such() {
        let first = bind(&LOOPBACK, 0).unwrap();
        let port = port_of(&first[0]).unwrap();
        let second = bind(&LOOPBACK, port);
        assert!(matches!(second, Err(SessionError::AddrInUse(address)) if address.port() == port));
    }

    #[tokio::test]
    async fn one_port_for_every_address() {
        let listeners = bind(&[], 0).unwrap();
        let ports: Vec<_> = listeners
            .iter()
            .map(|listener| port_of(listener).unwrap())
            .collect();
        assert!(ports[0] > 0 && ports.iter().all(|&port| port == ports[0]));
    }

    #[tokio::test]
    async fn only_the_given_address_is_bound() {
        let listeners = bind(&LOOPBACK, 0).unwrap();
        assert_eq!(listeners.len(), 1);
        assert!(listeners[0].local_addr().unwrap().ip().is_loopback());
    }
}

//! Sockets with the options that a tracker wants.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// A listening TCP socket and its address.
pub(crate) fn listener(
    address: SocketAddr,
    only_v6: bool,
) -> io::Result<(SocketAddr, TcpListener)> {
    let socket = open(address, only_v6, Type::STREAM, Protocol::TCP)?;
    // A restarted tracker need not wait for the old one's connections to be forgotten. On Windows the
    // option means something else.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    Ok((listener.local_addr()?, listener))
}

/// A UDP socket and its address.
pub(crate) fn socket(address: SocketAddr, only_v6: bool) -> io::Result<(SocketAddr, UdpSocket)> {
    let socket = open(address, only_v6, Type::DGRAM, Protocol::UDP)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    Ok((socket.local_addr()?, socket))
}

fn open(address: SocketAddr, only_v6: bool, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

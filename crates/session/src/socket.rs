//! Sockets as everything here wants them.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// One of the family of `address`, and of that alone, which never blocks. It is not bound yet.
pub(crate) fn open(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

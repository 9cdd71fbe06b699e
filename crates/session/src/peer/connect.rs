//! Connections that we open.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::handshake::{self, Connection, HandshakeFailure, Hello};

/// How long a connection may take to be made.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections within the session's limits, from the addresses that it is bound to.
#[derive(Debug, Clone)]
pub(crate) struct Dialler {
    /// Our addresses; none means any.
    pub(crate) bind: Arc<[IpAddr]>,
    /// Places for connections.
    pub(crate) connections: Arc<Semaphore>,
    /// Places for connections that are not yet made.
    pub(crate) half_open: Arc<Semaphore>,
}

impl Dialler {
    /// Connects and shakes hands. Waits first until the session has room for a connection.
    pub(crate) async fn dial(
        self,
        address: SocketAddr,
        hello: Hello,
    ) -> Result<Connection, HandshakeFailure> {
        let permit = self.connections.acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let mut stream = {
            let _half_open = self.half_open.acquire().await;
            let connected = timeout(TIMEOUT, connect(&self.bind, address)).await;
            connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?
        };
        let (handshake, buffer) = handshake::open(&mut stream, hello).await?;
        Ok(Connection {
            stream,
            buffer,
            handshake,
            address,
            permit,
        })
    }
}

async fn connect(bind: &[IpAddr], address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if !bind.is_empty() {
        let same_family = |ip: &&IpAddr| ip.is_ipv4() == address.is_ipv4();
        let local = bind.iter().find(same_family);
        // Rather no connection than one past the addresses that were asked for.
        let local = local.ok_or(io::ErrorKind::AddrNotAvailable)?;
        socket.bind(SocketAddr::new(*local, 0))?;
    }
    super::tune(&socket)?;
    socket.connect(address).await
}

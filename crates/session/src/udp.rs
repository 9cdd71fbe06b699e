//! The UDP sockets: one beside every listener, at the same address and port.
//!
//! Several protocols share them. Each datagram says by its first byte whose it is.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockAddr, SockRef, Type};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::dht::Node;
use crate::socket;

/// Room for the longest datagram that any protocol takes.
const BUFFER: usize = 4096;
/// Datagrams that are taken before others get a turn.
const BATCH: usize = 64;
/// How long to wait when the system has no datagram but an error.
const PAUSE: Duration = Duration::from_millis(100);

/// Binds all of these, or fails with the first that cannot be bound.
pub(crate) fn bind(
    addresses: &[SocketAddr],
) -> Result<Vec<Arc<UdpSocket>>, (SocketAddr, io::Error)> {
    let open = |&address| match open(address) {
        Ok(socket) => Ok(Arc::new(socket)),
        Err(error) => Err((address, error)),
    };
    addresses.iter().map(open).collect()
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket::open(address, Type::DGRAM)?;
    socket.bind(&SockAddr::from(address))?;
    UdpSocket::from_std(socket.into())
}

/// Sends a datagram if that is possible at once; whether it was.
///
/// The system itself is asked: of a new socket, tokio does not know yet that it can be written to.
pub(crate) fn send_now(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> bool {
    let sent = SockRef::from(socket).send_to(datagram, &to.into());
    sent.is_ok_and(|length| length == datagram.len())
}

/// Whose a datagram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// A bencoded dictionary: the DHT (BEP 5).
    Dht,
}

impl Protocol {
    fn of(datagram: &[u8]) -> Option<Self> {
        match datagram.first()? {
            b'd' => Some(Self::Dht),
            _ => None,
        }
    }
}

/// Where the datagrams of one socket go.
#[derive(Debug)]
pub(crate) struct Receivers {
    pub(crate) dht: Option<Arc<Node>>,
}

impl Receivers {
    /// Takes what comes to `socket` until the session is over.
    pub(crate) async fn run(self, socket: Arc<UdpSocket>, closing: CancellationToken) {
        let mut buffer = vec![0; BUFFER];
        loop {
            let readable = tokio::select! {
                readable = socket.readable() => readable,
                () = closing.cancelled() => return,
            };
            if readable.is_err() || !self.take_batch(&socket, &mut buffer) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Takes what is there, or as much as is fair; whether the socket still works.
    fn take_batch(&self, socket: &UdpSocket, buffer: &mut [u8]) -> bool {
        for _ in 0..BATCH {
            match socket.try_recv_from(buffer) {
                Ok((length, from)) => self.take(from, &buffer[..length]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return true,
                    // Somebody is not there to whom we sent something earlier. Windows tells.
                    io::ErrorKind::ConnectionReset => {}
                    _ => return false,
                },
            }
        }
        true
    }

    fn take(&self, from: SocketAddr, datagram: &[u8]) {
        match Protocol::of(datagram) {
            Some(Protocol::Dht) => {
                if let Some(dht) = &self.dht {
                    dht.handle_datagram(from, datagram);
                }
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_says_whose_it_is() {
        assert_eq!(Protocol::of(b"d1:y1:qe"), Some(Protocol::Dht));
        // The five types of uTP, version 1 (BEP 29).
        for first in [0x01, 0x11, 0x21, 0x31, 0x41] {
            assert_eq!(Protocol::of(&[first, 0]), None);
        }
        assert_eq!(Protocol::of(b""), None);
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_as_such() {
        let first = bind(&[([127, 0, 0, 1], 0).into()]).unwrap();
        let taken = first[0].local_addr().unwrap();
        let (address, error) = bind(&[taken]).unwrap_err();
        assert_eq!((address, error.kind()), (taken, io::ErrorKind::AddrInUse));
    }
}

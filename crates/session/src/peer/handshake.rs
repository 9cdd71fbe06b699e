//! The first 68 bytes in both directions.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use headwater_metainfo::{InfoHash, PeerId};
use headwater_wire::{HANDSHAKE_LENGTH, Handshake, HandshakeError, Reserved, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// How long the other end may take for its handshake.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Room for the handshake and the first messages.
const FIRST_READ: usize = 4096;

/// A connection whose handshake is done.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// What came behind the handshake.
    pub(crate) buffer: BytesMut,
    /// What the other end sent.
    pub(crate) handshake: Handshake,
    /// The other end; for an outgoing connection the address that was dialled.
    pub(crate) address: SocketAddr,
    /// Its place among the session's connections.
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Our end.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        self.stream
            .local_addr()
            .ok()
            .map(|address| address.ip().to_canonical())
    }
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeFailure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] HandshakeError),
    #[error("the other end was silent")]
    Timeout,
    #[error("nobody here has that torrent")]
    UnknownTorrent,
}

/// What we say in a handshake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hello {
    pub(crate) reserved: Reserved,
    pub(crate) info_hash: InfoHash,
    pub(crate) peer_id: PeerId,
}

impl Hello {
    fn encode(self) -> [u8; HANDSHAKE_LENGTH] {
        let Self {
            reserved,
            info_hash,
            peer_id,
        } = self;
        let handshake = Handshake {
            reserved,
            info_hash,
            peer_id,
        };
        handshake.encode()
    }
}

/// Shakes hands as the one that dialled: we speak first.
pub(super) async fn open(
    stream: &mut TcpStream,
    hello: Hello,
) -> Result<(Handshake, BytesMut), HandshakeFailure> {
    let exchange = async {
        stream.write_all(&hello.encode()).await?;
        let mut buffer = BytesMut::with_capacity(FIRST_READ);
        let handshake = read(stream, &mut buffer, Handshake::decode).await?;
        buffer.advance(HANDSHAKE_LENGTH);
        Ok((handshake, buffer))
    };
    timeout(TIMEOUT, exchange)
        .await
        .unwrap_or(Err(HandshakeFailure::Timeout))
}

/// Shakes hands as the one that was dialled: `find` says what to answer for the torrent that is named, and to whom the
/// connection goes.
pub(crate) async fn accept_handshake<T>(
    mut stream: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
    find: impl FnOnce(InfoHash) -> Option<(Hello, T)>,
) -> Result<(Connection, T), HandshakeFailure> {
    let exchange = async {
        let mut buffer = BytesMut::with_capacity(FIRST_READ);
        let target = read(&mut stream, &mut buffer, Target::decode).await?;
        let (hello, found) = find(target.info_hash).ok_or(HandshakeFailure::UnknownTorrent)?;
        stream.write_all(&hello.encode()).await?;
        let handshake = read(&mut stream, &mut buffer, Handshake::decode).await?;
        buffer.advance(HANDSHAKE_LENGTH);
        Ok((handshake, buffer, found))
    };
    let exchanged = timeout(TIMEOUT, exchange).await;
    let (handshake, buffer, found) = exchanged.unwrap_or(Err(HandshakeFailure::Timeout))?;
    let connection = Connection {
        stream,
        buffer,
        handshake,
        address,
        permit,
    };
    Ok((connection, found))
}

/// Reads until `decode` has what it needs; leaves the bytes in `buffer`.
async fn read<T>(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    decode: impl Fn(&[u8]) -> Result<Option<T>, HandshakeError>,
) -> Result<T, HandshakeFailure> {
    loop {
        if let Some(decoded) = decode(buffer)? {
            return Ok(decoded);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

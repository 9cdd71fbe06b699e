//! The 68 bytes that open every connection (BEP 3).

use std::{fmt, io};

use bytes::{Buf, BufMut, BytesMut};
use headwater_metainfo::{InfoHash, PeerId};
use nom::Parser;
use nom::bytes::complete::take;
use tokio_util::codec::{Decoder, Encoder};

/// Bytes of a [`Handshake`].
pub const HANDSHAKE_LENGTH: usize = 68;

/// The length byte and the name of the protocol.
const PROTOCOL: [u8; 20] = *b"\x13BitTorrent protocol";
/// Bytes up to the end of the info-hash: protocol, reserved bits, info-hash.
const TARGET_LENGTH: usize = PROTOCOL.len() + 8 + 20;

/// The eight reserved bytes, in which a peer tells which extensions it speaks.
///
/// ```
/// use headwater_wire::Reserved;
///
/// let reserved = Reserved::default().with_fast_extension().with_extension_protocol();
/// assert!(reserved.fast_extension() && !reserved.dht());
/// assert_eq!(reserved.0, [0, 0, 0, 0, 0, 0x10, 0, 0x04]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reserved(pub [u8; 8]);

/// Stamps a getter and a builder for one bit.
macro_rules! reserved_bits {
    ($($(#[$doc:meta])* $get:ident, $with:ident: $byte:literal, $mask:literal;)*) => {
        impl Reserved {
            $(
                $(#[$doc])*
                pub const fn $get(self) -> bool {
                    self.0[$byte] & $mask != 0
                }

                #[doc = concat!("The same with [`", stringify!($get), "`](Self::", stringify!($get), ") set.")]
                pub const fn $with(mut self) -> Self {
                    self.0[$byte] |= $mask;
                    self
                }
            )*
        }
    };
}

reserved_bits! {
    /// Extended messages (BEP 10).
    extension_protocol, with_extension_protocol: 5, 0x10;
    /// A DHT node, whose port a `Port` message tells (BEP 5).
    dht, with_dht: 7, 0x01;
    /// Have-all, have-none, suggest, reject and allowed-fast (BEP 6).
    fast_extension, with_fast_extension: 7, 0x04;
    /// A hybrid torrent's v1 handshake may be answered with the v2 info-hash (BEP 52).
    v2_upgrade, with_v2_upgrade: 7, 0x10;
}

impl Reserved {
    /// The bits that are set on both sides, so that what they stand for may be used.
    pub const fn common(self, other: Self) -> Self {
        Self((u64::from_be_bytes(self.0) & u64::from_be_bytes(other.0)).to_be_bytes())
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reserved({:016x})", u64::from_be_bytes(self.0))
    }
}

/// What no BitTorrent peer sends first. The other side is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The byte at this position is not the one of `\x13BitTorrent protocol`.
    #[error("byte {0} of the handshake is not the protocol's name")]
    Protocol(usize),
}

/// Who a peer is and which torrent it means.
///
/// ```
/// use headwater_metainfo::{InfoHash, PeerId};
/// use headwater_wire::{Handshake, Reserved};
///
/// let hello = Handshake {
///     reserved: Reserved::default().with_fast_extension(),
///     info_hash: InfoHash([7; 20]),
///     peer_id: PeerId(*b"-HW0100-abcdefghijkl"),
/// };
/// let bytes = hello.encode();
/// assert_eq!(Handshake::decode(&bytes), Ok(Some(hello)));
/// assert_eq!(Handshake::decode(&bytes[..67]), Ok(None)); // more is needed
/// assert!(Handshake::decode(b"\x13BitTorrent?").is_err()); // and here no more is needed to know
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handshake {
    /// Extensions that the sender speaks.
    pub reserved: Reserved,
    /// The torrent.
    pub info_hash: InfoHash,
    /// The sender's name for itself.
    pub peer_id: PeerId,
}

impl Handshake {
    /// The wire's bytes.
    pub fn encode(&self) -> [u8; HANDSHAKE_LENGTH] {
        let mut bytes = [0; HANDSHAKE_LENGTH];
        bytes[..20].copy_from_slice(&PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved.0);
        bytes[28..48].copy_from_slice(self.info_hash.as_bytes());
        bytes[48..].copy_from_slice(self.peer_id.as_bytes());
        bytes
    }

    /// Reads a handshake from the start of `bytes`; `None` means that it is good as far as it goes, and not all there.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, HandshakeError> {
        let Some(Target {
            reserved,
            info_hash,
        }) = Target::decode(bytes)?
        else {
            return Ok(None);
        };
        let peer_id = bytes[TARGET_LENGTH..].first_chunk().copied().map(PeerId);
        Ok(peer_id.map(|peer_id| Self {
            reserved,
            info_hash,
            peer_id,
        }))
    }
}

/// The part of a handshake that says which torrent is meant; the peer id follows it.
///
/// Whoever accepts a connection may look the torrent up as soon as this much has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// Extensions that the sender speaks.
    pub reserved: Reserved,
    /// The torrent.
    pub info_hash: InfoHash,
}

impl Target {
    /// Reads the first 48 bytes of a handshake; `None` when they are good as far as they go, and not all there.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, HandshakeError> {
        check_protocol(bytes)?;
        Ok(parse_target(bytes).ok().map(|(_, target)| target))
    }
}

fn check_protocol(bytes: &[u8]) -> Result<(), HandshakeError> {
    let wrong = bytes
        .iter()
        .zip(&PROTOCOL)
        .position(|(got, want)| got != want);
    wrong.map_or(Ok(()), |position| Err(HandshakeError::Protocol(position)))
}

fn parse_target(bytes: &[u8]) -> nom::IResult<&[u8], Target> {
    let (rest, _) = take(PROTOCOL.len()).parse(bytes)?;
    let (rest, reserved) = array(rest)?;
    let (rest, info_hash) = array(rest)?;
    let target = Target {
        reserved: Reserved(reserved),
        info_hash: InfoHash(info_hash),
    };
    Ok((rest, target))
}

/// The next `N` bytes.
pub(crate) fn array<const N: usize>(input: &[u8]) -> nom::IResult<&[u8], [u8; N]> {
    take(N)
        .map_res(|bytes: &[u8]| bytes.try_into())
        .parse(input)
}

/// A handshake that could not be read from a connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeCodecError {
    /// The connection failed or ended; nobody's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The other side speaks something else.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// Handshakes for [`Framed`](tokio_util::codec::Framed): reads one and leaves everything behind it in the buffer.
///
/// After the handshake, [`Framed::map_codec`](tokio_util::codec::Framed::map_codec) goes on with
/// [`MessageCodec`](crate::MessageCodec) and whatever has come already.
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use headwater_metainfo::{InfoHash, PeerId};
/// use headwater_wire::{Handshake, HandshakeCodec, Message, MessageCodec, Reserved};
/// use tokio_util::codec::Framed;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (near, far) = tokio::io::duplex(1024);
/// let (mut near, mut far) = (Framed::new(near, HandshakeCodec), Framed::new(far, HandshakeCodec));
/// let hello = Handshake {
///     reserved: Reserved::default(),
///     info_hash: InfoHash([7; 20]),
///     peer_id: PeerId(*b"-HW0100-abcdefghijkl"),
/// };
/// near.send(hello).await?;
/// let mut near = near.map_codec(|_| MessageCodec::default());
/// near.send(Message::HaveNone).await?;
///
/// assert_eq!(far.next().await.transpose()?, Some(hello));
/// let mut far = far.map_codec(|_| MessageCodec::default());
/// assert_eq!(far.next().await.transpose()?, Some(Message::HaveNone));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct HandshakeCodec;

impl Decoder for HandshakeCodec {
    type Item = Handshake;
    type Error = HandshakeCodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Handshake>, HandshakeCodecError> {
        let handshake = Handshake::decode(src)?;
        if handshake.is_some() {
            src.advance(HANDSHAKE_LENGTH);
        }
        Ok(handshake)
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Handshake>, HandshakeCodecError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            handshake => Ok(handshake),
        }
    }
}

impl Encoder<Handshake> for HandshakeCodec {
    type Error = io::Error;

    fn encode(&mut self, handshake: Handshake, dst: &mut BytesMut) -> io::Result<()> {
        dst.put_slice(&handshake.encode());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HELLO: Handshake = Handshake {
        reserved: Reserved([0, 0, 0, 0, 0, 0x10, 0, 0x15]),
        info_hash: InfoHash([7; 20]),
        peer_id: PeerId(*b"-HW0100-abcdefghijkl"),
    };

    #[test]
    fn the_bits_are_where_the_specifications_put_them() {
        let all = Reserved::default()
            .with_extension_protocol()
            .with_dht()
            .with_fast_extension()
            .with_v2_upgrade();
        assert_eq!(all, HELLO.reserved);
        let old = Reserved([0xff, 0, 0, 0, 0, 0, 0, 0x04]);
        assert_eq!(old.common(all), Reserved::default().with_fast_extension());
    }

    #[test]
    fn a_wrong_protocol_is_refused_at_its_first_wrong_byte() {
        for position in 0..PROTOCOL.len() {
            let mut bytes = HELLO.encode();
            bytes[position] ^= 1;
            assert_eq!(Handshake::decode(&bytes[..position]), Ok(None));
            let refused = Err(HandshakeError::Protocol(position));
            assert_eq!(Handshake::decode(&bytes[..=position]), refused);
            assert_eq!(Handshake::decode(&bytes), refused);
        }
    }

    #[test]
    fn the_torrent_is_known_before_the_peer() {
        let bytes = HELLO.encode();
        let target = Target {
            reserved: HELLO.reserved,
            info_hash: HELLO.info_hash,
        };
        for cut in 0..HANDSHAKE_LENGTH {
            assert_eq!(Handshake::decode(&bytes[..cut]), Ok(None));
            assert_eq!(
                Target::decode(&bytes[..cut]),
                Ok((cut >= 48).then_some(target))
            );
        }
    }

    #[test]
    fn the_codec_takes_no_more_than_the_handshake() {
        let mut src = BytesMut::from(&HELLO.encode()[..]);
        src.put_slice(b"more");
        assert_eq!(HandshakeCodec.decode(&mut src).unwrap(), Some(HELLO));
        assert_eq!(&src[..], b"more");
        let mut cut = BytesMut::from(&HELLO.encode()[..67]);
        assert!(matches!(
            HandshakeCodec.decode_eof(&mut cut),
            Err(HandshakeCodecError::Io(_))
        ));
    }

    proptest! {
        #[test]
        fn handshakes_round_trip(reserved: [u8; 8], info_hash: [u8; 20], peer_id: [u8; 20]) {
            let hello = Handshake {
                reserved: Reserved(reserved),
                info_hash: InfoHash(info_hash),
                peer_id: PeerId(peer_id),
            };
            prop_assert_eq!(Handshake::decode(&hello.encode()), Ok(Some(hello)));
        }
    }
}
